/**
 * The operations of an engine over its containers, programs and images: what a caller sees of them.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Tar } from "effect/encoding"
import { BadRequest, Conflict, type DockerError } from "../../schema/DockerError.ts"
import type { ProgramOutput } from "../../services/ByteSink.ts"
import { Docker, type EngineInfo, type ProgramStreams } from "../../services/Docker.ts"
import * as Signal from "../../services/Signal.ts"
import type * as Calls from "./Calls.ts"
import * as ClientStream from "./ClientStream.ts"
import * as Containers from "./Containers.ts"
import * as Execs from "./Execs.ts"
import type { Images } from "./Images.ts"

/**
 * What an engine is made of.
 *
 * @internal
 */
export interface EngineOptions {
  readonly info: EngineInfo
  readonly call: Calls.Calls["call"]
  readonly containers: Containers.Containers
  readonly images: Images
  /** How long after the end of an exec's output its exit status is known. */
  readonly exitDelay: Duration.Input | undefined
  readonly scope: Scope.Scope
}

/**
 * @internal
 */
export interface Engine {
  readonly docker: Docker["Service"]
  readonly execs: Execs.Execs
  /** The streams to clients that are open: of execs, attachments and events. */
  readonly streams: ReadonlySet<{ readonly break: (error: DockerError) => void }>
}

const bears = (labels: Readonly<Record<string, string>>, wanted: ReadonlyArray<string>): boolean =>
  wanted.every((filter) => {
    const equals = filter.indexOf("=")
    return equals === -1
      ? Object.hasOwn(labels, filter)
      : Object.hasOwn(labels, filter.slice(0, equals)) && labels[filter.slice(0, equals)] === filter.slice(equals + 1)
  })

/**
 * @internal
 */
export const make = ({ call, containers, exitDelay, images, info, scope }: EngineOptions): Engine => {
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
  const execs = Execs.make({ containers, openStream, exitDelay, scope })

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
    containers.publish(container, "kill", { signal: String(Signal.numbers[name]) })
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
    info: call("info", [], () => Effect.succeed(info)),
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
    inspectContainer: (id) =>
      call("inspectContainer", [id], () =>
        Effect.map(containers.find(id), (container) => ({
          ...Containers.info(container),
          execs: execs.list().flatMap((exec) => (exec.container === container.id && exec.running ? [exec.id] : []))
        }))
      ),
    renameContainer: (id, name) =>
      call("renameContainer", [id, name], () =>
        Effect.flatMap(containers.find(id), (container) => containers.rename(container, name))
      ),
    attachContainer: (id, { output }) =>
      call("attachContainer", [id], (breakPoint) => attach(id, output, breakPoint), { held: true }),
    waitContainer: (id, condition) => call("waitContainer", [id, condition], () => wait(id, condition), { held: true }),
    killContainer: (id, signal) => call("killContainer", [id, signal], () => kill(id, signal)),
    resizeContainer: (id, size) =>
      call("resizeContainer", [id, size], () =>
        Effect.map(containers.running(id), (container) => {
          if (container.tty) container.main?.resize(size)
        })
      ),
    removeContainer: (id, { force } = { force: true }) =>
      call("removeContainer", [id], () =>
        Effect.flatMap(containers.find(id), (container) => containers.remove(container, force))
      ),
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
    listVolumes: (labels) =>
      call("listVolumes", [labels], () =>
        Effect.sync(() => containers.volumes.list().filter((volume) => bears(volume.labels, labels)))
      ),
    removeVolume: (name) => call("removeVolume", [name], () => containers.volumes.remove(name)),
    statPath: (id, path) =>
      call("statPath", [id, path], () => Effect.flatMap(containers.find(id), ({ files }) => files.stat(path))),
    getArchive: (id, path) =>
      Stream.unwrap(
        call("getArchive", [id, path], () =>
          Effect.map(
            Effect.flatMap(containers.find(id), ({ files }) => files.get(path)),
            (entries) => Stream.fromIterable(entries).pipe(Stream.pipeThroughChannel(Tar.encode()), Stream.orDie)
          )
        )
      ),
    putArchive: (id, directory, archive) =>
      call(
        "putArchive",
        [id, directory],
        () => Effect.flatMap(containers.find(id), ({ files }) => files.put(directory, archive)),
        // The archive is the caller's, and goes with it.
        { held: true }
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

  return { docker, execs, streams }
}
