/**
 * A channel on which a program runs: bytes both ways, then the exit status, then the end.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { ServerChannel } from "ssh2"
import type { ContainerError } from "../../schema/ContainerError.ts"
import type { ContainerId } from "../../schema/Identifiers.ts"
import type { ProgramError } from "../../schema/ProgramError.ts"
import type { Presence } from "../../services/ConnectionTime.ts"
import type { ChannelSession } from "../../services/DockerRun.ts"
import { Logger } from "../../services/Logger.ts"
import * as ProgramExit from "../../services/ProgramExit.ts"
import type { AdmittedProgram } from "../../services/Session.ts"
import { StartWatcher } from "../../services/StartQueue.ts"
import * as ChannelInput from "./ChannelInput.ts"
import * as ChannelSink from "./ChannelSink.ts"
import * as Progress from "./Progress.ts"

/** What could not be run reports this, as `docker run` does for failures that are not the program's. */
const notRun = ProgramExit.exited(125)

export interface RunningChannelOptions {
  /** Where the program is to run. */
  readonly place: Pick<ChannelSession, "container" | "steps">
  readonly presence: Presence
  readonly program: AdmittedProgram
  readonly channel: ServerChannel
  /** Completed when the client closed the channel. ssh2's channel itself says so only when all input was read. */
  readonly closed: Deferred.Deferred<void>
  /** The width of the terminal, as last heard. */
  readonly columns: () => number
}

/** Runs the program until it ends or the client closes the channel, whichever is first; then the channel is over. */
export const run = ({ channel, closed, columns, place, presence, program }: RunningChannelOptions) => {
  let containerId: ContainerId | undefined
  // Attached in the same step in which the channel was accepted: an `error` that nobody hears ends the process. What
  // failed is the connection, which logs it.
  const ignore = () => {}
  channel.on("error", ignore)
  channel.stderr.on("error", ignore)

  const untilEnd = Effect.gen(function* () {
    const logger = yield* Logger
    const isThere = presence.wait()
    yield* Effect.addFinalizer(() => Effect.sync(isThere))
    if (program.tty) {
      yield* Effect.acquireRelease(
        Effect.sync(() => presence.addTerminal((line) => channel.write(`\r\ndockerrun: ${line}\r\n`))),
        (remove) => Effect.sync(remove)
      )
    }
    const progress = Progress.make({
      columns: program.tty ? columns : undefined,
      stdout: (text) => channel.write(text),
      stderr: (text) => channel.stderr.write(text)
    })
    yield* Effect.raceFirst(Effect.exit(place.container), progress.follow(place.steps))
    containerId = yield* place.container
    if (containerId !== undefined) yield* Effect.annotateLogsScoped({ containerId })
    const sink = ChannelSink.make(channel, () => Deferred.isDoneUnsafe(closed), presence.touch)
    const running = yield* program
      .start(sink)
      .pipe(Effect.provideService(StartWatcher, progress.wait), Effect.ensuring(progress.clear))
    if (running.container !== undefined) {
      containerId = running.container
      yield* Effect.annotateLogsScoped({ containerId })
    }
    yield* logger.log({
      level: "info",
      code: "PROGRAM_STARTED",
      message: `${program.kind} started`,
      fields: { kind: program.kind, tty: program.tty }
    })
    isThere()
    ChannelInput.connect(channel, running.stdin, presence.touch)
    const exit = yield* running.exit
    if (exit._tag === "Killed" && exit.isOutOfMemory) yield* reportMemory(channel, program)
    return exit
  }).pipe(
    Effect.catch((error) => report(channel, program, error)),
    Effect.catchDefect((defect) => reportDefect(channel, program, defect)),
    Effect.tap(() => ChannelSink.flush(channel))
  )

  return Effect.gen(function* () {
    const logger = yield* Logger
    const startTime = yield* Clock.currentTimeMillis
    const ended = yield* Effect.raceFirst(
      Effect.asSome(untilEnd),
      Effect.as(Deferred.await(closed), Option.none<ProgramExit.ProgramExit>())
    )
    const exit = Option.getOrUndefined(ended)
    if (exit !== undefined) sendExit(channel, exit)
    channel.end()
    yield* logger.log({
      level: "info",
      code: "PROGRAM_ENDED",
      message: Option.match(ended, {
        onNone: () => "the client closed the channel",
        onSome: (exit) =>
          exit._tag === "Killed"
            ? `${program.kind} was ended by the signal ${exit.signal}`
            : `${program.kind} ended with exit status ${exit.status}`
      }),
      fields: {
        ...(containerId === undefined ? {} : { containerId }),
        ...(exit?._tag === "Exited" ? { exitStatus: exit.status } : {}),
        ...(exit?._tag === "Killed" ? { exitSignal: exit.signal } : {}),
        durationMs: (yield* Clock.currentTimeMillis) - startTime
      }
    })
  }).pipe(Effect.scoped)
}

/** RFC 4254, section 6.10. */
const sendExit = (channel: ServerChannel, exit: ProgramExit.ProgramExit): void => {
  if (exit._tag === "Exited") channel.exit(exit.status)
  else channel.exit(exit.signal, false, exit.isOutOfMemory ? outOfMemory : "")
}

const outOfMemory = "the program was killed: its container has no more memory"

/** Nobody would guess why a program was killed that nobody has sent a signal. */
const reportMemory = Effect.fnUntraced(function* (channel: ServerChannel, program: AdmittedProgram) {
  channel.stderr.write(`dockerrun: ${outOfMemory}${program.tty ? "\r\n" : "\n"}`)
  const logger = yield* Logger
  yield* logger.log({ level: "warning", code: "PROGRAM_OUT_OF_MEMORY", message: outOfMemory })
})

/** Whoever waits for the program has to learn that nothing will come of it. */
const reportDefect = (channel: ServerChannel, program: AdmittedProgram, defect: unknown) =>
  Effect.gen(function* () {
    const end = program.tty ? "\r\n" : "\n"
    channel.stderr.write(`dockerrun: the server has made a mistake, which its operator finds in the log${end}`)
    yield* Effect.logError("a defect ended a program", defect)
    return notRun
  })

/** Tells the person what went wrong, and how the channel ends. */
const report = Effect.fnUntraced(function* (
  channel: ServerChannel,
  program: AdmittedProgram,
  error: ContainerError | ProgramError
) {
  channel.stderr.write(`dockerrun: ${error.clientMessage}${program.tty ? "\r\n" : "\n"}`)
  // Why there is no container was logged once, when it failed.
  if (error._tag === "ContainerError") return notRun
  const logger = yield* Logger
  yield* logger.log({
    level: "warning",
    code: error.code,
    message: error.message,
    ...(error.cause === undefined ? {} : { cause: error.cause })
  })
  return ProgramExit.exited(error.exitStatus)
})
