/**
 * The input of a channel: pushed to its program for as long as that takes it, and kept until it takes more.
 *
 * A client sends up to its window (2 MiB) ahead, and a program that reads slower than the client sends has most of its
 * input wait. ssh2's stream would keep each packet by itself; here they are put together in buffers that are used again.
 */
import type { ServerChannel } from "ssh2"
import type { ByteSink } from "../../services/ByteSink.ts"
import * as BulkBuffers from "./BulkBuffers.ts"
import * as ClientReads from "./ClientReads.ts"

/** Through ssh2's own stream: what it keeps are the client's packets. */
const connectPlain = (channel: ServerChannel, stdin: ByteSink, touch: () => void): void => {
  stdin.onDrain(() => channel.resume())
  channel.on("end", () => stdin.end())
  channel.on("data", (chunk: Uint8Array) => {
    touch()
    if (!stdin.write(chunk)) channel.pause()
  })
}

/** A part of what waits for the program; one in a buffer that is used again may still grow. */
interface Waiting {
  readonly buffer: Buffer
  start: number
  end: number
  readonly isBulk: boolean
}

const connectLent = (
  channel: ServerChannel,
  stdin: ByteSink,
  touch: () => void,
  { isLent }: ClientReads.LentInput
): void => {
  const waiting: Array<Waiting> = []
  let waitingLength = 0
  let isFull = false
  let hasEnded = false

  const keep = (chunk: Buffer) => {
    waitingLength += chunk.length
    for (let at = 0; at < chunk.length;) {
      let last = waiting.at(-1)
      if (last?.isBulk !== true || last.end === BulkBuffers.length) {
        // What is short must not keep a whole buffer from others.
        const isBulk = chunk.length >= BulkBuffers.worthIt
        last = { buffer: isBulk ? BulkBuffers.take() : Buffer.allocUnsafe(chunk.length - at), start: 0, end: 0, isBulk }
        waiting.push(last)
      }
      const taken = chunk.copy(last.buffer, last.end, at)
      last.end += taken
      at += taken
    }
  }
  const receive = (chunk: Buffer) => {
    touch()
    if (isFull) keep(chunk)
    else isFull = !stdin.write(chunk)
  }
  const drain = () => {
    isFull = false
    for (let next = waiting[0]; next !== undefined && !isFull; next = waiting[0]) {
      waiting.shift()
      waitingLength -= next.end - next.start
      isFull = !stdin.write(next.buffer.subarray(next.start, next.end))
      if (next.isBulk) BulkBuffers.giveBack(next.buffer)
    }
    if (hasEnded && waiting.length === 0) stdin.end()
    // As Node does when its own queue has room: ssh2 makes the window larger if that has waited.
    if (waitingLength < channel.readableHighWaterMark) channel._read(0)
  }

  stdin.onDrain(drain)
  channel.on("end", () => {
    hasEnded = true
    if (waiting.length === 0) stdin.end()
  })
  channel.on("close", () => {
    for (const { buffer, isBulk } of waiting.splice(0)) if (isBulk) BulkBuffers.giveBack(buffer)
  })
  // What came before the program was there, and whatever Node keeps.
  channel.on("data", receive)
  const push = channel.push.bind(channel)
  channel.push = (chunk: unknown) => {
    if (!Buffer.isBuffer(chunk)) return push(chunk)
    if (channel.readableFlowing !== true || channel.readableLength > 0 || !channel.readable) {
      return push(isLent() ? Buffer.from(chunk) : chunk)
    }
    receive(chunk)
    return waitingLength < channel.readableHighWaterMark
  }
}

/** Bytes from the client go to the program for as long as it takes them; the end of them is a half-close. */
export const connect = (channel: ServerChannel, stdin: ByteSink, touch: () => void): void => {
  const lent = stdin.copies === true ? ClientReads.lend(channel) : undefined
  if (lent === undefined) connectPlain(channel, stdin, touch)
  else connectLent(channel, stdin, touch, lent)
}
