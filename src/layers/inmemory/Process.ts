/**
 * A running program.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { type ByteSink, makePipe } from "../../services/ByteSink.ts"
import type { TerminalSize } from "../../services/Docker.ts"
import * as Signal from "../../services/Signal.ts"
import * as LineDiscipline from "./LineDiscipline.ts"
import { type SimulatedOutput, type SimulatedProcess, type SimulatedProgram } from "./SimulatedProgram.ts"

/**
 * @internal
 */
export interface Process {
  readonly pid: number
  readonly env: Readonly<Record<string, string>>
  /** The program's input. On a terminal its end is typed, not sent, and `end` does nothing. */
  readonly stdin: ByteSink
  readonly signal: (name: Signal.Name) => void
  readonly resize: (size: TerminalSize) => void
  /** Calls back with the exit status, at once when it has ended already. */
  readonly onExit: (listener: (status: number) => void) => void
}

/**
 * @internal
 */
export interface ProcessOptions {
  readonly pid: number
  readonly program: SimulatedProgram
  readonly arguments: readonly [string, ...ReadonlyArray<string>]
  readonly env: Readonly<Record<string, string>>
  readonly workingDirectory: string
  readonly user: string
  /** Process 1 of a container: a signal that it does not trap does nothing to it, but for KILL. */
  readonly isFirst: boolean
  readonly size: TerminalSize | undefined
  readonly write: (output: "stdout" | "stderr", bytes: Uint8Array) => Effect.Effect<void>
  readonly echo: (bytes: Uint8Array) => void
  readonly scope: Scope.Scope
}

/** A program that breaks its contract ends as one that calls `abort`. */
const aborted = 128 + Signal.numbers.ABRT

/**
 * Starts a program in the engine's own Scope, and gives it at once.
 *
 * @internal
 */
export const spawn = Effect.fnUntraced(function* (options: ProcessOptions): Effect.fn.Return<Process> {
  const { size } = options
  const input = yield* makePipe()
  const sizes = yield* PubSub.unbounded<TerminalSize>()
  const listeners: Array<(status: number) => void> = []
  let exitStatus: number | undefined
  const traps = new Map<Signal.Name, Effect.Effect<number | void>>()
  let currentSize = size
  let endedWith: number | undefined
  let drain = () => {}
  let stop = () => {}

  const isRunning = () => exitStatus === undefined
  const end = (status: number) => {
    endedWith ??= status
    stop()
  }
  const signal = (name: Signal.Name): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (!isRunning()) return Effect.void
      const handler = name === "KILL" ? undefined : traps.get(name)
      if (handler === undefined) {
        if (name === "KILL" || !options.isFirst) end(128 + Signal.numbers[name])
        return Effect.void
      }
      return handler.pipe(
        Effect.map((status) => {
          if (typeof status === "number") end(status)
        }),
        Effect.forkIn(options.scope, { startImmediately: true }),
        Effect.asVoid
      )
    })
  const context = yield* Effect.context()
  const signalUnsafe = (name: Signal.Name) => {
    Effect.runForkWith(context)(signal(name))
  }

  const discipline = LineDiscipline.make({
    echo: options.echo,
    deliver: input.sink.write,
    end: input.sink.end,
    signal: signalUnsafe
  })
  const outputOf = (name: "stdout" | "stderr"): SimulatedOutput => ({
    write: (data) => {
      const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data
      if (bytes.byteLength === 0) return Effect.void
      return size === undefined
        ? options.write(name, bytes)
        : // With a terminal there is one output.
          options.write("stdout", LineDiscipline.toTerminal(bytes))
    }
  })
  const process: SimulatedProcess = {
    arguments: options.arguments,
    env: options.env,
    workingDirectory: options.workingDirectory,
    user: options.user,
    stdin: input.stream,
    stdout: outputOf("stdout"),
    stderr: outputOf("stderr"),
    trap: (name, handler) => Effect.sync(() => void traps.set(name, handler)),
    raise: (name) => Effect.andThen(signal(name), Effect.never),
    ...(size === undefined
      ? {}
      : {
          terminal: {
            size: Effect.sync(() => currentSize ?? size),
            resizes: Stream.fromPubSub(sizes),
            setRaw: (raw) => Effect.sync(() => discipline.setRaw(raw))
          }
        })
  }

  // Its first steps are made at once, so that what it traps is trapped when the start has succeeded.
  const started = yield* Effect.suspend(() => options.program(process)).pipe(
    Effect.tapDefect((defect) => Effect.logError("a simulated program died", defect)),
    Effect.forkIn(options.scope, { startImmediately: true })
  )
  stop = () => started.interruptUnsafe()
  // It may have ended itself by then.
  if (endedWith !== undefined) stop()
  // An observer, because a program that is ended before its first step has no step in which to say so.
  started.addObserver((result) => {
    input.sink.end()
    const status = (endedWith ?? (Exit.isSuccess(result) ? result.value : aborted)) & 255
    exitStatus = status
    for (const listener of listeners) listener(status)
    // Whoever waits for room in the input waits for nothing.
    drain()
  })
  input.sink.onDrain(() => drain())

  return {
    pid: options.pid,
    env: options.env,
    stdin: {
      write: (chunk) => {
        if (!isRunning()) return true
        if (size === undefined) return input.sink.write(chunk)
        discipline.type(chunk)
        return true
      },
      end: () => {
        if (size === undefined) input.sink.end()
      },
      onDrain: (callback) => {
        drain = callback
      }
    },
    signal: signalUnsafe,
    resize: (next) => {
      currentSize = next
      PubSub.publishUnsafe(sizes, next)
    },
    onExit: (listener) => {
      if (exitStatus === undefined) listeners.push(listener)
      else listener(exitStatus)
    }
  }
})
