/**
 * One session channel: what the client set before its program, and the one program that runs on it (RFC 4254,
 * section 6).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ContainerError } from "../schema/ContainerError.ts"
import type { ChannelId, ConnectionId } from "../schema/Identifiers.ts"
import {
  KindDisabled,
  NoProgramRunning,
  ProgramAlreadyRunning,
  ProgramError,
  type ProgramErrorReason,
  SignalUnknown,
  SubsystemUnknown
} from "../schema/ProgramError.ts"
import type { ProgramOutput } from "./ByteSink.ts"
import * as CommandLine from "./CommandLine.ts"
import type { TerminalSize } from "./Docker.ts"
import type { DockerRunConfig } from "./DockerRunConfig.ts"
import type { Program } from "./Program.ts"
import * as Signal from "./Signal.ts"

/**
 * A `pty-req` (RFC 4254, section 6.2).
 *
 * @since 0.1.0
 * @category models
 */
export interface PtyRequest extends TerminalSize {
  /** Becomes `TERM`. */
  readonly term: string
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
  /** Sets a variable for the program. Fails with `ProgramAlreadyRunning` once a program was admitted. */
  readonly env: (name: string, value: string) => Effect.Effect<void, ProgramError>
  /** Asks for a terminal. Fails with `ProgramAlreadyRunning` once a program was admitted. */
  readonly pty: (request: PtyRequest) => Effect.Effect<void, ProgramError>
  /** The configured `shellCommand`. Fails with `KindDisabled` or `ProgramAlreadyRunning`. */
  readonly shell: Effect.Effect<AdmittedProgram, ProgramError>
  /** A command line. Fails with `KindDisabled` or `ProgramAlreadyRunning`. */
  readonly exec: (commandLine: string) => Effect.Effect<AdmittedProgram, ProgramError>
  /** A configured subsystem. Fails with `KindDisabled`, `SubsystemUnknown` or `ProgramAlreadyRunning`. */
  readonly subsystem: (name: string) => Effect.Effect<AdmittedProgram, ProgramError>
  /** Delivers a signal. Fails with `NoProgramRunning`, `SignalUnknown` or `SignalNotDelivered`. */
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
  /** Waits for the container and starts the program in it. */
  readonly start: (
    program: {
      readonly command: readonly [string, ...ReadonlyArray<string>]
      readonly env: Readonly<Record<string, string>>
      /** Read when the container is there, so that a window change in the meantime counts. */
      readonly terminal: () => TerminalSize | undefined
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
export const make = ({ channelId, config, connectionId, start }: SessionOptions): Session => {
  const env = new Map<string, string>()
  let terminal: PtyRequest | undefined
  let isAdmitted = false
  let running: Program | undefined

  const refuse = (reason: ProgramErrorReason) => Effect.fail(new ProgramError({ connectionId, channelId, reason }))
  const beforeProgram = (change: () => void) =>
    Effect.suspend(() => (isAdmitted ? refuse(new ProgramAlreadyRunning()) : Effect.sync(change)))

  const admit = (
    kind: ProgramKind,
    isDisabled: boolean,
    command: readonly [string, ...ReadonlyArray<string>] | ProgramErrorReason
  ): Effect.Effect<AdmittedProgram, ProgramError> =>
    Effect.suspend(() => {
      if (isAdmitted) return refuse(new ProgramAlreadyRunning())
      if (isDisabled) return refuse(new KindDisabled({ kind }))
      if (!isArguments(command)) return refuse(command)
      isAdmitted = true
      return Effect.succeed({
        kind,
        command,
        tty: terminal !== undefined,
        start: (output) =>
          Effect.suspend(() => {
            let startSize = terminal
            return start(
              {
                command,
                env: { ...Object.fromEntries(env), ...(terminal === undefined ? {} : { TERM: terminal.term }) },
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
              })
            )
          })
      } satisfies AdmittedProgram)
    })

  return {
    env: (name, value) =>
      beforeProgram(() => {
        env.set(name, value)
      }),
    pty: (request) =>
      beforeProgram(() => {
        terminal = request
      }),
    shell: admit(
      "shell",
      config.disableShell,
      isArguments(config.shellCommand) ? config.shellCommand : new KindDisabled({ kind: "shell" })
    ),
    exec: (commandLine) => admit("command", config.disableCommand, CommandLine.toArguments(commandLine)),
    subsystem: (name) => {
      const program = Object.hasOwn(config.subsystems, name) ? config.subsystems[name] : undefined
      return admit(
        "subsystem",
        config.disableSubsystem,
        program === undefined ? new SubsystemUnknown({ name }) : [program]
      )
    },
    signal: (name) =>
      Effect.suspend(() => {
        if (!Signal.isName(name)) return refuse(new SignalUnknown({ name }))
        return running === undefined ? refuse(new NoProgramRunning()) : running.signal(name)
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

const isArguments = (
  command: ReadonlyArray<string> | ProgramErrorReason
): command is readonly [string, ...ReadonlyArray<string>] => Array.isArray(command) && command.length > 0
