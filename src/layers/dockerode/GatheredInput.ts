/**
 * A program's input, written to the engine in few large pieces.
 *
 * Each write wakes the engine. What comes in one turn of the event loop is copied into one buffer and goes out in one
 * write, and of an input that goes on what gathers in a moment; the buffers are used again. A key press goes at once.
 *
 * @since 0.1.0
 */
import type { Socket } from "node:net"
import type { ByteSink } from "../../services/ByteSink.ts"
import * as StreamPace from "./StreamPace.ts"

/** So much input is worth a write. Bytes. */
const enough = 128 * 1024

/** From this size on input is no key press, and may wait for what comes with it. */
const bulk = 4096

/** What is shorter must not keep a whole buffer from others while the engine does not read. */
const worthBuffer = 32 * 1024

const mostIdle = 8
const idle: Array<Buffer> = []
const giveBack = (buffer: Buffer) => {
  if (idle.length < mostIdle) idle.push(buffer)
}

/**
 * The socket as a sink. `end` says whether the end of the input is passed on to the engine.
 *
 * @internal
 */
export const make = (socket: Socket, options: { readonly end: boolean }): ByteSink => {
  let drain = () => {}
  let isWaiting = false
  const resume = () => {
    if (!isWaiting) return
    isWaiting = false
    drain()
  }
  const pace = StreamPace.make()
  let buffer: Buffer | undefined
  let filled = 0
  let timer: NodeJS.Timeout | undefined
  let immediate: NodeJS.Immediate | undefined

  const flush = () => {
    clearTimeout(timer)
    clearImmediate(immediate)
    timer = undefined
    immediate = undefined
    if (buffer === undefined) return
    const full = buffer
    const bytes = full.subarray(0, filled)
    buffer = undefined
    filled = 0
    if (!socket.writable || bytes.length < worthBuffer) {
      if (socket.writable) socket.write(Buffer.from(bytes))
      giveBack(full)
      return
    }
    let isWritten = false
    const written = () => {
      if (isWritten) return
      isWritten = true
      giveBack(full)
    }
    socket.write(bytes, written)
    // The system has taken all of it. Node says so later.
    if (socket.writableLength === 0) written()
  }
  const gather = (chunk: Uint8Array) => {
    const milliseconds = pace(chunk.length, performance.now())
    for (let at = 0; at < chunk.length;) {
      buffer ??= idle.pop() ?? Buffer.allocUnsafeSlow(enough)
      const part = chunk.subarray(at, at + enough - filled)
      buffer.set(part, filled)
      filled += part.length
      at += part.length
      if (filled === enough) flush()
    }
    if (buffer === undefined || timer !== undefined || immediate !== undefined) return
    if (milliseconds > 0) timer = setTimeout(flush, milliseconds)
    else immediate = setImmediate(flush)
  }

  socket.on("drain", resume)
  socket.on("close", () => {
    flush()
    // Whoever waits would wait for ever: what comes now is dropped.
    resume()
  })
  return {
    write: (chunk) => {
      if (!socket.writable) return true
      if (chunk.length >= bulk || buffer !== undefined) gather(chunk)
      else socket.write(Buffer.from(chunk))
      if (!socket.writableNeedDrain) return true
      isWaiting = true
      return false
    },
    copies: true,
    end: () => {
      flush()
      if (options.end && socket.writable) socket.end()
    },
    onDrain: (callback) => {
      drain = callback
    }
  }
}
