/** What the cases measure in: a private engine, Debian's sshd, a warm container, and servers of the program. */
import { spawnSync } from "node:child_process"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import { pause, waitFor } from "../test/support/Deadline.ts"
import { connectionLabel, pooledLabel } from "../src/services/ContainerOwner.ts"
import { HarnessError } from "../test/support/HarnessError.ts"
import { generateKey, type KeyPair, type SshTarget } from "../test/support/OpenSsh.ts"
import { output } from "../test/support/Program.ts"
import * as RawEngine from "./RawEngine.ts"
import { type Server, startServer } from "./Server.ts"
import { startSshd } from "./Sshd.ts"

export const image = "dockerrun-test/tiny:1"

/** The programs of the engine in memory that move bytes. */
export const memoryPrograms = { zeros: "zeros", swallow: "swallow" } as const

export interface World {
  readonly engine: Effect.Effect<RawEngine.RawEngine, HarnessError>
  /** Command lines for whoever has a shell on this machine. */
  readonly dockerRun: (command: string, flags?: string) => Effect.Effect<string, HarnessError>
  readonly dockerExec: (command: string, flags?: string) => Effect.Effect<string, HarnessError>
  readonly sshd: Effect.Effect<SshTarget, HarnessError>
  /** A container that runs, for `docker exec`. */
  readonly warmContainer: Effect.Effect<string, HarnessError>
  /** On the real engine, each connection with a container of its own that is made when it comes. */
  readonly cold: Effect.Effect<Server, HarnessError>
  /** The same with containers that wait. */
  readonly warm: Effect.Effect<Server, HarnessError>
  /**
   * Waits until as many containers wait as there should, those of connections that have ended are gone, and the engine
   * has had a moment to come to rest: no contender pays for another one.
   */
  readonly rest: Effect.Effect<void, HarnessError>
  /** On an engine in memory; started anew for each caller. */
  readonly inMemory: (options?: {
    readonly node?: ReadonlyArray<string>
    readonly config?: Readonly<Record<string, unknown>>
  }) => Effect.Effect<Server, HarnessError, Scope.Scope>
}

const script = join(import.meta.dirname, "../scripts/test-engine")
const entry = (name: string) => join(import.meta.dirname, name)

/** The engine that `DOCKERRUN_TEST_ENGINE` names, or one of this run's own, which goes with it. */
const startEngine = Effect.gen(function* () {
  const named = process.env["DOCKERRUN_TEST_ENGINE"] ?? ""
  if (named !== "" && named !== "none") return named
  const directory = join(tmpdir(), `dockerrun-test-${process.getuid?.() ?? 0}-bench-${process.pid}`)
  const env = { ...process.env, DOCKERRUN_TEST_DIR: directory, DOCKERRUN_TEST_OWNER: String(process.pid) }
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => spawnSync(script, ["stop"], { env, encoding: "utf8", timeout: 120_000 }))
  )
  const printed = yield* output(script, ["start"], { env, deadline: 120_000 })
  const host = /^export DOCKERRUN_TEST_ENGINE=(.+)$/mu.exec(printed)?.[1]
  if (host === undefined) return yield* new HarnessError({ operation: "starting the engine", detail: printed })
  return host
})

/** What the floor is measured with, should a measurement be cut short. */
export const floorLabel = "dockerrun-bench-floor=1"

/** Whatever this run had an engine start bears this label, and is removed at the end, however that comes. */
const label = `dockerrun-bench=${process.pid}`

const makeEngine = Effect.gen(function* () {
  const engine = RawEngine.make(yield* startEngine)
  yield* Effect.addFinalizer(() =>
    Effect.forEach([label, floorLabel], (one) => Effect.ignore(engine.removeLabelled(one)))
  )
  return engine
})

const realConfig = (host: string, backend: Readonly<Record<string, unknown>>) => ({
  dockerrun: {
    host,
    config: {
      container: { Image: image },
      host: { NetworkMode: "none" },
      shellCommand: ["/bin/sh"],
      imagePullPolicy: "Never",
      ...backend
    }
  }
})

const poolSize = 4

/** In this time a container that has begun to wait, or whose program has ended, gets its waiting programs. */
export const settle = pause(400)

/** Builds each part when it is asked for first; all of it ends with the Scope. */
export const make = Effect.gen(function* () {
  const scope = yield* Effect.scope
  const once = <A>(acquire: Effect.Effect<A, HarnessError, Scope.Scope>) => Effect.cached(Scope.provide(acquire, scope))

  const key: KeyPair = yield* generateKey("ed25519", { comment: "bench" })
  const engine = yield* once(makeEngine)
  const sshd = yield* once(startSshd(key))
  const warmContainer = yield* once(Effect.flatMap(engine, (raw) => raw.startContainer(image, label)))
  const onEngine = (backend: Readonly<Record<string, unknown>>) =>
    Effect.flatMap(engine, ({ host }) =>
      startServer({ entry: entry("../src/main.ts"), key, config: realConfig(host, backend) })
    )
  const cold = yield* once(onEngine({}))
  const warm = yield* once(onEngine({ pool: { size: poolSize } }))

  const world: World = {
    engine,
    sshd,
    warmContainer,
    cold,
    warm,
    // What was taken from the pool bears its label until it is gone.
    rest: Effect.flatMap(Effect.all([engine, cold, warm, settle]), ([{ count }]) =>
      waitFor(
        "the pool to fill, and what ended to go",
        Effect.map(
          Effect.all([count(pooledLabel), count(connectionLabel)]),
          ([waiting, all]) => waiting >= poolSize && all <= waiting
        ),
        60_000
      ).pipe(Effect.andThen(settle))
    ),
    dockerRun: (command, flags = "-i") =>
      Effect.map(
        engine,
        ({ host }) => `DOCKER_HOST=${host} docker run --rm --network none --label ${label} ${flags} ${image} ${command}`
      ),
    dockerExec: (command, flags = "-i") =>
      Effect.map(
        Effect.all([engine, warmContainer]),
        ([{ host }, id]) => `DOCKER_HOST=${host} docker exec ${flags} ${id} ${command}`
      ),
    inMemory: ({ config, node } = {}) =>
      startServer({
        entry: entry("InMemoryServer.ts"),
        key,
        ...(node === undefined ? {} : { node }),
        config: { ...realConfig("", {}), ...config }
      })
  }
  return world
})
