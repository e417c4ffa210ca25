/**
 * Programs that are Effects.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { TerminalSize } from "../../services/Docker.ts"
import type * as Signal from "../../services/Signal.ts"

/**
 * One output of a program.
 *
 * @since 0.1.0
 * @category models
 */
export interface SimulatedOutput {
  /** Writes bytes, or a text as UTF-8, and waits while the reader is slow. What nobody reads is dropped. */
  readonly write: (data: Uint8Array | string) => Effect.Effect<void>
}

/**
 * The terminal of a program. It echoes what is typed, gives the input line by line, and makes signals of ctrl-C and
 * ctrl-\ and the end of the input of ctrl-D.
 *
 * @since 0.1.0
 * @category models
 */
export interface SimulatedTerminal {
  readonly size: Effect.Effect<TerminalSize>
  /** Each new size from now on. */
  readonly resizes: Stream.Stream<TerminalSize>
  /** With `true` the program gets each byte at once, and nothing is echoed or interpreted. */
  readonly setRaw: (raw: boolean) => Effect.Effect<void>
}

/**
 * What a program knows of the world.
 *
 * @since 0.1.0
 * @category models
 */
export interface SimulatedProcess {
  /** The program's name and its arguments. */
  readonly arguments: readonly [string, ...ReadonlyArray<string>]
  readonly env: Readonly<Record<string, string>>
  readonly workingDirectory: string
  readonly user: string
  /** Ends at the end of the input. */
  readonly stdin: Stream.Stream<Uint8Array>
  readonly stdout: SimulatedOutput
  readonly stderr: SimulatedOutput
  /** Absent: no terminal. */
  readonly terminal?: SimulatedTerminal
  /**
   * Runs the handler at each such signal, instead of what the signal does by itself, which is to end the program. A
   * handler that gives a number ends the program with it. `KILL` cannot be trapped.
   */
  readonly trap: (signal: Signal.Name, handler: Effect.Effect<number | void>) => Effect.Effect<void>
  /** Ends the program as the signal does. */
  readonly raise: (signal: Signal.Name) => Effect.Effect<never>
}

/**
 * A program: runs, and gives its exit status (0 to 255). It is interrupted when a signal ends it or its container goes.
 *
 * @since 0.1.0
 * @category models
 */
export type SimulatedProgram = (process: SimulatedProcess) => Effect.Effect<number>
