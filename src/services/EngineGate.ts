/**
 * A gate in front of an engine: only so many containers and programs are started at the same time.
 *
 * An engine is soon busy: beyond a handful of starts at a time none of them comes sooner, all of them come later, and in
 * the end all run out of time together. So they wait here, in the order in which they came; and when too many wait, the
 * next one is told so at once. Whatever ends something, or only asks, goes through without waiting.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import { DockerError, Overloaded } from "../schema/DockerError.ts"
import type { ContainerId } from "../schema/Identifiers.ts"
import { type ByteSink, mapOutput, type ProgramOutput } from "./ByteSink.ts"
import { Docker } from "./Docker.ts"
import { DockerRunConfig } from "./DockerRunConfig.ts"
import { EnginePriority } from "./EnginePriority.ts"
import { Logger } from "./Logger.ts"
import * as StartQueue from "./StartQueue.ts"
import { type Board, StatusBoard } from "./StatusBoard.ts"

/**
 * How long after the engine's answer a program counts as being started, if nothing is heard of it: an engine answers
 * before it has started the program, and most programs say something soon.
 */
const silentStart = "500 millis"

/** How long a container that was created is given to be asked to start, before its slot goes to the next one. */
const unstarted = "5 seconds"

/** A wait that is worth a line in the log, in milliseconds. */
const longWait = 1000

/** What is started, in the words of the log. */
type Kind = "containers" | "programs"

/** One queue, and what the log is told of it: once when it is long, and once when it is empty again. */
const makeQueue = (kind: Kind, slots: number, length: number, logger: Logger["Service"], board: Board) => {
  let isLogged = false
  let refused = 0
  let longest = 0
  const queue = StartQueue.make({
    slots,
    length,
    onChange: () => board.queue(kind, queue.counts()),
    onWaited: (waitedMs) =>
      Effect.suspend(() => {
        const { running, waiting } = queue.counts()
        longest = Math.max(longest, waitedMs)
        if (waiting > 0) {
          if (isLogged || waitedMs < longWait) return Effect.void
          isLogged = true
          return logger.log({
            level: "notice",
            code: "ENGINE_BUSY",
            message: `${kind} wait for one another at the engine: ${waiting} wait, ${running} are being started`,
            fields: { kind, running, waiting, waitedMs }
          })
        }
        const report = { kind, refused, longestWaitMs: longest }
        const wasLogged = isLogged
        isLogged = false
        refused = 0
        longest = 0
        return wasLogged
          ? logger.log({
              level: "notice",
              code: "ENGINE_KEEPS_UP",
              message: `no ${kind} wait any more; the longest wait took ${report.longestWaitMs} ms, ${report.refused} were refused`,
              fields: { kind, refused: report.refused, longestWaitMs: report.longestWaitMs }
            })
          : Effect.void
      })
  })
  const whenFull = (operation: string) =>
    Effect.suspend(() => {
      const { running, waiting } = queue.counts()
      const error = new DockerError({
        operation,
        reason: new Overloaded({ message: `${waiting} wait already, ${running} are being started` })
      })
      refused += 1
      isLogged = true
      return refused > 1
        ? Effect.fail(error)
        : Effect.andThen(
            logger.log({
              level: "warning",
              code: "ENGINE_OVERLOADED",
              message: `more ${kind} are asked for than may wait for the engine; they are refused`,
              fields: { kind, running, waiting }
            }),
            Effect.fail(error)
          )
    })
  return { withSlot: queue.withSlot, whenFull }
}

/** Calls back when the program is first heard of. */
const heard = (sink: ByteSink, callback: () => void): ByteSink => ({
  ...(sink.copies === true ? { copies: true } : {}),
  write: (chunk) => {
    callback()
    return sink.write(chunk)
  },
  end: () => {
    callback()
    sink.end()
  },
  onDrain: (drain) => sink.onDrain(drain)
})

const listen = (output: ProgramOutput, callback: () => void): ProgramOutput =>
  mapOutput(output, (sink) => heard(sink, callback))

const make = Effect.gen(function* () {
  const docker = yield* Docker
  const annotations = yield* References.CurrentLogAnnotations
  const { log } = yield* Logger
  // What is told of the queues is not of the connection that happened to notice it.
  const logger: Logger["Service"] = {
    log: (event) => Effect.provideService(log(event), References.CurrentLogAnnotations, annotations)
  }
  const { limits } = yield* DockerRunConfig
  const scope = yield* Effect.scope
  const board = yield* StatusBoard
  const starts = makeQueue("containers", limits.starts, limits.queue, logger, board)
  const execs = makeQueue("programs", limits.execs, limits.queue, logger, board)
  /** The slots of containers that were created and are yet to be started. */
  const held = new Map<ContainerId, () => void>()

  /** A container keeps its slot until it has started: it would help nobody to create more than can be started. */
  const hold = (id: ContainerId, release: () => void) => {
    const letGo = () => {
      held.delete(id)
      release()
    }
    held.set(id, letGo)
    return Effect.forkIn(Effect.delay(Effect.sync(letGo), unstarted), scope)
  }

  const createContainer: Docker["Service"]["createContainer"] = (spec) =>
    Effect.flatMap(EnginePriority, (priority) =>
      priority === "urgent"
        ? docker.createContainer(spec)
        : starts.withSlot(
            priority,
            ({ release }) => Effect.tap(docker.createContainer(spec), (id) => hold(id, release)),
            starts.whenFull("create container")
          )
    )

  const startContainer: Docker["Service"]["startContainer"] = (id) =>
    Effect.flatMap(EnginePriority, (priority) => {
      const release = held.get(id)
      if (release !== undefined) return Effect.ensuring(docker.startContainer(id), Effect.sync(release))
      return priority === "urgent"
        ? docker.startContainer(id)
        : starts.withSlot(
            priority === "live" ? "begun" : "background",
            ({ release }) => Effect.tap(docker.startContainer(id), Effect.sync(release)),
            starts.whenFull("start container")
          )
    })

  const removeContainer: Docker["Service"]["removeContainer"] = (id, options) =>
    Effect.suspend(() => {
      held.get(id)?.()
      return docker.removeContainer(id, options)
    })

  const startExec: Docker["Service"]["startExec"] = (id, options) =>
    Effect.flatMap(EnginePriority, (priority) =>
      priority === "urgent"
        ? docker.startExec(id, options)
        : execs.withSlot(
            priority,
            Effect.fnUntraced(function* ({ release }) {
              const streams = yield* docker.startExec(id, { ...options, output: listen(options.output, release) })
              yield* Effect.addFinalizer(() => Effect.sync(release))
              yield* Effect.forkScoped(Effect.delay(Effect.sync(release), silentStart))
              return streams
            }),
            execs.whenFull("start exec")
          )
    )

  return Docker.of({ ...docker, createContainer, startContainer, removeContainer, startExec })
})

/**
 * The engine of the context behind the gate, with the limits of the configuration (`dockerrun.limits`).
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Docker, never, Docker | DockerRunConfig | Logger> = Layer.effect(Docker, make)
