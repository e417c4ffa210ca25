/**
 * The benchmark: `npm run bench`, `npm run bench -- NAME…`.
 *
 * --quick     fewer turns and smaller volumes
 * --markdown  prints the tables as docs/performance.md has them
 * --json FILE writes everything that was measured, after each case
 */
import { execFileSync } from "node:child_process"
import { writeFileSync } from "node:fs"
import { parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import { detectCrypto } from "../src/layers/Ssh2Server.ts"
import type { Case, Scale } from "./Case.ts"
import { exec, exit } from "./cases/channel.ts"
import { connections, engineConnections } from "./cases/connections.ts"
import { echo } from "./cases/echo.ts"
import { growth } from "./cases/growth.ts"
import { memory } from "./cases/memory.ts"
import { removal } from "./cases/removal.ts"
import { promptCase, start } from "./cases/start.ts"
import { download, memoryDownload, memoryUpload, terminal, upload } from "./cases/throughput.ts"
import * as Report from "./Report.ts"
import * as World from "./World.ts"

const cases: ReadonlyArray<Case> = [
  start,
  promptCase,
  exec,
  exit,
  removal,
  echo,
  download,
  upload,
  terminal,
  memoryDownload,
  memoryUpload,
  connections,
  engineConnections,
  memory,
  growth
]

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: "boolean", default: false },
    markdown: { type: "boolean", default: false },
    json: { type: "string" }
  }
})

const say = (text: string) => process.stdout.write(`${text}\n`)
const scale: Scale = { quick: values.quick, turns: values.quick ? 4 : 12 }
const unknown = positionals.filter((name) => !cases.some((one) => one.name === name))
const chosen = positionals.length === 0 ? cases : cases.filter(({ name }) => positionals.includes(name))

const openssh = () => {
  // `ssh -V` says it on standard error.
  const said = execFileSync("sh", ["-c", "ssh -V 2>&1"], { encoding: "utf8" })
  return said.trim().split(",")[0] ?? ""
}

const measureOne = (one: Case, world: World.World) =>
  Effect.gen(function* () {
    const started = performance.now()
    const outcome = yield* Effect.scoped(one.run(world, scale))
    const report: Report.CaseReport = { case: one, seconds: (performance.now() - started) / 1000, outcome }
    if (!values.markdown) say(Report.text(report))
    return report
  })

const program = Effect.gen(function* () {
  const before = Report.machine()
  const world = yield* World.make
  const reports: Array<Report.CaseReport> = []
  const failures: Array<string> = []
  const client = openssh()
  const engine = yield* Effect.flatMap(world.engine, ({ version }) => version)
  const surroundings = (): Report.Surroundings => ({
    date: new Date().toISOString(),
    node: process.version,
    crypto: detectCrypto(),
    openssh: client,
    engine,
    cpu: before.cpu,
    memory: before.memory,
    load: [before.load, Report.machine().load]
  })
  // Also of a run that is stopped: what it has measured is kept.
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      if (values.markdown && reports.length > 0) say(Report.markdown(reports, surroundings()))
    })
  )
  for (const one of chosen) {
    process.stderr.write(`${one.name}: ${one.title}\n`)
    const result = yield* Effect.result(measureOne(one, world))
    if (result._tag === "Success") reports.push(result.success)
    else failures.push(`${one.name}: ${result.failure.message}`)
    if (values.json !== undefined) writeFileSync(values.json, Report.json(reports, surroundings()))
  }
  for (const failure of failures) process.stderr.write(`failed: ${failure}\n`)
  if (failures.length > 0) process.exitCode = 1
}).pipe(Effect.scoped)

if (unknown.length > 0) {
  process.stderr.write(`no such case: ${unknown.join(", ")}; there are ${cases.map(({ name }) => name).join(", ")}\n`)
  process.exitCode = 2
} else {
  NodeRuntime.runMain(program)
}
