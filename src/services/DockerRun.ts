/**
 * The backend: one container per connection, one program per session channel.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import type { ContainerError } from "../schema/ContainerError.ts"
import { NoSharedContainer, ProgramError, ProgramLost } from "../schema/ProgramError.ts"
import type { ChannelId, ContainerId } from "../schema/Identifiers.ts"
import type { Step } from "./Acquisition.ts"
import type { ProgramOutput } from "./ByteSink.ts"
import * as Container from "./Container.ts"
import * as ContainerPool from "./ContainerPool.ts"
import * as ContainerOwner from "./ContainerOwner.ts"
import { ContainerEvents } from "./ContainerEvents.ts"
import { Docker } from "./Docker.ts"
import { DockerRunConfig } from "./DockerRunConfig.ts"
import { EngineState } from "./EngineState.ts"
import { Instance } from "./Instance.ts"
import * as KnownImages from "./KnownImages.ts"
import { LifecycleConfig } from "./LifecycleConfig.ts"
import { Logger } from "./Logger.ts"
import * as LoginEnvironment from "./LoginEnvironment.ts"
import * as PersistentContainer from "./PersistentContainer.ts"
import * as PersistentUse from "./PersistentUse.ts"
import * as Program from "./Program.ts"
import * as ProvenPrograms from "./ProvenPrograms.ts"
import { SecurityConfig } from "./SecurityConfig.ts"
import * as SessionContainer from "./SessionContainer.ts"
import * as SftpFallback from "./SftpFallback.ts"
import * as Session from "./Session.ts"
import { Spool } from "./Spool.ts"
import { StartWatcher } from "./StartQueue.ts"
import { StatusBoard } from "./StatusBoard.ts"
import * as TerminalModes from "./TerminalModes.ts"

/**
 * What a connection's container is doing.
 *
 * @since 0.1.0
 * @category models
 */
export type ContainerStep =
  | Step
  | { readonly _tag: "Waiting" }
  /** It waits for the engine, longer than a second, and so many are served before. */
  | { readonly _tag: "Queued"; readonly before: number }
  | { readonly _tag: "Done" }

/**
 * A session channel, and how its container comes along.
 *
 * @since 0.1.0
 * @category models
 */
export interface ChannelSession extends Session.Session {
  /**
   * Waits until a program could be started. Gives the container if it is the connection's; in mode `session` it is made
   * with the program, and only its image is waited for.
   */
  readonly container: Effect.Effect<ContainerId | undefined, ContainerError>
  /** Ends with `Done`, also when there will be no container. */
  readonly steps: Stream.Stream<ContainerStep>
}

/**
 * A connection whose client has authenticated. Its container is being made, or there, or could not be made; or there is
 * none, for in mode `session` each session has its own, and what is said here of the connection's never happens.
 *
 * @since 0.1.0
 * @category models
 */
export interface Connection {
  /** Waits for the container. Fails, as often as it is asked, with the reason why there is none. */
  readonly container: Effect.Effect<ContainerId, ContainerError>
  /** Waits until the container has ended before its connection: it was killed or removed, or went with its engine. */
  readonly ended: Effect.Effect<void>
  /** How the making of the container comes along; ends with `Done`, also when it failed. */
  readonly steps: Stream.Stream<ContainerStep>
  /** Opens a session channel. Any number may be open at once. */
  readonly session: (channelId: ChannelId) => Effect.Effect<ChannelSession>
  /** Runs a program that is the server's own in the container, without a terminal, until the Scope closes. */
  readonly run: (
    channelId: ChannelId,
    command: readonly [string, ...ReadonlyArray<string>],
    output: ProgramOutput
  ) => Effect.Effect<Program.Program, ContainerError | ProgramError, Scope.Scope>
  /** Sets a variable, once its value is known, for the programs that sessions start from now on. */
  readonly provide: (name: string, value: Effect.Effect<Option.Option<string>>) => Effect.Effect<void>
  /** Sends TERM to each running program and waits until all have ended, but no longer than the grace period. */
  readonly terminate: (gracePeriod: Duration.Duration) => Effect.Effect<void>
}

/**
 * Gives connections their containers.
 *
 * @since 0.1.0
 * @category services
 */
export class DockerRun extends Context.Service<
  DockerRun,
  {
    /**
     * Takes on a connection: begins to acquire its container and returns at once. When the Scope closes, the container
     * is removed with everything that runs in it; a persistent one stays, without the connection's programs.
     */
    readonly connect: (client: ContainerOwner.Client) => Effect.Effect<Connection, never, Scope.Scope>
  }
>()("dockerrun/services/DockerRun") {
  /** The backend over any `Docker`. */
  static readonly layer: Layer.Layer<DockerRun, never, Docker | DockerRunConfig | Logger> = Layer.effect(
    DockerRun,
    Effect.suspend(() => make)
  )
}

/** How long a program may take to end of itself when its container has. */
const lastWords = "1 second"

const make = Effect.gen(function* () {
  // Only these: the Scope in which this layer was built must not take the place of the connections' own.
  const context = Context.pick(
    Docker,
    DockerRunConfig,
    Logger
  )(yield* Effect.context<Docker | DockerRunConfig | Logger>()).pipe(
    Context.add(LifecycleConfig, yield* LifecycleConfig),
    Context.add(Instance, yield* Instance),
    Context.add(Spool, yield* Spool),
    Context.add(EngineState, yield* EngineState),
    Context.add(ContainerEvents, yield* ContainerEvents),
    Context.add(ProvenPrograms.ProvenPrograms, ProvenPrograms.make()),
    Context.add(KnownImages.KnownImages, KnownImages.make())
  )
  const { config } = yield* DockerRunConfig
  const logger = yield* Logger
  const instance = yield* Instance
  const board = yield* StatusBoard
  const security = yield* SecurityConfig
  const events = yield* ContainerEvents
  const layerScope = yield* Effect.scope
  const pool = yield* Effect.provideContext(ContainerPool.make, context)
  const use = PersistentUse.make()
  const isPersistent = config.mode === "persistent"
  const isPerSession = config.mode === "session"
  if (isPersistent) yield* Effect.forkScoped(use.run)

  const logFailure = (error: ContainerError) =>
    logger.log({
      level: "error",
      code: error.code,
      message: error.message,
      ...(error.cause === undefined ? {} : { cause: error.cause })
    })

  /** Into the connection's Scope, by mode. */
  const acquire = Effect.fnUntraced(function* (
    client: ContainerOwner.Client,
    onStep: (step: Step) => Effect.Effect<void>
  ) {
    if (isPerSession) return yield* Effect.never
    if (isPersistent) return yield* PersistentContainer.acquire(client, onStep, use)
    const warm = yield* pool.take(client, config)
    return warm ?? (yield* Container.acquire(ContainerOwner.ofClient(client), onStep, layerScope))
  })

  const connect = Effect.fn("DockerRun.connect")(function* (client: ContainerOwner.Client) {
    const { connectionId, login = {} } = client
    const own = login.container ?? {}
    // First, and so until after the container is gone: what is not registered is for the reaper.
    if (instance !== undefined) yield* instance.register(connectionId)
    yield* Effect.acquireRelease(
      Effect.sync(() => board.connections(1)),
      () => Effect.sync(() => board.connections(-1))
    )
    const step = yield* SubscriptionRef.make<ContainerStep>({ _tag: "Waiting" })
    const container = yield* Deferred.make<Container.RunningContainer, ContainerError>()
    const programs = new Set<RunningProgram>()
    let isLeaving = false
    let programsStarted = 0

    // The Scope closes from the last finalizer to the first: programs learn that they need not be told to hang up, what
    // is still being acquired is interrupted, and then the container goes.
    const containerScope = yield* Scope.make()
    yield* Effect.addFinalizer((exit) => Scope.close(containerScope, exit))
    let doing: ContainerStep = { _tag: "Waiting" }
    yield* acquire(client, (next) => {
      doing = next
      return SubscriptionRef.set(step, next)
    }).pipe(
      Effect.provideService(StartWatcher, (before) =>
        SubscriptionRef.update(step, (now): ContainerStep => {
          if (isDone(now)) return now
          return before === undefined ? doing : { _tag: "Queued", before }
        })
      ),
      Effect.tapError(logFailure),
      Scope.provide(containerScope),
      // First the client learns of it, then what there is of a container goes: that may take its time.
      Effect.onExit((exit) =>
        Effect.andThen(SubscriptionRef.set(step, { _tag: "Done" }), Deferred.done(container, exit))
      ),
      Effect.onError(() => Scope.close(containerScope, Exit.void)),
      Effect.exit,
      // At once, so that whoever waits for the container learns its fate even if the connection ends in the same moment.
      Effect.forkScoped({ startImmediately: true })
    )
    // Their streams first: an engine that removes a container waits, some of them for ten seconds, until the output of
    // its programs was taken, which a client that stopped reading and then left never did.
    const programScope = yield* Scope.make("parallel")
    yield* Effect.addFinalizer((exit) => {
      isLeaving = true
      return Scope.close(programScope, exit)
    })

    let isLost = false
    yield* Deferred.await(container).pipe(
      Effect.flatMap(({ ended, id }) =>
        Effect.andThen(
          Effect.tap(ended, () => {
            isLost = true
            return Effect.void
          }),
          Effect.flatMap(events.fate(id), (fate) =>
            logger.log({
              level: "warning",
              code: "CONTAINER_LOST",
              message: `container ${id.slice(0, 12)} ended before its connection: ${new ProgramLost(fate === undefined ? {} : { fate }).message}`,
              fields: { containerId: id, fate }
            })
          )
        )
      ),
      // That there is no container was logged when it failed.
      Effect.ignore,
      Effect.forkScoped
    )

    // Once per container: what it has of its own does not change.
    const account = yield* Effect.cached(
      Deferred.await(container).pipe(
        Effect.flatMap(({ info }) => info),
        Effect.map((info) => ({
          env: LoginEnvironment.ofAccount(info, client, config.shellCommand),
          home: LoginEnvironment.homeOf(info, client)
        })),
        // What became of the container the program will learn.
        Effect.catch(() => Effect.succeed({ env: {}, home: undefined })),
        Effect.provideContext(context)
      )
    )
    // The first program should not have to wait for it.
    yield* Effect.forkScoped(account)

    const { motd = "" } = login
    const lines = motd.replace(/\r?\n$/u, "").split(/\r?\n/u)
    const greeting = new TextEncoder().encode(lines.map((line) => `${line}\r\n`).join(""))
    /** A person who has a file `.hushlogin` does not want to be greeted. */
    const greet = Effect.fnUntraced(function* (id: ContainerId, home: string | undefined, output: ProgramOutput) {
      const isHushed =
        home === undefined
          ? false
          : yield* Effect.isSuccess(Docker.use((docker) => docker.statPath(id, `${home}/.hushlogin`)))
      if (!isHushed) output.stdout.write(greeting)
    }, Effect.provideContext(context))

    const enter = (running: RunningProgram) =>
      Effect.acquireRelease(
        Effect.sync(() => programs.add(running)),
        () => Effect.sync(() => programs.delete(running))
      )
    /** A program ends with its channel or with the connection, whichever is first. */
    const channelScope = Effect.gen(function* () {
      const scope = yield* Scope.fork(programScope)
      yield* Effect.addFinalizer((exit) => Scope.close(scope, exit))
      return scope
    })

    const startIn = (channelId: ChannelId): Session.SessionOptions["start"] =>
      Effect.fnUntraced(function* ({ command, env, kind, subsystem, terminal }, output) {
        if (isPerSession) {
          return yield* new ProgramError({ connectionId, channelId, reason: new NoSharedContainer() })
        }
        const { ended, id, waiting } = yield* Deferred.await(container)
        const { env: accountEnv, home } = yield* account
        const size = terminal()
        if (motd !== "" && kind === "shell" && size !== undefined) yield* greet(id, home, output)
        const wanted = {
          command,
          env: { ...accountEnv, ...env, ...LoginEnvironment.ofConnection(client, size !== undefined) },
          ...(size === undefined ? {} : { terminal: { columns: size.columns, rows: size.rows } }),
          ...(size?.modes === undefined ? {} : { modes: TerminalModes.sttyArguments(size.modes) }),
          ...(own.User === undefined ? {} : { user: own.User }),
          ...(own.WorkingDir === undefined ? {} : { workingDirectory: own.WorkingDir })
        }
        const isRepeated = programsStarted > 0
        programsStarted += 1
        const scope = yield* channelScope
        const fallback =
          subsystem === SftpFallback.subsystem
            ? yield* SftpFallback.start(
                { connectionId, channelId, container: id, program: command[0], user: own.User },
                output
              ).pipe(Scope.provide(scope), Effect.provideContext(context))
            : undefined
        if (fallback !== undefined) return fallback
        const program = yield* Program.start(
          {
            connectionId,
            channelId,
            container: id,
            programId: `${connectionId}-${programsStarted}`,
            ...wanted,
            waiting
          },
          output,
          () => isLeaving && !isPersistent
        ).pipe(Scope.provide(scope), Effect.provideContext(context))
        yield* Effect.forkIn(
          waiting.replace({ wanted, isRepeated, ended: Effect.map(Effect.exit(program.exit), Exit.isSuccess) }),
          programScope
        )
        yield* enter({ program, hasTerminal: size !== undefined })
        const lost = Effect.flatMap(events.fate(id), (fate) =>
          Effect.fail(
            new ProgramError({
              connectionId,
              channelId,
              reason: new ProgramLost(fate === undefined ? {} : { fate })
            })
          )
        )
        // A wire to the engine that is cut is the end of its input for a program, which may take it for all that there
        // was, and be content.
        const trusted = Effect.flatMap(program.exit, (exit) =>
          isLost && exit._tag === "Exited" && exit.status === 0 ? lost : Effect.succeed(exit)
        )
        // Not every stream that broke shows it soon: over a wire that was cut each finds out in its own time.
        const late = ended.pipe(Effect.andThen(Effect.sleep(lastWords)), Effect.andThen(lost))
        return { ...program, exit: Effect.raceFirst(trusted, late) }
      })

    const variables = new Map<string, Effect.Effect<Option.Option<string>>>()
    const provided = Effect.suspend(() =>
      Effect.forEach(
        variables,
        ([name, value]) => Effect.map(value, (value) => (Option.isSome(value) ? [[name, value.value] as const] : [])),
        { concurrency: "unbounded" }
      )
    ).pipe(Effect.map((found): Record<string, string> => Object.fromEntries(found.flat())))

    const shared = {
      container: Effect.map(Deferred.await(container), ({ id }) => id),
      steps: SubscriptionRef.changes(step).pipe(Stream.takeUntil(isDone))
    }
    /** The container of one session, and how it comes along. */
    const makeOwn = Effect.fnUntraced(function* (channelId: ChannelId) {
      const step = yield* SubscriptionRef.make<ContainerStep>({ _tag: "Waiting" })
      const prepared = yield* Effect.cached(
        SessionContainer.prepare(client, channelId, (next) => SubscriptionRef.set(step, next)).pipe(
          Effect.tapError(logFailure),
          Effect.ensuring(SubscriptionRef.set(step, { _tag: "Done" })),
          Effect.provideContext(context)
        )
      )
      const start: Session.SessionOptions["start"] = Effect.fnUntraced(function* (
        { command, env, kind, terminal },
        output
      ) {
        const place = yield* prepared
        const size = terminal()
        const scope = yield* channelScope
        const program = yield* SessionContainer.start(
          place,
          {
            command,
            env,
            onCreated: (id) =>
              motd !== "" && kind === "shell" && size !== undefined ? greet(id, place.home, output) : Effect.void,
            ...(size === undefined ? {} : { terminal: { columns: size.columns, rows: size.rows } }),
            ...(size?.modes === undefined ? {} : { modes: TerminalModes.sttyArguments(size.modes) })
          },
          output,
          layerScope
        ).pipe(
          Effect.tapError((error) => (error._tag === "ContainerError" ? logFailure(error) : Effect.void)),
          Scope.provide(scope),
          Effect.provideContext(context)
        )
        yield* enter({ program, hasTerminal: size !== undefined })
        return program
      })
      return {
        start,
        container: Effect.as(prepared, undefined),
        steps: SubscriptionRef.changes(step).pipe(Stream.takeUntil(isDone))
      }
    })

    const connection: Connection = {
      ...shared,
      ended: Deferred.await(container).pipe(
        Effect.flatMap(({ ended }) => ended),
        // A container that never was does not end.
        Effect.catch(() => Effect.never)
      ),
      session: Effect.fnUntraced(function* (channelId) {
        const { start, ...place } = isPerSession ? yield* makeOwn(channelId) : { ...shared, start: startIn(channelId) }
        const session = Session.make({
          connectionId,
          channelId,
          config,
          security,
          acceptEnv: login.acceptEnv,
          forcedCommand: security.forceCommand === "" ? login.forcedCommand : security.forceCommand,
          environment: login.environment,
          permissions: login.permissions,
          start: (program, output) =>
            Effect.flatMap(provided, (more) => start({ ...program, env: { ...program.env, ...more } }, output))
        })
        return { ...session, ...place }
      }),
      provide: (name, value) => Effect.sync(() => variables.set(name, value)),
      run: (channelId, command, output) =>
        startIn(channelId)({ kind: "command", command, env: { LC_ALL: "C" }, terminal: () => undefined }, output),
      terminate: (gracePeriod) =>
        Effect.forEach(programs, terminateProgram, { concurrency: "unbounded", discard: true }).pipe(
          Effect.timeoutOption(gracePeriod),
          Effect.asVoid
        )
    }
    return connection
  }, Effect.provideContext(context))

  return DockerRun.of({ connect })
})

const isDone = ({ _tag }: ContainerStep): boolean => _tag === "Done"

interface RunningProgram {
  readonly program: Program.Program
  readonly hasTerminal: boolean
}

/** Interactive shells ignore TERM; what ends them, and what they pass on to their jobs, is HUP. */
const terminateProgram = ({ program, hasTerminal }: RunningProgram): Effect.Effect<void> =>
  program
    .signal("TERM")
    .pipe(
      Effect.andThen(hasTerminal ? program.signal("HUP") : Effect.void),
      Effect.ignore,
      Effect.andThen(Effect.exit(program.exit)),
      Effect.asVoid
    )
