/**
 * A container for one session: the program is its first process, and it goes when the program or its channel ends.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { ContainerError } from "../schema/ContainerError.ts"
import type { DockerError } from "../schema/DockerError.ts"
import type { ExecutionConfig } from "../schema/DockerRunConfig.ts"
import type { ChannelId, ContainerId } from "../schema/Identifiers.ts"
import { ProgramError, type ProgramErrorReason, ProgramLost, SignalNotDelivered } from "../schema/ProgramError.ts"
import * as Acquisition from "./Acquisition.ts"
import type { ProgramOutput } from "./ByteSink.ts"
import * as Container from "./Container.ts"
import * as ContainerCreation from "./ContainerCreation.ts"
import { ContainerEvents } from "./ContainerEvents.ts"
import * as ContainerImage from "./ContainerImage.ts"
import { type Client, ofChannel } from "./ContainerOwner.ts"
import { type ContainerSpec, Docker, type Image, type TerminalSize } from "./Docker.ts"
import { DockerRunConfig } from "./DockerRunConfig.ts"
import { EnginePriority } from "./EnginePriority.ts"
import { EngineState } from "./EngineState.ts"
import { Logger } from "./Logger.ts"
import * as LoginEnvironment from "./LoginEnvironment.ts"
import type { Program } from "./Program.ts"
import * as ProgramExit from "./ProgramExit.ts"
import * as ProgramFailure from "./ProgramFailure.ts"
import * as Signal from "./Signal.ts"
import * as TerminalSizing from "./TerminalSizing.ts"

/**
 * A session whose image is present.
 *
 * @since 0.1.0
 * @category models
 */
export interface Place {
  readonly client: Client
  readonly channelId: ChannelId
  readonly acquisition: Acquisition.Acquisition
  readonly image: Image
  /** What a login has of itself, in a container of the image. */
  readonly env: Readonly<Record<string, string>>
  /** Where the account's home should be, as far as that can be told. */
  readonly home: string | undefined
}

/**
 * What is to run in the container.
 *
 * @since 0.1.0
 * @category models
 */
export interface SessionProgram {
  readonly command: readonly [string, ...ReadonlyArray<string>]
  readonly env: Readonly<Record<string, string>>
  /** Absent: no terminal. */
  readonly terminal?: TerminalSize
  /** How the terminal is to behave, in the words of `stty`. */
  readonly modes?: ReadonlyArray<string>
  /** Runs when the container is there, and before the program begins. */
  readonly onCreated: (id: ContainerId) => Effect.Effect<void>
}

/** How long a stream may go on when its container has ended. */
const lastWords = "1 second"

/** What a program has that was killed (128 + SIGKILL). */
const killedStatus = 137

/**
 * Makes the image present, as the pull policy says. The time that this takes is a part of `timeout`.
 *
 * @since 0.1.0
 * @category operations
 */
export const prepare = Effect.fnUntraced(function* (
  client: Client,
  channelId: ChannelId,
  onStep: (step: Acquisition.Step) => Effect.Effect<void>
): Effect.fn.Return<Place, ContainerError, Docker | DockerRunConfig | Logger> {
  const { config } = yield* DockerRunConfig
  const acquisition = yield* Acquisition.make(client.connectionId, onStep)
  const image = yield* ContainerImage.ensure(acquisition).pipe(acquisition.inTime)
  const account = {
    user: config.container.User ?? image.user,
    env: [...image.env, ...(config.container.Env ?? [])]
  }
  return {
    client,
    channelId,
    acquisition,
    image,
    env: LoginEnvironment.ofAccount(account, client, config.shellCommand),
    home: LoginEnvironment.homeOf(account, client)
  }
})

/**
 * Creates the container, takes hold of its streams, and starts it. When the Scope closes, at whatever moment, nothing of
 * it is left. A request that the engine answers only later than that is left to `afterlife`.
 *
 * @since 0.1.0
 * @category operations
 */
export const start = Effect.fn("SessionContainer.start")(function* (
  { acquisition, channelId, client, env, image }: Place,
  program: SessionProgram,
  output: ProgramOutput,
  afterlife: Scope.Scope
): Effect.fn.Return<Program, ContainerError | ProgramError, Docker | DockerRunConfig | Logger | Scope.Scope> {
  const docker = yield* Docker
  const logger = yield* Logger
  const events = yield* ContainerEvents
  const { config } = yield* DockerRunConfig
  const { during } = acquisition
  const { command, terminal } = program
  const { connectionId } = client
  const tty = terminal !== undefined

  const fail = (reason: ProgramErrorReason, cause?: unknown) =>
    new ProgramError({ connectionId, channelId, reason, ...(cause === undefined ? {} : { cause }) })
  const endOutput = Effect.sync(() => {
    output.stdout.end()
    output.stderr.end()
  })

  const owner = ofChannel(client, channelId)
  const variables = { ...env, ...program.env, ...LoginEnvironment.ofConnection(client, tty) }
  const spec = specOf(config, client, { ...program, env: variables })
  const scope = yield* Effect.scope
  const launch = Effect.gen(function* () {
    const [createMs, id] = yield* ContainerCreation.create(owner, { image, spec }, acquisition, afterlife).pipe(
      Acquisition.millis
    )
    yield* events.follow(id)
    yield* program.onCreated(id)
    // Closes before the container is removed: an engine waits for whoever has yet to take the output.
    const streamScope = yield* Scope.fork(scope)
    const streams = yield* docker.attachContainer(id, { tty, output }).pipe(Scope.provide(streamScope), during("start"))
    const [startMs, refusal] = yield* docker.startContainer(id).pipe(
      Effect.as(undefined),
      Effect.catchIf(isNotStarted, (error) => Effect.succeed(error)),
      during("start"),
      Acquisition.millis
    )
    if (refusal !== undefined) return yield* fail(ProgramFailure.reason(refusal, command[0]), refusal)
    yield* logger.log({
      level: "info",
      code: "CONTAINER_STARTED",
      message: `container ${id.slice(0, 12)} of ${config.container.Image} started`,
      fields: { containerId: id, image: config.container.Image, createMs, startMs }
    })
    return { id, streams, streamScope }
  })
  const { id, streams, streamScope } = yield* launch.pipe(
    inTime(acquisition),
    Effect.onError(() => endOutput)
  )

  const explain = (error: DockerError) =>
    Effect.flatMap(events.fate(id), (fate) => {
      const reason = ProgramFailure.reason(error, command[0])
      return Effect.fail(
        fail(reason._tag === "ProgramLost" && fate !== undefined ? new ProgramLost({ fate }) : reason, error)
      )
    })
  const ended = yield* Deferred.make<ProgramExit.ProgramExit, ProgramError>()
  const sent = new Set<Signal.Name>()
  // Not every stream that broke shows it soon: over a wire that was cut each finds out in its own time.
  yield* Effect.raceFirst(streams.ended, Effect.andThen(events.ended(id), Effect.sleep(lastWords))).pipe(
    // The container stays until its Scope closes, and with it its status. A program that has closed its output goes on.
    Effect.andThen(exitStatus(id)),
    Effect.catch(explain),
    Effect.flatMap(({ exitCode, oomKilled }) => {
      if (oomKilled) return Effect.succeed(ProgramExit.killed("KILL", true))
      const signal = Signal.names.find((name) => exitCode === 128 + Signal.numbers[name] && sent.has(name))
      if (signal !== undefined) return Effect.succeed(ProgramExit.killed(signal))
      const exit = Effect.succeed(ProgramExit.exited(exitCode))
      if (exitCode !== killedStatus || sent.size > 0) return exit
      // By itself, or by somebody from outside, of which nothing else would tell; the event may come long after the status.
      return events.settle(id).pipe(
        Effect.andThen(events.fate(id)),
        Effect.flatMap((fate) =>
          fate === "killed" || fate === "engine" ? Effect.fail(fail(new ProgramLost({ fate }))) : exit
        )
      )
    }),
    Effect.ensuring(endOutput),
    Deferred.into(ended),
    Effect.forkIn(streamScope)
  )

  const resize = yield* TerminalSizing.make(
    (size) => docker.resizeContainer(id, size),
    () => Deferred.isDoneUnsafe(ended)
  )
  // Engines before API 1.42 do not heed the size of the specification.
  if (terminal !== undefined) yield* Effect.forkScoped(resize(terminal), { startImmediately: true })

  return {
    container: id,
    stdin: streams.stdin,
    exit: Deferred.await(ended),
    resize,
    signal: (name) =>
      Effect.suspend(() => {
        sent.add(name)
        return docker.killContainer(id, `SIG${name}`)
      }).pipe(
        // It has ended.
        Effect.catchReason("DockerError", "Conflict", () => Effect.void),
        Effect.catchReason("DockerError", "NotFound", () => Effect.void),
        Effect.timeout(config.timeout),
        Effect.mapError((cause) => fail(new SignalNotDelivered({ name }), cause)),
        Effect.provideService(EnginePriority, "urgent")
      )
  }
})

const isNotStarted = (error: DockerError): boolean => error.reason._tag === "ProgramNotStarted"

/** The deadline, for steps that may fail for the program's sake, too. */
const inTime =
  (acquisition: Acquisition.Acquisition) =>
  <A, R>(
    steps: Effect.Effect<A, ContainerError | ProgramError, R>
  ): Effect.Effect<A, ContainerError | ProgramError, R> =>
    steps.pipe(
      Effect.catchTag("ProgramError", (error) => Effect.succeed(error)),
      acquisition.inTime,
      Effect.flatMap((outcome) => (outcome instanceof ProgramError ? Effect.fail(outcome) : Effect.succeed(outcome)))
    )

/** The whole container is the program's: its terminal, its input, its end. */
const specOf = (
  config: ExecutionConfig,
  client: Client,
  { command, env, modes, terminal }: SessionProgram
): ContainerSpec => {
  const { config: container, ...spec } = Container.specOf(config)
  const { User, WorkingDir } = client.login?.container ?? {}
  return {
    ...spec,
    ...(modes === undefined ? {} : { modes }),
    config: {
      ...container,
      ...(User === undefined ? {} : { User }),
      ...(WorkingDir === undefined ? {} : { WorkingDir }),
      Entrypoint: [],
      Cmd: command,
      Env: [
        ...(container.Env ?? []).filter((entry) => !Object.hasOwn(env, entry.split("=", 1)[0] ?? "")),
        ...Object.entries(env).map(([name, value]) => `${name}=${value}`)
      ],
      Tty: terminal !== undefined,
      // When the server is gone, its program finds its input at its end.
      OpenStdin: true,
      StdinOnce: true,
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true
    },
    host: {
      // What people see on their terminals is nothing for the engine's disk.
      LogConfig: { Type: "none" },
      ...spec.host,
      // A container that removes itself takes the exit status with it.
      AutoRemove: false,
      ...(terminal === undefined ? {} : { ConsoleSize: [terminal.rows, terminal.columns] })
    }
  }
}

/** An engine that is away for longer has killed the program. */
const exitStatus = Effect.fnUntraced(function* (id: ContainerId) {
  const docker = yield* Docker
  const engine = yield* EngineState
  const { exitCode } = yield* docker.waitContainer(id, "not-running").pipe(
    Effect.retry({
      schedule: Schedule.spaced("100 millis"),
      times: 20,
      while: (error) => error.isTransient && !engine.isLost()
    })
  )
  const oomKilled = exitCode === killedStatus ? (yield* docker.inspectContainer(id)).oomKilled : false
  return { exitCode, oomKilled }
})
