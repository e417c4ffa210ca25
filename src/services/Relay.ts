/**
 * A program in the container that carries the bytes of one forwarded connection, and one that waits for connections.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { ContainerError } from "../schema/ContainerError.ts"
import type { ProgramError } from "../schema/ProgramError.ts"
import * as ByteSink from "./ByteSink.ts"
import * as EndMark from "./EndMark.ts"
import type { Program } from "./Program.ts"
import type { RelayTool } from "./RelayTool.ts"

type Command = readonly [string, ...ReadonlyArray<string>]

/**
 * Runs a program in the connection's container.
 *
 * @since 0.1.0
 * @category models
 */
export type Run = (
  command: Command,
  output: ByteSink.ProgramOutput
) => Effect.Effect<Program, ContainerError | ProgramError, Scope.Scope>

/**
 * A connection that was made in the container.
 *
 * @since 0.1.0
 * @category models
 */
export interface Link {
  readonly _tag: "Link"
  /** To the other side; its `end` is passed on, where the tool can. */
  readonly input: ByteSink.ByteSink
  /** Takes what comes from the other side. Until it is called, once, what comes is held back. */
  readonly onOutput: (sink: ByteSink.ByteSink) => void
  /** Waits until both directions have ended. */
  readonly ended: Effect.Effect<void>
}

/** Holds what comes until somebody takes it; the writer is asked to pause meanwhile. `onFirst` is told that it comes. */
const makeGate = (onFirst: () => void) => {
  const held: Array<Uint8Array> = []
  let sink: ByteSink.ByteSink | undefined
  let isEnded = false
  let drain = () => {}
  return {
    sink: {
      write: (chunk) => {
        if (sink !== undefined) return sink.write(chunk)
        held.push(chunk)
        onFirst()
        return false
      },
      end: () => {
        if (isEnded) return
        isEnded = true
        sink?.end()
      },
      onDrain: (callback) => {
        drain = callback
        sink?.onDrain(callback)
      }
    } satisfies ByteSink.ByteSink,
    open: (to: ByteSink.ByteSink) => {
      sink = to
      to.onDrain(() => drain())
      const isReady = held.splice(0).map((chunk) => to.write(chunk))
      if (isEnded) to.end()
      else if (isReady.every(Boolean)) drain()
    }
  }
}

/** A program's standard error, of which only the lines are of interest, and only the latest. */
const makeLines = (
  onText: (text: string) => void
): { readonly sink: ByteSink.ByteSink; readonly text: () => string } => {
  const decoder = new TextDecoder()
  let text = ""
  return {
    sink: {
      ...ByteSink.discard,
      write: (chunk) => {
        text = (text + decoder.decode(chunk, { stream: true })).slice(-4096)
        onText(text)
        return true
      }
    },
    text: () => text
  }
}

/**
 * It ended, and had not connected or listened: `words` is what it said.
 *
 * @since 0.1.0
 * @category models
 */
export interface Refusal {
  readonly _tag: "Refusal"
  readonly words: string
}

/**
 * Starts a tool and waits until it is connected, for `timeout` at most; how long it waits for the engine is not counted.
 *
 * @since 0.1.0
 * @category operations
 */
export const connect = Effect.fnUntraced(function* (
  run: Run,
  tool: RelayTool,
  command: Command,
  mark: string,
  timeout: Duration.Duration
): Effect.fn.Return<Link | Refusal, ContainerError | ProgramError, Scope.Scope> {
  const isConnected = yield* Deferred.make<void>()
  const connected = () => Deferred.doneUnsafe(isConnected, Effect.void)
  // An engine sends the two outputs in any order, and nothing more of either while one of them is held back: what the
  // other side says may come before, or instead of, the word that it is there.
  const gate = makeGate(connected)
  const lines = makeLines((text) => {
    if (tool.connected?.test(text) === true) connected()
  })
  const stdout = tool.marks ? EndMark.make(gate.sink, new TextEncoder().encode(mark), gate.sink.end) : gate.sink
  const program = yield* run(command, { stdout, stderr: lines.sink })
  const link: Link = { _tag: "Link", input: program.stdin, onOutput: gate.open, ended: Effect.ignore(program.exit) }
  if (tool.connected === undefined) return link
  const settled = yield* Effect.raceFirst(Deferred.await(isConnected), link.ended).pipe(Effect.timeoutOption(timeout))
  if (Option.isNone(settled)) return { _tag: "Refusal", words: "timed out" }
  return Deferred.isDoneUnsafe(isConnected) ? link : { _tag: "Refusal", words: lines.text() }
})

/**
 * A program that waits for connections. It ends with the Scope in which it was started.
 *
 * @since 0.1.0
 * @category models
 */
export interface Listener {
  readonly _tag: "Listener"
  /** The port, or the path of the socket. */
  readonly place: string
  readonly ended: Effect.Effect<void>
}

/**
 * A connection that a listener has accepted: where in the container to fetch it, and who it is from.
 *
 * @since 0.1.0
 * @category models
 */
export interface Accepted {
  readonly path: string
  readonly host: string
  readonly port: number
}

/**
 * Starts a tool and waits until it listens.
 *
 * @since 0.1.0
 * @category operations
 */
export const listen = Effect.fnUntraced(function* (
  run: Run,
  tool: RelayTool,
  command: Command,
  onAccepted: (accepted: Accepted) => void
): Effect.fn.Return<Listener | Refusal, ContainerError | ProgramError, Scope.Scope> {
  const place = yield* Deferred.make<string>()
  const decoder = new TextDecoder()
  let rest = ""
  let words = ""
  const onLine = (line: string) => {
    const [verb, path = "", host = "", port = "0"] = line.split(" ")
    const [, listening] = tool.listening?.exec(line) ?? []
    if (listening !== undefined) Deferred.doneUnsafe(place, Effect.succeed(listening))
    else if (verb === "accepted") onAccepted({ path, host, port: Number(port) })
    else words = `${words}${line}\n`.slice(-4096)
  }
  const stderr: ByteSink.ByteSink = {
    ...ByteSink.discard,
    write: (chunk) => {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n")
      rest = (lines.pop() ?? "").slice(-4096)
      lines.forEach(onLine)
      return true
    }
  }
  const program = yield* run(command, { stdout: ByteSink.discard, stderr })
  // It sees the end of its input and takes away what it has made.
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => program.stdin.end()).pipe(
      Effect.andThen(Effect.exit(program.exit)),
      Effect.timeoutOption(leaveTime)
    )
  )
  const ended = Effect.ignore(program.exit)
  yield* Effect.raceFirst(Deferred.await(place), ended)
  return Deferred.isDoneUnsafe(place)
    ? { _tag: "Listener", place: yield* Deferred.await(place), ended }
    : { _tag: "Refusal", words }
})

/** How long a listener may take to clean up. */
const leaveTime = "2 seconds"
