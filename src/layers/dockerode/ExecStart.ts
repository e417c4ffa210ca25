/**
 * Starts a program in a container and connects its streams.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import type { DockerError } from "../../schema/DockerError.ts"
import { discard } from "../../services/ByteSink.ts"
import type { ExecId } from "../../schema/Identifiers.ts"
import type { ProgramStreams, TerminalSize } from "../../services/Docker.ts"
import type { ProgramOutput } from "../../services/ByteSink.ts"
import * as ApiVersion from "./ApiVersion.ts"
import type * as Answers from "./EngineAnswers.ts"
import type { EngineClient } from "./EngineClient.ts"
import * as ErrorClassification from "./ErrorClassification.ts"
import * as HijackedSocket from "./HijackedSocket.ts"
import * as HijackedStreams from "./HijackedStreams.ts"
import * as StartRefusal from "./StartRefusal.ts"

/**
 * The first version that takes the size of the terminal when an exec is created and started.
 *
 * @internal
 */
export const sizeAtStart = "1.42"

type ExecAnswer = typeof Answers.ExecInspect.Type

/**
 * What Podman says of an exec that nobody has started. Docker gives it no exit code, and a process id for good to one
 * that was started; Podman forgets the process with its end, from when on the exec can be removed.
 *
 * @internal
 */
export const isNotBegun = (exec: ExecAnswer) =>
  !exec.Running && exec.Pid === 0 && exec.ExitCode === 0 && exec.CanRemove === false

/**
 * A program that never ran has no process. Podman says that of those that ran, too: there the words have to be its own,
 * with an exit status that goes with them.
 */
const wasNotStarted = (exec: ExecAnswer, words: string) => {
  if (exec.Running || (exec.Pid ?? 0) > 0 || isNotBegun(exec)) return false
  if (exec.CanRemove !== true) return true
  return ErrorClassification.mayBePodmans(words) && (exec.ExitCode === 126 || exec.ExitCode === 127)
}

/** For a moment the engine says of either kind of program, the refused and the running, that it runs without a process. */
const isUndecided = (exec: ExecAnswer) => (exec.Running && (exec.Pid ?? 0) === 0) || isNotBegun(exec)
const decisionSoon = Schedule.spaced("5 millis").pipe(Schedule.upTo({ duration: "2 seconds" }))

/**
 * @internal
 */
export const start = Effect.fnUntraced(function* (options: {
  readonly client: EngineClient
  readonly version: string
  readonly operation: string
  readonly id: ExecId
  readonly tty: boolean
  readonly size: TerminalSize | undefined
  readonly output: ProgramOutput
  readonly inspect: Effect.Effect<ExecAnswer, DockerError>
  /** For engines that do not take the size with the start. */
  readonly setFirstSize: (size: TerminalSize) => Effect.Effect<void>
}): Effect.fn.Return<ProgramStreams, DockerError, Scope.Scope> {
  const { client, operation, size, tty } = options
  const sized = tty && size !== undefined && ApiVersion.isAtLeast(options.version, sizeAtStart)
  const opened = yield* HijackedSocket.open(client, {
    operation,
    method: "POST",
    path: `/v${options.version}/exec/${encodeURIComponent(options.id)}/start`,
    body: { Detach: false, Tty: tty, ...(sized ? { ConsoleSize: [size.rows, size.columns] } : {}) },
    classify: ErrorClassification.fromStart
  }).pipe(
    // Whether the engine says so before or after it opened the stream, the caller learns it in one place.
    Effect.catchIf(
      (error) => error.reason._tag === "ProgramNotStarted",
      (error) => Effect.succeed(error)
    )
  )
  if (!("socket" in opened)) return { stdin: discard, ended: Effect.fail(opened) }

  const refusal = StartRefusal.make(options.output)
  const streams = HijackedStreams.connect({
    hijacked: opened,
    operation,
    tty,
    output: refusal.output,
    broken: client.broken
  })
  yield* (
    refusal
      .watch((words) =>
        options.inspect.pipe(
          Effect.repeat({ schedule: decisionSoon, while: isUndecided }),
          Effect.map((exec) => wasNotStarted(exec, words)),
          // Then it is output like any other.
          Effect.catch(() => Effect.succeed(false))
        )
      )
      // At once, so that a Scope that closes early finds it waiting and ends it properly.
      .pipe(Effect.forkScoped({ startImmediately: true }))
  )
  if (tty && size !== undefined && !sized) {
    yield* options.setFirstSize(size).pipe(
      Effect.raceFirst(Effect.ignore(streams.ended)),
      // At once, so that whatever is said of the size from now on comes after it.
      Effect.forkScoped({ startImmediately: true })
    )
  }
  return { stdin: streams.stdin, ended: Effect.andThen(streams.ended, refusal.verdict(operation)) }
})
