/** One plan, carried out against the started program, and judged. */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { askProbe, probeModule } from "../../bench/Reading.ts"
import { pause, waitFor, within } from "../support/Deadline.ts"
import { engineSockets } from "../support/Engine.ts"
import { listContainers } from "../support/EngineApi.ts"
import { HarnessError } from "../support/HarnessError.ts"
import { generateKey, ssh } from "../support/OpenSsh.ts"
import { type ServerOptions, startServer, type TestServer } from "../support/Server.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"
import { makeWire } from "../support/Wire.ts"
import { makeBystander } from "./Bystander.ts"
import { isOfKilledEngine, isOfKilledServer, leftOnEngine, leftovers, type Places, sweep } from "./Leftovers.ts"
import { isEngineKilled, isHit, isServerKilled, type Plan } from "./Plan.ts"
import type { PrivateEngine } from "./PrivateEngine.ts"
import { type Ended, pulls, victim } from "./Victims.ts"

export interface RoundReport {
  readonly clients: number
  /** Clients that did not end as they would have with nobody doing anything. */
  readonly harmed: number
  /** Bytes that came back to the bystander. */
  readonly echoed: number
  /** Containers that the dead man's switch did not get, and volumes that the engine has lost: the next server did. */
  readonly reaped: ReadonlyArray<string>
}

const fault = (detail: string) => new HarnessError({ operation: "chaos", detail })

const bystander = "bystander"

const options = (
  plan: Plan,
  engine: PrivateEngine,
  places: Places,
  publicKey: string
): ServerOptions & { readonly user: string } => {
  const hasPulls = plan.steps.some(({ _tag }) => _tag === "Pulls")
  const names = [bystander, ...plan.steps.map((_, index) => `user${index}`)]
  return {
    user: bystander,
    users: Object.fromEntries(names.map((name) => [name, { authorizedKeys: [publicKey] }])),
    image: hasPulls
      ? `${engine.registry}/dockerrun-test/tiny:1`
      : `dockerrun-test/${plan.volume ? "volume" : "tiny"}:1`,
    // Reached from a network namespace as well.
    ssh: { listen: "0.0.0.0:0", clientAliveInterval: "2s", shutdownGracePeriod: "1s" },
    dockerrun: { host: engine.host, ...(hasPulls ? { limits: { starts: 2, queue: 4 } } : {}) },
    ...(plan.workers === 1 ? {} : { args: ["--workers", String(plan.workers)] }),
    backend: {
      mode: plan.mode,
      pool: { size: plan.pool },
      // One that nobody uses any more is stopped, and then it is old enough to go.
      persistent: { name: "chaos-{username}", idleTimeout: "2s", maxAge: "1s" },
      waitingPrograms: plan.waitingPrograms,
      ...(hasPulls ? { imagePullPolicy: "Always" } : {})
    },
    sections: { lifecycle: { stateDirectory: places.state, instance: "chaos", reapInterval: "2s" } },
    env: {
      TMPDIR: places.temporary,
      BENCH_PROBE_FILE: places.probe,
      // Its workers have the probe as well, which counts fibers by an experiment of Node's.
      NODE_OPTIONS: `--expose-gc --disable-warning=ExperimentalWarning --import ${pathToFileURL(probeModule).href}`
    }
  }
}

/** The words that the log has for what happened to a user. */
const explanations = (server: TestServer, user: string) =>
  server.events.filter(
    ({ code, level, username }) => username === user && (level !== "debug" || code === "CONNECTION_ERROR")
  )

/** Codes of what says why a session ended as it did. */
const isReason = ({ code, level }: Readonly<Record<string, unknown>>): boolean =>
  level === "warning" || level === "error" || (typeof code === "string" && code.startsWith("DOCKERRUN_"))

const unexplained = (server: TestServer, ended: Ended): string | undefined => {
  if (ended.isAsMeant || explanations(server, ended.user).some(isReason)) return undefined
  const known = explanations(server, ended.user).map(({ code }) => String(code))
  return `${ended.user} ended with ${ended.status} (${JSON.stringify(ended.complaints)}), and the log has only: ${known.join(", ")}`
}

/** Lines of the server that are no events: nobody meant to write those. */
const strayLines = (server: TestServer) =>
  server
    .text()
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("{"))

/** How many fibers the process of the server has that has most of them. */
const mostFibers = (server: TestServer, places: Places) =>
  Effect.map(
    Effect.forEach([server.pid, ...server.children()], (pid) => askProbe(pid, places.probe)),
    (readings) => Math.max(...readings.map(({ fibers }) => fibers))
  )

/** The fibers of a server that has served a connection, has nobody left, and has filled its pool again. */
const idleFibers = Effect.fnUntraced(function* (plan: Plan, engine: PrivateEngine, server: TestServer, places: Places) {
  if (plan.workers > 1) yield* server.waitForEvent("WORKERS_STARTED", () => true, 30_000)
  yield* ssh({ ...server.target, command: "true", deadline: 60_000 })
  yield* waitFor(
    "the pool to be full and nothing else to be there",
    Effect.map(
      listContainers(engine.host),
      (all) =>
        all.length >= plan.pool && all.every(({ Labels, State }) => "dockerrun_pooled" in Labels && State === "running")
    ),
    30_000
  )
  return yield* mostFibers(server, places)
})

const isOver = (server: TestServer, engine: PrivateEngine, plan: Plan, places: Places, idle: number) =>
  Effect.gen(function* () {
    yield* waitFor(
      "the containers of connections to go",
      Effect.map(listContainers(engine.host), (all) => all.every(({ Labels }) => "dockerrun_pooled" in Labels)),
      45_000
    )
    // A pool's container has a stream each; some more connections are kept for the next requests.
    yield* waitFor(
      "the server's sockets to the engine to close",
      Effect.map(
        Effect.forEach([server.pid, ...server.children()], (pid) => engineSockets(pid, engine.host)),
        (counts) => counts.every((count) => count <= 8 + 2 * plan.pool)
      ),
      20_000
    )
    const workers = plan.workers === 1 ? 0 : plan.workers
    if (server.children().length !== workers) {
      return yield* fault(`the server has ${server.children().length} child processes`)
    }
    let fibers = 0
    yield* Effect.mapError(
      waitFor(
        "the fibers of connections to end",
        Effect.map(mostFibers(server, places), (count) => {
          fibers = count
          // What was under way when the engine went is held until it goes again; three times leave no more than once.
          return count <= idle + (isHit(plan, "Engine") ? 6 : 2)
        }),
        20_000
      ),
      () => fault(`a process of the server had ${idle} fibers, and one has ${fibers}`)
    )
  })

/** Carries out the steps; gives how the clients ended. */
const carryOut = Effect.fnUntraced(function* (plan: Plan, engine: PrivateEngine, server: TestServer) {
  const isCut = plan.steps.some((step) => step._tag === "Client" && step.fault === "cutNetwork")
  const wire = isCut ? yield* makeWire : undefined
  const surroundings = { server, engine, wire }
  const all = yield* Effect.forEach(
    plan.steps,
    (step, index) =>
      Effect.gen(function* () {
        switch (step._tag) {
          case "Client":
            return [yield* victim(surroundings, `user${index}`, step)]
          case "Pulls":
            return yield* pulls(surroundings, `user${index}`, step)
          case "Server":
            yield* pause(step.at)
            yield* server.kill(step.signal)
            return []
          case "Engine":
            yield* pause(step.at)
            // Whatever happens meanwhile, the next round has an engine.
            yield* Effect.acquireUseRelease(
              engine.halt(step.how),
              () => pause(step.away),
              () => Effect.orDie(engine.resume)
            )
            return []
        }
      }),
    { concurrency: "unbounded" }
  )
  return all.flat()
})

/** Waits until nothing is left, if need be with the help of the server that comes next; gives what it found. */
const cleanedUp = Effect.fnUntraced(function* (
  engine: PrivateEngine,
  settings: ServerOptions,
  before: ReadonlySet<string>
) {
  const still = Effect.map(leftOnEngine(engine), (all) => all.filter((one) => !before.has(one)))
  const gone = Effect.map(still, (all) => all.length === 0)
  const bySwitch = yield* Effect.result(waitFor("the containers to go", gone, 8000))
  if (bySwitch._tag === "Success") return []
  const left = yield* still
  yield* Effect.scoped(
    Effect.gen(function* () {
      const { backend, ...others } = settings
      yield* startServer({ ...others, backend: { ...backend, pool: { size: 0 } } })
      yield* waitFor("the next server to remove what is left", gone, 45_000)
    })
  )
  return left
})

/** Fails with what is wrong, and the server's log. */
export const round = (plan: Plan, engine: PrivateEngine): Effect.Effect<RoundReport, HarnessError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const places = {
        temporary: join(directory, "tmp"),
        state: join(directory, "state"),
        probe: join(directory, "probe")
      }
      for (const place of [places.temporary, places.state]) mkdirSync(place)
      yield* Effect.ignore(sweep(engine))
      // What a killed engine has forgotten in an earlier round.
      const before = new Set(yield* leftovers(engine, places))
      const key = yield* generateKey("ed25519")
      const settings = options(plan, engine, places, key.publicKey)
      const scope = yield* Scope.fork(yield* Effect.scope)
      const started = yield* Scope.provide(startServer(settings), scope)
      const server: TestServer = { ...started, target: { ...started.target, identityFile: key.privateFile } }

      const judged = Effect.gen(function* () {
        const idle = isHit(plan, "Server") ? 0 : yield* idleFibers(plan, engine, server, places)
        const spared = !isHit(plan, "Server") && !isHit(plan, "Engine")
        const innocent = yield* makeBystander(server.target)
        const ended = yield* Effect.scoped(carryOut(plan, engine, server))
        if (isHit(plan, "Server")) {
          yield* innocent.perish
          yield* server.exit(45_000)
        } else {
          const works = ssh({ ...server.target, command: "echo works", deadline: 60_000 })
          const answer = yield* works
          if (answer.stdout !== "works\n")
            return yield* fault(`a new connection got ${answer.status}: ${answer.stderr}`)
          if (spared) yield* innocent.leave
          else {
            const { status } = yield* innocent.perish
            const told = { user: bystander, status: status ?? undefined, output: "", complaints: "", isAsMeant: false }
            const silence = unexplained(server, told)
            if (silence !== undefined) return yield* fault(silence)
          }
          const silent = ended.flatMap((one) => unexplained(server, one) ?? [])
          if (silent.length > 0) return yield* fault(silent.join("\n"))
          yield* isOver(server, engine, plan, places, idle)
          yield* server.kill("SIGTERM")
          const { status } = yield* server.exit(45_000)
          if (status !== 0) return yield* fault(`the server ended with ${status}`)
        }
        if (strayLines(server).length > 0) return yield* fault(`the server wrote: ${strayLines(server).join("\n")}`)
        const reaped = yield* cleanedUp(engine, settings, before)
        if (reaped.length > 0 && !isHit(plan, "Server") && !isHit(plan, "Engine"))
          return yield* fault(`left by the server: ${reaped.join(", ")}`)
        const left = Effect.map(leftovers(engine, places), (all) =>
          all.filter(
            (one) =>
              !before.has(one) &&
              !(isEngineKilled(plan) && isOfKilledEngine(one)) &&
              // A persistent container is none of a server's, and neither are its volumes.
              !(plan.mode === "persistent" && isHit(plan, "Engine") && one.startsWith("volume ")) &&
              !(isServerKilled(plan) && isOfKilledServer(one))
          )
        )
        const clean = yield* Effect.result(
          waitFor(
            "nothing to be left",
            Effect.map(left, ({ length }) => length === 0),
            10_000
          )
        )
        if (clean._tag === "Failure") return yield* fault(`left behind:\n${(yield* left).join("\n")}`)
        return {
          clients: ended.length + 1,
          harmed: ended.filter(({ isAsMeant }) => !isAsMeant).length,
          echoed: innocent.echoed(),
          // A persistent container outlives its server on purpose.
          reaped: plan.mode === "persistent" ? [] : reaped
        }
      })
      return yield* within(judged, 240_000, () => "a round").pipe(
        Effect.mapError(
          (error) => new HarnessError({ operation: error.operation, detail: `${error.detail}\n${server.text()}` })
        ),
        Effect.ensuring(Scope.close(scope, Exit.void))
      )
    })
  )
