/**
 * Chaos: `npm run chaos`.
 *
 * --seed N       the first seed; each round has the next one (1 unless told)
 * --rounds N     how many rounds at most (20 unless told)
 * --mode MODE    only seeds whose plan has this mode: connection, session or persistent
 * --minutes N    begins no round after that time (10 unless told)
 * --endurance    instead of rounds: 10 000 connections through one server on an engine in memory, 500 on the real one
 * --connections N     how many of those on the engine in memory
 * --containers N      how many of those on the real one
 * --engine DIR   uses the engine that `scripts/test-engine` runs in DIR, and ends and restarts it; no other must use it
 */
import { parseArgs } from "node:util"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import { campaign } from "./Campaign.ts"
import * as Endurance from "./Endurance.ts"
import { HarnessError } from "../support/HarnessError.ts"
import { draw, modes } from "./Plan.ts"
import { privateEngine } from "./PrivateEngine.ts"

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    rounds: { type: "string", default: "20" },
    mode: { type: "string" },
    minutes: { type: "string", default: "10" },
    endurance: { type: "boolean", default: false },
    connections: { type: "string", default: "10000" },
    containers: { type: "string", default: "500" },
    engine: { type: "string" }
  }
})

const say = (text: string) => process.stdout.write(`${text}\n`)

const endurance = Effect.gen(function* () {
  const [connections, containers] = [Number(values.connections), Number(values.containers)]
  if (connections > 0) {
    const { seconds } = yield* Effect.scoped(Endurance.inMemory({ connections, atOnce: 10, batch: 1000, say }))
    say(`${connections} connections on an engine in memory: ${seconds.toFixed(0)} s`)
  }
  if (containers > 0) {
    const engine = yield* privateEngine(values.engine)
    const settings = { connections: containers, atOnce: 4, batch: 50, say }
    const { seconds } = yield* Effect.scoped(Endurance.onEngine(engine, settings))
    say(`${containers} connections on the real engine: ${seconds.toFixed(0)} s`)
  }
})

const chaos = Effect.gen(function* () {
  const engine = yield* privateEngine(values.engine)
  const first = Number(values.seed)
  const seeds: Array<number> = []
  if (values.mode !== undefined && !modes.some((mode) => mode === values.mode)) {
    return yield* new HarnessError({ operation: "--mode", detail: `one of ${modes.join(", ")}` })
  }
  for (let seed = first; seeds.length < Number(values.rounds); seed += 1) {
    if (values.mode === undefined || draw(seed).mode === values.mode) seeds.push(seed)
  }
  const { failures, rounds } = yield* campaign(engine, { seeds, minutes: Number(values.minutes), say })
  const sum = (of: (one: (typeof rounds)[number]) => number) => rounds.reduce((total, one) => total + of(one), 0)
  say(
    `${rounds.length} rounds passed, ${failures.length} failed; ${sum(({ clients }) => clients)} clients, ` +
      `${sum(({ harmed }) => harmed)} harmed, ${sum(({ echoed }) => echoed)} bytes echoed to bystanders, ` +
      `${sum(({ reaped }) => reaped.length)} reaped by a next server`
  )
  if (failures.length > 0) process.exitCode = 1
})

NodeRuntime.runMain(Effect.scoped(values.endurance ? endurance : chaos))
