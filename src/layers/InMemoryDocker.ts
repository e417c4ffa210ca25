/**
 * A container engine that exists only in memory, for the tests of apps: its programs are Effects, its time is the
 * Clock's, and its faults are data.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { DockerError } from "../schema/DockerError.ts"
import { Docker, type EngineInfo } from "../services/Docker.ts"
import { type Fault, InMemoryEngine } from "../services/InMemoryEngine.ts"
import * as Calls from "./inmemory/Calls.ts"
import * as Containers from "./inmemory/Containers.ts"
import * as Engine from "./inmemory/Engine.ts"
import * as FaultPlan from "./inmemory/FaultPlan.ts"
import * as Images from "./inmemory/Images.ts"
import type { RegistryImage, SimulatedImage } from "./inmemory/SimulatedImage.ts"
import type { SimulatedProgram } from "./inmemory/SimulatedProgram.ts"
import * as StandardPrograms from "./inmemory/StandardPrograms.ts"

export type { RegistryImage, SimulatedImage } from "./inmemory/SimulatedImage.ts"
export type {
  SimulatedOutput,
  SimulatedProcess,
  SimulatedProgram,
  SimulatedTerminal
} from "./inmemory/SimulatedProgram.ts"

/**
 * The small programs that an image with a shell has anyway, by name: `cat`, `echo`, `sleep`, … For images without one.
 *
 * @since 0.1.0
 * @category constants
 */
export const standardPrograms: Readonly<Record<string, SimulatedProgram>> = StandardPrograms.programs

/**
 * What the engine holds, and how it behaves.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /** Images that are on the engine: reference → image. */
  readonly images?: Readonly<Record<string, SimulatedImage>>
  /** Images that a pull finds: reference → image. */
  readonly registry?: Readonly<Record<string, RegistryImage>>
  /** Registries that cannot be reached: `docker.io`, `registry.example.org:5000`. */
  readonly registriesDown?: ReadonlyArray<string>
  readonly faults?: ReadonlyArray<Fault>
  /** How long after the end of an exec's output its exit status is known. Default: no time. */
  readonly exitDelay?: Duration.Input
  /**
   * Whether calls, and containers that were removed, are kept to be asked for. Default: true. An engine that serves for
   * long grows with them.
   */
  readonly remembers?: boolean
}

const engineInfo: EngineInfo = {
  address: Calls.address,
  origin: "InMemoryDocker",
  engineVersion: "0.0.0-memory",
  apiVersion: "1.41",
  os: "linux"
}

const make = Effect.fnUntraced(function* (options: Options) {
  const scope = yield* Effect.scope
  const plan = FaultPlan.make()
  const { awaitCalls, call, log } = Calls.make(plan, scope, options.remembers)
  const images = Images.make({
    local: options.images ?? {},
    registry: options.registry ?? {},
    registriesDown: options.registriesDown ?? []
  })
  const containers = yield* Containers.make(images, scope, { remembersRemoved: options.remembers ?? true })
  const { docker, execs, streams } = Engine.make({
    info: engineInfo,
    call,
    containers,
    images,
    exitDelay: options.exitDelay,
    scope
  })

  const breakStreams = Effect.sync(() => {
    for (const stream of streams) {
      stream.break(new DockerError({ operation: "stream", reason: Calls.unreachable("ECONNRESET") }))
    }
  })
  const addFaults = Effect.fnUntraced(function* (faults: ReadonlyArray<Fault>) {
    plan.add(faults, yield* Clock.currentTimeMillis)
    for (const fault of faults) {
      if (fault.effect._tag !== "Gone") continue
      if (fault.from === undefined) yield* breakStreams
      else yield* Effect.sleep(fault.from).pipe(Effect.andThen(breakStreams), Effect.forkIn(scope))
    }
  })
  yield* addFaults(options.faults ?? [])

  const engine = InMemoryEngine.of({
    containers: Effect.sync(() => containers.list().map(Containers.record)),
    removed: Effect.sync(() => [...containers.removed()]),
    execs: Effect.sync(execs.list),
    leaveVolume: (labels) => Effect.sync(() => containers.volumes.leave(labels)),
    images: Effect.sync(images.references),
    pulls: Effect.sync(images.pulls),
    calls: (operation) =>
      Effect.sync(() => {
        const all = log()
        return operation === undefined ? all : all.filter((one) => one.operation === operation)
      }),
    awaitCalls: (count, operation) => awaitCalls(count, operation),
    addFaults,
    clearFaults: Effect.sync(plan.clear),
    openStreams: Effect.sync(() => streams.size)
  })

  return Context.make(Docker, docker).pipe(Context.add(InMemoryEngine, engine))
})

/**
 * An engine in memory. It gives `Docker`, and `InMemoryEngine` to look inside and to add faults.
 *
 * @example
 * ```ts
 * const engine = InMemoryDocker.layer({
 *   images: {
 *     "busybox:1": {
 *       programs: { greet: ({ stdout }) => Effect.as(stdout.write("hello\n"), 0) }
 *     }
 *   },
 *   faults: [{ operation: "startContainer", nth: 1, effect: { _tag: "Delay", duration: "90 seconds" } }]
 * })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options = {}): Layer.Layer<Docker | InMemoryEngine> => Layer.effectContext(make(options))
