/**
 * A program that runs in a container.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { Conflict, DockerError } from "../schema/DockerError.ts"
import type { ChannelId, ConnectionId, ContainerId, ExecId } from "../schema/Identifiers.ts"
import {
  ContainerPaused,
  ProgramError,
  type ProgramErrorReason,
  ProgramLost,
  ProgramTimedOut,
  SignalNotDelivered
} from "../schema/ProgramError.ts"
import * as ByteSink from "./ByteSink.ts"
import { ContainerEvents } from "./ContainerEvents.ts"
import { type ContainerInfo, Docker, type TerminalSize } from "./Docker.ts"
import { DockerRunConfig } from "./DockerRunConfig.ts"
import { EnginePriority } from "./EnginePriority.ts"
import { EngineState } from "./EngineState.ts"
import { Logger } from "./Logger.ts"
import * as ProgramExit from "./ProgramExit.ts"
import * as ProgramFailure from "./ProgramFailure.ts"
import * as Retry from "./Retry.ts"
import * as Signal from "./Signal.ts"
import * as TerminalSizing from "./TerminalSizing.ts"
import type { WaitingPrograms } from "./WaitingPrograms.ts"

/**
 * How long a program may take to act on HUP when its channel was closed, before it is killed.
 *
 * @since 0.1.0
 * @category constants
 */
export const hangUpGracePeriod = Duration.seconds(5)

/**
 * What is to run, where, and for whom.
 *
 * @since 0.1.0
 * @category models
 */
export interface ProgramSpec {
  readonly connectionId: ConnectionId
  readonly channelId: ChannelId
  readonly container: ContainerId
  /** Marks the program's processes; unique in its container. */
  readonly programId: string
  readonly command: readonly [string, ...ReadonlyArray<string>]
  readonly env: Readonly<Record<string, string>>
  /** Absent: no terminal. */
  readonly terminal?: TerminalSize
  /** How the terminal is to behave, in the words of `stty`. */
  readonly modes?: ReadonlyArray<string>
  /** User of the container who runs the program. Default: the container's own. */
  readonly user?: string
  /** Default: the container's own. */
  readonly workingDirectory?: string
  /** Those of the container: one of them may become the program. */
  readonly waiting?: WaitingPrograms
}

/**
 * A running program. When the Scope in which it was started closes first, it is told to hang up, and killed if it
 * does not heed that.
 *
 * @since 0.1.0
 * @category models
 */
export interface Program {
  /** The program's own container, in mode `session`; in the other modes it is the connection's. */
  readonly container?: ContainerId
  readonly stdin: ByteSink.ByteSink
  /** Waits for the end of the program and of its output, and tells how it ended. */
  readonly exit: Effect.Effect<ProgramExit.ProgramExit, ProgramError>
  /** Tells the program's terminal its new size. A program that has just ended is no failure. */
  readonly resize: (size: TerminalSize) => Effect.Effect<void>
  readonly signal: (name: Signal.Name) => Effect.Effect<void, ProgramError>
}

/**
 * Starts a program. `isContainerLeaving` says at the end that the container goes away together with the program, so
 * that there is nothing to hang up.
 *
 * @since 0.1.0
 * @category operations
 */
export const start = Effect.fn("Program.start")(function* (
  spec: ProgramSpec,
  reader: ByteSink.ProgramOutput,
  isContainerLeaving: () => boolean
): Effect.fn.Return<Program, ProgramError, Docker | DockerRunConfig | Logger | Scope.Scope> {
  const docker = yield* Docker
  const logger = yield* Logger
  const runConfig = yield* DockerRunConfig
  const { timeout } = runConfig.config
  const { channelId, connectionId, container, terminal } = spec
  const tty = terminal !== undefined
  const { abandon, output } = ByteSink.makeAbandonable(reader)

  const fail = (reason: ProgramErrorReason, cause?: unknown) =>
    new ProgramError({ connectionId, channelId, reason, ...(cause === undefined ? {} : { cause }) })
  const events = yield* ContainerEvents
  const engine = yield* EngineState
  const failWith = (error: DockerError) => fail(ProgramFailure.reason(error, spec.command[0]), error)
  /** Says more of what is known of the container. */
  const explain = (error: ProgramError) => {
    if (error.reason._tag !== "ProgramLost") return Effect.fail(error)
    if (events.isPaused(container)) return Effect.fail(fail(new ContainerPaused(), error.cause))
    return Effect.flatMap(events.fate(container), (fate) =>
      Effect.fail(fate === undefined ? error : fail(new ProgramLost({ fate }), error.cause))
    )
  }

  const endOutput = Effect.sync(() => {
    output.stdout.end()
    output.stderr.end()
  })

  /** Whether any process was there to take the signal. */
  const deliver = (name: Signal.Name, target: "group" | "all") =>
    deliverSignal(container, Signal.delivery(name, programId, target), spec.user).pipe(
      // All of it: an engine that is away would be asked for ever, and at the end of a channel nobody could stop that.
      Effect.timeout(timeout),
      Effect.mapError((cause) => fail(new SignalNotDelivered({ name }), cause)),
      Effect.flatMap((status) =>
        status === 0 || status === Signal.nobodyThere
          ? Effect.succeed(status === 0)
          : Effect.fail(fail(new SignalNotDelivered({ name }), `exit status ${status}`))
      ),
      Effect.provideService(EnginePriority, "urgent"),
      Effect.provideService(Docker, docker),
      Effect.provideService(DockerRunConfig, runConfig)
    )

  /** Signals that the program may have got from here. An engine may know of its end before it knows of the delivery. */
  const sent = new Set<Signal.Name>()
  const ended = yield* Deferred.make<ProgramExit.ProgramExit, ProgramError>()
  // The streams stay open until the program was told to hang up: they tell when it has ended.
  const streamScope = yield* Scope.fork(yield* Effect.scope)
  let mayRun = false
  let programId = spec.programId
  // Registered before the start: a start that is cut off may still have started the program.
  yield* Effect.addFinalizer(() => {
    // Whoever read it is gone, or does not read; the engine must get rid of it to tell of the end.
    abandon()
    // An engine that is gone cannot be told, and the stream of the program went with it.
    return !mayRun || isContainerLeaving() || Deferred.isDoneUnsafe(ended) || engine.isLost()
      ? Effect.void
      : Effect.gen(function* () {
          // What cannot be told to hang up is killed all the same.
          yield* Effect.ignore(deliver("HUP", "all"))
          yield* Effect.exit(Deferred.await(ended)).pipe(Effect.timeoutOption(hangUpGracePeriod))
          yield* deliver("KILL", "all")
        }).pipe(
          Effect.catch((cause) =>
            // It is ended with its container, if the connection was closed in the meantime.
            isContainerLeaving()
              ? Effect.void
              : logger.log({
                  level: "warning",
                  code: "PROGRAM_NOT_ENDED",
                  message: "a program that outlived its channel could not be ended",
                  cause
                })
          )
        )
  })

  /** Lets a program that waits become this one, if there is one that can. */
  const handOver = Effect.gen(function* () {
    // What waits in a container that is paused would begin when nobody expects it any more.
    const taken = events.isPaused(container) ? undefined : spec.waiting?.take(spec)
    if (taken === undefined) return undefined
    const { line, program } = taken
    yield* Effect.addFinalizer((exit) => Scope.close(program.scope, exit))
    programId = program.programId
    mayRun = true
    const outcome = yield* program.handOver(line, terminal, output)
    if (outcome._tag === "Begun") return [program.exec, outcome.streams] as const
    if (outcome._tag === "Silent") {
      // Only when it is certain that it will not begin may another one take its place.
      yield* deliver("KILL", "all")
      const streams = outcome.begun()
      if (streams !== undefined) return [program.exec, streams] as const
    }
    mayRun = false
    programId = spec.programId
    return undefined
  })

  let lastFailure: DockerError | undefined
  const launch = Effect.gen(function* () {
    const begun = yield* handOver
    if (begun !== undefined) return begun
    const exec = yield* docker
      .createExec(container, {
        command: spec.command,
        env: [...Object.entries(spec.env).map(([name, value]) => `${name}=${value}`), `${Signal.marker}=${programId}`],
        tty,
        ...(tty ? { size: terminal } : {}),
        ...(spec.modes === undefined ? {} : { modes: spec.modes }),
        ...(spec.user === undefined ? {} : { user: spec.user }),
        ...(spec.workingDirectory === undefined ? {} : { workingDirectory: spec.workingDirectory })
      })
      .pipe(
        Effect.tapError((error) => {
          lastFailure = error
          return Effect.void
        }),
        Retry.whileTransient
      )
    lastFailure = undefined
    mayRun = true
    const streams = yield* docker.startExec(exec, { tty, output, ...(tty ? { size: terminal } : {}) })
    return [exec, streams] as const
  })
  const [exec, streams] = yield* launch.pipe(
    Scope.provide(streamScope),
    Effect.mapError((error) => (error._tag === "DockerError" ? failWith(error) : error)),
    Effect.timeoutOrElse({
      duration: timeout,
      // What the engine said last tells more than that time is up.
      orElse: () =>
        Effect.fail(
          lastFailure === undefined
            ? fail(new ProgramTimedOut({ seconds: Duration.toSeconds(timeout) }))
            : failWith(lastFailure)
        )
    }),
    Effect.catch(explain),
    Effect.onError(() => endOutput)
  )
  yield* events.onPause(container, (isPaused) => {
    const words = isPaused ? "was paused; it goes on when it is resumed" : "goes on"
    output.stderr.write(new TextEncoder().encode(`dockerrun: the container ${words}${tty ? "\r\n" : "\n"}`))
  })
  yield* streams.ended.pipe(
    Effect.andThen(exitStatus(exec)),
    Effect.flatMap((status) => {
      const signal = Signal.names.find((name) => status === 128 + Signal.numbers[name] && sent.has(name))
      const exit = signal === undefined ? ProgramExit.exited(status) : ProgramExit.killed(signal)
      if (![killedStatus, notStartedStatus].includes(status) || isContainerLeaving()) return Effect.succeed(exit)
      return events.settle(container).pipe(
        Effect.andThen(docker.inspectContainer(container)),
        // Who was killed, or was about to be started, may have gone with the whole container.
        Effect.tap(mustRun),
        Effect.andThen(events.outOfMemory(container)),
        Effect.map((isOutOfMemory) => (isOutOfMemory && signal === undefined ? ProgramExit.killed("KILL", true) : exit))
      )
    }),
    Effect.mapError(failWith),
    Effect.catch(explain),
    // Also of a program that never ran: whoever reads its output must not wait for ever.
    Effect.ensuring(endOutput),
    Deferred.into(ended),
    Effect.forkIn(streamScope)
  )

  const resize = yield* TerminalSizing.make(
    (size) => docker.resizeExec(exec, size),
    () => Deferred.isDoneUnsafe(ended)
  )

  return {
    stdin: streams.stdin,
    exit: Deferred.await(ended),
    resize,
    signal: (name) =>
      Effect.suspend(() => {
        sent.add(name)
        return deliver(name, "group")
      }).pipe(
        // An engine answers before the program's process is there.
        Effect.repeat({
          schedule: Schedule.spaced("50 millis"),
          times: 20,
          until: (isDelivered) => isDelivered || Deferred.isDoneUnsafe(ended)
        }),
        Effect.flatMap((isDelivered) =>
          isDelivered || Deferred.isDoneUnsafe(ended)
            ? Effect.void
            : Effect.fail(fail(new SignalNotDelivered({ name }), "no process of the program may be signalled"))
        )
      )
  }
})

/**
 * The exit status, once the output has ended. The engine may take a moment longer to know it: it is asked again at once,
 * then after pauses that grow from 2 to 100 ms.
 */
const exitStatus = Effect.fnUntraced(function* (exec: ExecId) {
  const docker = yield* Docker
  const engine = yield* EngineState
  const { config } = yield* DockerRunConfig
  const info = yield* docker.inspectExec(exec).pipe(
    // An engine that is away for longer has forgotten the program when it comes back.
    Effect.retry({
      schedule: Schedule.spaced("100 millis"),
      times: 20,
      while: (error) => error.isTransient && !engine.isLost()
    }),
    Effect.repeat({
      schedule: Schedule.min([Schedule.exponential("2 millis"), Schedule.spaced("100 millis")]),
      while: (info) => info.running || info.exitCode === undefined
    }),
    Effect.timeoutOption(config.timeout)
  )
  return Option.match(info, { onNone: () => killedStatus, onSome: ({ exitCode }) => exitCode ?? killedStatus })
})

/** What a program has that was killed (128 + SIGKILL), or whose status cannot be known in time. */
const killedStatus = 137

/** What an engine says of a program that it could not start, also without a word on its output. */
const notStartedStatus = 126

const mustRun = (container: ContainerInfo): Effect.Effect<void, DockerError> =>
  container.running
    ? Effect.void
    : Effect.fail(
        new DockerError({
          operation: "inspect container",
          reason: new Conflict({ message: `container ${container.id} is ${container.status}` })
        })
      )

/** Runs the delivering program in the container and gives its exit status. */
const deliverSignal = Effect.fnUntraced(function* (
  container: ContainerId,
  command: readonly [string, ...ReadonlyArray<string>],
  user: string | undefined
) {
  const docker = yield* Docker
  const exec = yield* docker
    .createExec(container, { command, env: [], tty: false, ...(user === undefined ? {} : { user }) })
    .pipe(Retry.whileTransient)
  const streams = yield* docker.startExec(exec, {
    tty: false,
    output: { stdout: ByteSink.discard, stderr: ByteSink.discard }
  })
  streams.stdin.end()
  yield* streams.ended
  return yield* exitStatus(exec)
}, Effect.scoped)
