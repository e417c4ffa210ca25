/**
 * Connects a hijacked socket with the sinks of a program's output, and offers its other direction as the program's
 * standard input.
 *
 * No Effect per chunk: bytes go from the socket's reads straight into the sinks. The answer of a sink pauses the
 * socket, the engine's pipe fills up, and the program waits.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { DockerError, UnexpectedAnswer } from "../../schema/DockerError.ts"
import { type ByteSink, mapOutput, type ProgramOutput } from "../../services/ByteSink.ts"
import type { ProgramStreams } from "../../services/Docker.ts"
import * as GatheredInput from "./GatheredInput.ts"
import type { HijackedSocket } from "./HijackedSocket.ts"
import * as MultiplexedStream from "./MultiplexedStream.ts"
import * as StreamPace from "./StreamPace.ts"

interface Outlet {
  readonly write: (payload: Uint8Array) => void
  readonly isFull: () => boolean
}

/** `isShared` says whether what is written now is the reader's own buffer. */
const makeOutlet = (sink: ByteSink, onDrain: () => void, isShared: () => boolean): Outlet => {
  let full = false
  sink.onDrain(() => {
    if (!full) return
    full = false
    onDrain()
  })
  return {
    write: (payload) => {
      if (!sink.write(isShared() && sink.copies !== true ? Buffer.from(payload) : payload)) full = true
    },
    isFull: () => full
  }
}

/** An engine that closes the connection with input unread: to its peer that is a reset instead of an end. */
const isReset = (error: Error | undefined) => error !== undefined && "code" in error && error.code === "ECONNRESET"

/**
 * Lets the bytes flow. The socket is destroyed as soon as the output has ended, or is found to be broken.
 *
 * @internal
 */
export const connect = (options: {
  readonly hijacked: HijackedSocket
  readonly operation: string
  readonly tty: boolean
  readonly output: ProgramOutput
  readonly broken: (operation: string, cause: unknown) => DockerError
}): ProgramStreams => {
  const { reads, socket } = options.hijacked
  const ended = Deferred.makeUnsafe<void, DockerError>()

  let isResting = false
  const resume = () => {
    if (!isResting && !stdout.isFull() && !stderr.isFull()) socket.resume()
  }
  let shared = false
  const isShared = () => shared
  const { stderr, stdout } = mapOutput(options.output, (sink) => makeOutlet(sink, resume, isShared))
  const demultiplexer = options.tty ? undefined : MultiplexedStream.make({ stdout: stdout.write, stderr: stderr.write })

  const fail = (error: DockerError) => {
    Deferred.doneUnsafe(ended, Effect.fail(error))
    socket.destroy()
  }
  const broke = (cause: unknown) => fail(options.broken(options.operation, cause))

  const receive = (chunk: Uint8Array) => {
    if (demultiplexer === undefined) {
      stdout.write(chunk)
      return
    }
    const violation = demultiplexer.write(chunk)
    if (violation === undefined) return
    socket.off("data", receive)
    reads?.receive(() => {})
    fail(new DockerError({ operation: options.operation, reason: new UnexpectedAnswer({ message: violation }) }))
  }
  const finish = () => {
    if (demultiplexer?.isComplete() === false) {
      broke(new Error("the stream ended in the middle of a frame"))
      return
    }
    options.output.stdout.end()
    options.output.stderr.end()
    Deferred.doneUnsafe(ended, Effect.void)
    socket.destroy()
  }

  const pauseIfFull = () => {
    if (stdout.isFull() || stderr.isFull()) socket.pause()
  }
  socket.on("data", receive)
  socket.on("data", pauseIfFull)
  const pace = StreamPace.make()
  const rest = (milliseconds: number) => {
    isResting = true
    socket.pause()
    setTimeout(() => {
      isResting = false
      resume()
    }, milliseconds)
  }
  reads?.receive((chunk) => {
    shared = true
    receive(chunk)
    shared = false
    pauseIfFull()
    const milliseconds = pace(chunk.length, performance.now())
    if (milliseconds > 0) rest(milliseconds)
  })
  socket.on("end", finish)
  socket.on("close", () => {
    if (Deferred.isDoneUnsafe(ended)) return
    const error = options.hijacked.error()
    if (!isReset(error)) {
      broke(error ?? new Error("the stream was closed before its end"))
      return
    }
    // What had been read before the reset is still in the socket's buffer.
    const read = (): unknown => socket.read()
    for (let rest = read(); rest instanceof Uint8Array; rest = read()) receive(rest)
    if (!Deferred.isDoneUnsafe(ended)) finish()
  })
  if (socket.destroyed) broke(options.hijacked.error() ?? new Error("the stream was closed before its end"))

  // With a terminal the end of the input is not passed on: the engine would drop later output.
  return { stdin: GatheredInput.make(socket, { end: !options.tty }), ended: Deferred.await(ended) }
}
