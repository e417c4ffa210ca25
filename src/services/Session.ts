/**
 * One session channel: what the client set before its program, and the one program that runs on it (RFC 4254,
 * section 6).
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { ContainerError } from "../schema/ContainerError.ts"
import type { ChannelId, ConnectionId } from "../schema/Identifiers.ts"
import {
  KindDisabled,
  NoProgramRunning,
  ProgramAlreadyRunning,
  ProgramError,
  type ProgramErrorReason,
  RequestForbidden,
  SignalUnknown,
  SubsystemUnknown
} from "../schema/ProgramError.ts"
import type { Permissions } from "../schema/Permissions.ts"
import type { SecuritySettings } from "../schema/SecurityConfig.ts"
import type { ProgramOutput } from "./ByteSink.ts"
import * as ClientEnvironment from "./ClientEnvironment.ts"
import * as CommandLine from "./CommandLine.ts"
import type { TerminalSize } from "./Docker.ts"
import type { DockerRunConfig } from "./DockerRunConfig.ts"
import type { Program } from "./Program.ts"
import * as SecurityPolicy from "./SecurityPolicy.ts"
import * as Signal from "./Signal.ts"
import type { TerminalModes } from "./TerminalModes.ts"

/**
 * A `pty-req` (RFC 4254, section 6.2).
 *
 * @since 0.1.0
 * @category models
 */
export interface PtyRequest extends TerminalSize {
  /** Becomes `TERM`. */
  readonly term: string
  /** How the terminal is to behave. Default: as the engine makes it. */
  readonly modes?: TerminalModes
}

/**
 * The three ways to ask for a program (RFC 4254, section 6.5).
 *
 * @since 0.1.0
 * @category models
 */
export type ProgramKind = "shell" | "command" | "subsystem"

/**
 * A program that was admitted. `start` waits for the connection's container and runs it there; it may be used once.
 *
 * @since 0.1.0
 * @category models
 */
export interface AdmittedProgram {
  readonly kind: ProgramKind
  readonly command: readonly [string, ...ReadonlyArray<string>]
  readonly tty: boolean
  readonly start: (output: ProgramOutput) => Effect.Effect<Program, ContainerError | ProgramError, Scope.Scope>
}

/**
 * A session channel. All of it but `start` and `signal` answers at once, so that requests can be answered in the order
 * in which they came.
 *
 * @since 0.1.0
 * @category models
 */
export interface Session {
  /**
   * Sets a variable for the program. Fails with `EnvNotAccepted`, `EnvLimitExceeded` or `RequestForbidden`, and with
   * `ProgramAlreadyRunning` once a program was admitted.
   */
  readonly env: (name: string, value: string) => Effect.Effect<void, ProgramError>
  /** Asks for a terminal. Fails with `RequestForbidden`, and with `ProgramAlreadyRunning` once a program was admitted. */
  readonly pty: (request: PtyRequest) => Effect.Effect<void, ProgramError>
  /** The configured `shellCommand`. Fails with `KindDisabled`, `RequestForbidden` or `ProgramAlreadyRunning`. */
  readonly shell: Effect.Effect<AdmittedProgram, ProgramError>
  /** A command line. Fails with `KindDisabled`, `RequestForbidden` or `ProgramAlreadyRunning`. */
  readonly exec: (commandLine: string) => Effect.Effect<AdmittedProgram, ProgramError>
  /** A configured subsystem. Fails with `KindDisabled`, `RequestForbidden`, `SubsystemUnknown` or `ProgramAlreadyRunning`. */
  readonly subsystem: (name: string) => Effect.Effect<AdmittedProgram, ProgramError>
  /**
   * Delivers a signal, to a program that is being started once it runs. Fails with `NoProgramRunning`,
   * `RequestForbidden`, `SignalUnknown` or `SignalNotDelivered`.
   */
  readonly signal: (name: string) => Effect.Effect<void, ProgramError>
  /** A new terminal size. Fails with `NoProgramRunning` before a program was admitted. */
  readonly window: (size: TerminalSize) => Effect.Effect<void, ProgramError>
}

/**
 * What a session needs to know of its connection.
 *
 * @since 0.1.0
 * @category models
 */
export interface SessionOptions {
  readonly connectionId: ConnectionId
  readonly channelId: ChannelId
  readonly config: DockerRunConfig["Service"]["config"]
  readonly security: SecuritySettings
  /** Patterns of the variables that may be set. Default: any may. */
  readonly acceptEnv?: ReadonlyArray<string> | undefined
  /** Command line that runs instead of whatever is asked for. */
  readonly forcedCommand?: string | undefined
  /** Variables that a program gets whatever the client says. */
  readonly environment?: Readonly<Record<string, string>> | undefined
  /** What the key or the certificate takes away. */
  readonly permissions?: Permissions | undefined
  /** Waits for the container and starts the program in it. */
  readonly start: (
    program: {
      readonly kind: ProgramKind
      readonly command: readonly [string, ...ReadonlyArray<string>]
      /** What the client set, and what the request itself says: `TERM`, `SSH_ORIGINAL_COMMAND`. */
      readonly env: Readonly<Record<string, string>>
      /** The subsystem that the command serves; absent for what is none. */
      readonly subsystem?: string
      /** Read when the container is there, so that a window change in the meantime counts. */
      readonly terminal: () => (TerminalSize & Pick<PtyRequest, "modes">) | undefined
    },
    output: ProgramOutput
  ) => Effect.Effect<Program, ContainerError | ProgramError, Scope.Scope>
}

/**
 * A session in which nothing was asked for yet.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({
  acceptEnv,
  channelId,
  config,
  connectionId,
  environment: fixed = {},
  forcedCommand,
  permissions,
  security,
  start
}: SessionOptions): Session => {
  const environment = ClientEnvironment.make({ security, acceptEnv })
  let terminal: PtyRequest | undefined
  let isAdmitted = false
  let running: Program | undefined
  /** Once the program is being started: it, or nothing if that failed. */
  let starting: Deferred.Deferred<Program | undefined> | undefined
  let heldSignals = 0

  const refuse = (reason: ProgramErrorReason) => Effect.fail(new ProgramError({ connectionId, channelId, reason }))
  const beforeProgram = (change: () => ProgramErrorReason | undefined) =>
    Effect.suspend(() => {
      const reason = isAdmitted ? new ProgramAlreadyRunning() : change()
      return reason === undefined ? Effect.void : refuse(reason)
    })

  const admit = (request: {
    readonly kind: ProgramKind
    readonly isDisabled: boolean
    /** What its policy lists. */
    readonly name: string
    readonly command: readonly [string, ...ReadonlyArray<string>] | ProgramErrorReason
    /** What a forced command is told. */
    readonly original?: string | undefined
  }): Effect.Effect<AdmittedProgram, ProgramError> =>
    Effect.suspend(() => {
      const { kind, original } = request
      if (isAdmitted) return refuse(new ProgramAlreadyRunning())
      if (request.isDisabled) return refuse(new KindDisabled({ kind }))
      if (!SecurityPolicy.isAllowed(security, kind, request.name))
        return refuse(new RequestForbidden({ request: kind }))
      if (!isArguments(request.command)) return refuse(request.command)
      const command = forcedCommand === undefined ? request.command : CommandLine.toArguments(forcedCommand)
      isAdmitted = true
      return Effect.succeed({
        kind,
        command,
        tty: terminal !== undefined,
        start: (output) =>
          Effect.suspend(() => {
            let startSize = terminal
            const begun = Deferred.makeUnsafe<Program | undefined>()
            starting = begun
            return start(
              {
                kind: forcedCommand === undefined ? kind : "command",
                command,
                ...(forcedCommand === undefined && kind === "subsystem" ? { subsystem: request.name } : {}),
                env: {
                  ...environment.all(),
                  ...fixed,
                  ...(terminal === undefined ? {} : { TERM: terminal.term }),
                  ...(forcedCommand === undefined || original === undefined ? {} : { SSH_ORIGINAL_COMMAND: original })
                },
                terminal: () => {
                  startSize = terminal
                  return terminal
                }
              },
              output
            ).pipe(
              Effect.tap((program) => {
                running = program
                // The window changed while the program was being started. Nobody waits for that.
                return terminal === undefined || terminal === startSize
                  ? Effect.void
                  : Effect.forkScoped(program.resize(terminal))
              }),
              Effect.onExit((exit) => Deferred.succeed(begun, Exit.isSuccess(exit) ? exit.value : undefined))
            )
          })
      } satisfies AdmittedProgram)
    })

  return {
    env: (name, value) => beforeProgram(() => environment.set(name, value)),
    pty: (request) =>
      beforeProgram(() => {
        if (!SecurityPolicy.isAllowed(security, "tty") || permissions?.pty === false)
          return new RequestForbidden({ request: "tty" })
        terminal = request
        return undefined
      }),
    shell: admit({
      kind: "shell",
      isDisabled: config.disableShell,
      name: "",
      command: isArguments(config.shellCommand) ? config.shellCommand : new KindDisabled({ kind: "shell" })
    }),
    exec: (commandLine) =>
      admit({
        kind: "command",
        isDisabled: config.disableCommand,
        name: commandLine,
        command: CommandLine.toArguments(commandLine),
        original: commandLine
      }),
    subsystem: (name) => {
      const program = Object.hasOwn(config.subsystems, name) ? config.subsystems[name] : undefined
      return admit({
        kind: "subsystem",
        isDisabled: config.disableSubsystem,
        name,
        command: program === undefined ? new SubsystemUnknown({ name }) : [program],
        original: program
      })
    },
    signal: (name) =>
      Effect.suspend(() => {
        if (!Signal.isName(name)) return refuse(new SignalUnknown({ name }))
        if (!SecurityPolicy.isAllowed(security, "signal", name))
          return refuse(new RequestForbidden({ request: "signal" }))
        if (running !== undefined) return running.signal(name)
        // Who has seen a program's first output takes it for running, whatever the engine has yet to answer.
        if (starting === undefined || heldSignals >= maxHeldSignals) return refuse(new NoProgramRunning())
        heldSignals += 1
        return Deferred.await(starting).pipe(
          Effect.ensuring(Effect.sync(() => (heldSignals -= 1))),
          Effect.flatMap((program) => (program === undefined ? refuse(new NoProgramRunning()) : program.signal(name)))
        )
      }),
    window: (size) =>
      Effect.suspend(() => {
        if (!isAdmitted) return refuse(new NoProgramRunning())
        if (terminal === undefined) return Effect.void
        terminal = { ...terminal, ...size }
        return running === undefined ? Effect.void : running.resize(size)
      })
  }
}

/** How many signals wait for a program that is being started. Nobody means more than that. */
const maxHeldSignals = 16

const isArguments = (
  command: ReadonlyArray<string> | ProgramErrorReason
): command is readonly [string, ...ReadonlyArray<string>] => Array.isArray(command) && command.length > 0
