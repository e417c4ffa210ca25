/**
 * A container engine that exists only in memory, for the tests of apps: its programs are Effects, its time is the
 * Clock's, and its faults are data.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import { BadRequest, Conflict, DockerError } from "../schema/DockerError.ts"
import type { ProgramOutput } from "../services/ByteSink.ts"
import { Docker, type EngineInfo, type ProgramStreams } from "../services/Docker.ts"
import { type Fault, InMemoryEngine } from "../services/InMemoryEngine.ts"
import * as Signal from "../services/Signal.ts"
import * as Calls from "./inmemory/Calls.ts"
import * as ClientStream from "./inmemory/ClientStream.ts"
import * as Containers from "./inmemory/Containers.ts"
import * as Execs from "./inmemory/Execs.ts"
import * as FaultPlan from "./inmemory/FaultPlan.ts"
import * as Images from "./inmemory/Images.ts"
import type { RegistryImage, SimulatedImage } from "./inmemory/SimulatedImage.ts"
import { signalNumbers, type SimulatedProgram } from "./inmemory/SimulatedProgram.ts"
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
}

const engineInfo: EngineInfo = {
  address: Calls.address,
  origin: "InMemoryDocker",
  engineVersion: "0.0.0-memory",
  apiVersion: "1.41",
  os: "linux"
}

const bears = (labels: Readonly<Record<string, string>>, wanted: ReadonlyArray<string>): boolean =>
  wanted.every((filter) => {
    const equals = filter.indexOf("=")
    return equals === -1
      ? Object.hasOwn(labels, filter)
      : Object.hasOwn(labels, filter.slice(0, equals)) && labels[filter.slice(0, equals)] === filter.slice(equals + 1)
  })

const make = Effect.fnUntraced(function* (options: Options) {
  const scope = yield* Effect.scope
  const plan = FaultPlan.make()
  const { awaitCalls, call, log } = Calls.make(plan, scope)
  const images = Images.make({
    local: options.images ?? {},
    registry: options.registry ?? {},
    registriesDown: options.registriesDown ?? []
  })
  const containers = yield* Containers.make(images, scope)
  const streams = new Set<{ readonly break: (error: DockerError) => void }>()

  const openStream = (output: ProgramOutput, breakPoint: Calls.BreakPoint | undefined, onClosed: () => void) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const client = ClientStream.make({
          output,
          breakAfter: breakPoint,
          onClosed: () => {
            streams.delete(client)
            onClosed()
          }
        })
        streams.add(client)
        return client
      }),
      (client) => Effect.sync(() => client.close())
    )
  const execs = Execs.make({ containers, openStream, exitDelay: options.exitDelay, scope })

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

  const attach = Effect.fnUntraced(function* (
    id: string,
    output: ProgramOutput,
    breakPoint: Calls.BreakPoint | undefined
  ) {
    const container = yield* containers.find(id)
    const { config } = container.spec
    const closesInput = config.StdinOnce === true && !container.tty
    const endInput = () => {
      // Only with StdinOnce does the engine pass the end of the input on, or take a client that has gone for it.
      if (!closesInput) return
      if (container.main === undefined) container.isEarlyInputEnded = true
      else container.main.stdin.end()
    }
    const client = yield* openStream(output, breakPoint, endInput)
    yield* Effect.acquireRelease(
      Effect.sync(() => container.attached.add(client)),
      () => Effect.sync(() => container.attached.delete(client))
    )
    containers.publish(container, "attach")
    let drain = () => {}
    const streams: ProgramStreams = {
      stdin: {
        write: (chunk) => {
          if (!client.isOpen() || config.OpenStdin !== true) return true
          if (container.main !== undefined) {
            container.main.stdin.onDrain(drain)
            return container.main.stdin.write(chunk)
          }
          if (container.status === "created") container.early.push(chunk)
          return true
        },
        end: endInput,
        onDrain: (callback) => {
          drain = callback
          container.main?.stdin.onDrain(callback)
        }
      },
      ended: client.ended
    }
    return streams
  })

  const wait = Effect.fnUntraced(function* (id: string, condition: "not-running" | "next-exit" | "removed") {
    const container = yield* containers.find(id)
    switch (condition) {
      case "not-running":
        return {
          exitCode: container.status === "running" ? yield* Deferred.await(container.exited) : container.exitCode
        }
      case "next-exit":
        return {
          exitCode: yield* Effect.raceFirst(Deferred.await(container.exited), Deferred.await(container.removed))
        }
      case "removed":
        return { exitCode: yield* Deferred.await(container.removed) }
    }
  })

  const kill = Effect.fnUntraced(function* (id: string, signal: string) {
    const container = yield* containers.find(id)
    const name = signal.replace(/^SIG/u, "")
    if (!Signal.isName(name)) return yield* new BadRequest({ message: `Invalid signal: ${signal}` })
    if (container.status !== "running") {
      return yield* new Conflict({
        message: `Cannot kill container: ${id}: Container ${container.id} is not running`
      })
    }
    containers.publish(container, "kill", { signal: String(signalNumbers[name]) })
    container.main?.signal(name)
    return undefined
  })

  const containerEvents: Docker["Service"]["containerEvents"] = (labels) =>
    Stream.unwrap(
      call(
        "containerEvents",
        [labels],
        (breakPoint) =>
          Effect.gen(function* () {
            const broken = Deferred.makeUnsafe<never, DockerError>()
            const subscription = yield* PubSub.subscribe(containers.events)
            const entry = { break: (error: DockerError) => void Deferred.doneUnsafe(broken, Effect.fail(error)) }
            yield* Effect.acquireRelease(
              Effect.sync(() => streams.add(entry)),
              () => Effect.sync(() => streams.delete(entry))
            )
            let left = breakPoint?.bytes ?? Number.POSITIVE_INFINITY
            return Stream.fromSubscription(subscription).pipe(
              Stream.filter((event) => bears(event.attributes, labels)),
              Stream.tap(() => {
                left -= 1
                return left < 0 && breakPoint !== undefined ? Effect.fail(breakPoint.error) : Effect.void
              }),
              Stream.interruptWhen(Deferred.await(broken))
            )
          }),
        { held: true }
      )
    )

  const docker = Docker.of({
    info: call("info", [], () => Effect.succeed(engineInfo)),
    inspectImage: (reference) => call("inspectImage", [reference], () => images.inspect(reference)),
    pullImage: (reference, pullOptions) =>
      Stream.unwrap(
        call(
          "pullImage",
          [reference, pullOptions],
          (breakPoint) => images.pull(reference, pullOptions?.platform, breakPoint),
          { held: true }
        )
      ),
    createContainer: (spec) => call("createContainer", [spec], () => containers.create(spec)),
    startContainer: (id) => call("startContainer", [id], () => Effect.flatMap(containers.find(id), containers.start)),
    inspectContainer: (id) => call("inspectContainer", [id], () => Effect.map(containers.find(id), Containers.info)),
    attachContainer: (id, { output }) =>
      call("attachContainer", [id], (breakPoint) => attach(id, output, breakPoint), { held: true }),
    waitContainer: (id, condition) => call("waitContainer", [id, condition], () => wait(id, condition), { held: true }),
    killContainer: (id, signal) => call("killContainer", [id, signal], () => kill(id, signal)),
    removeContainer: (id) =>
      call("removeContainer", [id], () => Effect.flatMap(containers.find(id), containers.remove)),
    listContainers: (labels) =>
      call("listContainers", [labels], () =>
        Effect.sync(() =>
          containers
            .list()
            .filter((container) => bears(container.labels, labels))
            .map((container) => ({
              id: container.id,
              names: [container.name],
              image: container.spec.config.Image,
              status: container.status,
              labels: container.labels,
              created: container.created
            }))
        )
      ),
    createExec: (id, spec) => call("createExec", [id, spec], () => execs.create(id, spec)),
    startExec: (id, { output, size }) =>
      call(
        "startExec",
        [id, ...(size === undefined ? [] : [size])],
        (breakPoint) => execs.start(id, { output, ...(size === undefined ? {} : { size }) }, breakPoint),
        { held: true }
      ),
    resizeExec: (id, size) => call("resizeExec", [id, size], () => execs.resize(id, size)),
    inspectExec: (id) => call("inspectExec", [id], () => execs.inspect(id)),
    containerEvents
  })

  const engine = InMemoryEngine.of({
    containers: Effect.sync(() => containers.list().map(Containers.record)),
    removed: Effect.sync(() => [...containers.removed()]),
    execs: Effect.sync(execs.list),
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
