/**
 * The two outputs of an SSH channel as byte sinks.
 */
import type { Writable } from "node:stream"
import * as Effect from "effect/Effect"
import type { ServerChannel } from "ssh2"
import type { ByteSink, ProgramOutput } from "../../services/ByteSink.ts"
import * as DirectChannel from "./DirectChannel.ts"

/**
 * ssh2 never answers a write to a channel that was closed, so that one must not be waited for; what is written to it
 * afterwards is dropped.
 */
const fromWritable = (writable: Writable, isClosed: () => boolean, touch: () => void): ByteSink => {
  let drain = () => {}
  writable.on("drain", () => drain())
  return {
    write: (chunk) => {
      touch()
      return isClosed() || writable.write(chunk)
    },
    // The channel ends when the exit status was sent, not when one output does.
    end: () => {},
    onDrain: (callback) => {
      drain = callback
    }
  }
}

/** Through ssh2's own streams. */
export const makePlain = (channel: ServerChannel, isClosed: () => boolean, touch: () => void): ProgramOutput => ({
  stdout: fromWritable(channel, isClosed, touch),
  stderr: fromWritable(channel.stderr, isClosed, touch)
})

const fromDirect = (direct: DirectChannel.DirectChannel, touch: () => void): ProgramOutput => {
  const drains = { stdout: () => {}, stderr: () => {} }
  direct.onRoom(() => {
    drains.stdout()
    drains.stderr()
  })
  const sink = (output: "stdout" | "stderr"): ByteSink => ({
    write: (chunk) => {
      touch()
      return direct.write(output, chunk)
    },
    copies: true,
    end: () => {},
    onDrain: (callback) => {
      drains[output] = callback
    }
  })
  return { stdout: sink("stdout"), stderr: sink("stderr") }
}

/**
 * Where a program on this channel writes to. `isClosed` says whether the client closed the channel; `touch` is told of
 * each chunk, for the idle timeout.
 */
export const make = (channel: ServerChannel, isClosed: () => boolean, touch: () => void = () => {}): ProgramOutput => {
  const direct = DirectChannel.take(channel, isClosed)
  return direct === undefined ? makePlain(channel, isClosed, touch) : fromDirect(direct, touch)
}

/** Waits until everything written so far was handed to the client's window. */
export const flush = (channel: ServerChannel): Effect.Effect<void> =>
  Effect.forEach(
    [channel, channel.stderr],
    (writable) =>
      Effect.callback<void>((resume) => {
        if (!writable.writable) resume(Effect.void)
        // A failed write means that the channel is gone: there is nothing left to wait for.
        else writable.write("", () => resume(Effect.void))
      }),
    { concurrency: "unbounded", discard: true }
  )
