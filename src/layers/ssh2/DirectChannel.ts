/**
 * The short way for the output of a channel: past ssh2's streams, straight into its packets.
 *
 * The bytes go into their packet in the step in which they come, so that they may lie in a buffer that their reader fills
 * again; what the client's window has no room for is copied, and waits here. ssh2's own writing, `channel.write` and
 * `channel.stderr.write`, is led into the same queue: ssh2 1.17 keeps what waits for the window in fields that the two
 * outputs share, so that an output that had waited once is sent a second time when the other one waits.
 *
 * All of it is about the inside of ssh2, in the one version that was read for it; with another one, or when something
 * is not where it should be, there is no short way.
 */
import { createRequire } from "node:module"
import { Socket } from "node:net"
import { nextTick } from "node:process"
import * as Predicate from "effect/Predicate"
import * as BulkBuffers from "./BulkBuffers.ts"
import * as SealedPackets from "./SealedPackets.ts"
import * as SocketRoom from "./SocketRoom.ts"

/** What ssh2's channel has inside. */
interface Inside {
  readonly _client: { readonly _protocol: Packets; readonly _sock: Socket }
  readonly outgoing: { readonly id: number; window: number; readonly packetSize: number; readonly state: unknown }
  readonly stderr: { _write: Write }
  _write: Write
  /** With no `_chunk`, ssh2 calls `_chunkcb` once when the client has made its window larger. */
  _waitWindow: boolean
  _chunk: undefined
  _chunkcb: (() => void) | undefined
}

type Write = (chunk: Buffer, encoding: string, callback: () => void) => void

interface Packets {
  readonly channelData: (id: number, data: Buffer) => void
  readonly channelExtData: (id: number, data: Buffer, type: number) => void
}

/** RFC 4254, section 5.2. */
const extendedDataStderr = 1

const testedVersion = /^1\.17\./u

const isTested = ((): boolean => {
  const manifest: unknown = createRequire(import.meta.url)("ssh2/package.json")
  return (
    Predicate.hasProperty(manifest, "version") &&
    Predicate.isString(manifest.version) &&
    testedVersion.test(manifest.version)
  )
})()

const hasFunction = (value: unknown, name: string, length: number): boolean =>
  Predicate.hasProperty(value, name) && Predicate.isFunction(value[name]) && value[name].length === length

const hasInside = (channel: unknown): channel is Inside => {
  if (!Predicate.hasProperty(channel, "_client") || !Predicate.hasProperty(channel, "outgoing")) return false
  if (!Predicate.hasProperty(channel, "_waitWindow") || !Predicate.hasProperty(channel, "_chunkcb")) return false
  const { _client: client, outgoing } = channel
  return (
    Predicate.isBoolean(channel._waitWindow) &&
    Predicate.hasProperty(channel, "_chunk") &&
    channel._chunk === undefined &&
    channel._chunkcb === undefined &&
    hasFunction(channel, "_write", 3) &&
    Predicate.hasProperty(channel, "stderr") &&
    hasFunction(channel.stderr, "_write", 3) &&
    Predicate.hasProperty(client, "_protocol") &&
    hasFunction(client._protocol, "channelData", 2) &&
    hasFunction(client._protocol, "channelExtData", 3) &&
    Predicate.hasProperty(client, "_sock") &&
    client._sock instanceof Socket &&
    Predicate.hasProperty(outgoing, "id") &&
    Predicate.isNumber(outgoing.id) &&
    Predicate.hasProperty(outgoing, "window") &&
    Predicate.isNumber(outgoing.window) &&
    Predicate.hasProperty(outgoing, "packetSize") &&
    Predicate.isNumber(outgoing.packetSize) &&
    outgoing.packetSize > 0 &&
    Predicate.hasProperty(outgoing, "state")
  )
}

type Output = SealedPackets.Output

/** What waits for the client's window. */
interface Waiting {
  readonly output: Output
  readonly bytes: Buffer
  readonly release: () => void
  readonly sent: (() => void) | undefined
}

export interface DirectChannel {
  /** Takes the bytes, of which it keeps only copies. `false` means: no more until `onRoom`. */
  readonly write: (output: Output, chunk: Uint8Array) => boolean
  /** Sets the callback that runs each time there is room again after `false`. */
  readonly onRoom: (callback: () => void) => void
}

/**
 * Takes a channel over that nothing was written to yet. `isClosed` says whether the client closed it.
 */
export const take = (channel: unknown, isClosed: () => boolean): DirectChannel | undefined => {
  if (!isTested || !hasInside(channel)) return undefined
  const { outgoing } = channel
  const { _protocol: packets, _sock: socket } = channel._client
  const socketRoom = SocketRoom.of(socket)
  const sealed = SealedPackets.of(channel._client, socket)
  const waiting: Array<Waiting> = []
  let isAsked = false
  let room = () => {}

  const isGone = () => isClosed() || outgoing.state !== "open"

  // ssh2 writes each packet, or even its parts, by itself.
  let isCorked = false
  const uncork = () => {
    isCorked = false
    socket.uncork()
  }
  const cork = () => {
    if (isCorked) return
    isCorked = true
    socket.cork()
    nextTick(uncork)
  }

  /** Sends as much as the window has room for, and answers how much that was. */
  const send = (output: Output, bytes: Buffer): number => {
    const end = Math.min(bytes.length, outgoing.window)
    const now = end === bytes.length ? bytes : bytes.subarray(0, end)
    if (sealed?.send(outgoing.id, output, now, outgoing.packetSize) === true) {
      outgoing.window -= end
      return end
    }
    cork()
    for (let at = 0; at < end; at += outgoing.packetSize) {
      const part = bytes.subarray(at, Math.min(end, at + outgoing.packetSize))
      outgoing.window -= part.length
      if (output === "stdout") packets.channelData(outgoing.id, part)
      else packets.channelExtData(outgoing.id, part, extendedDataStderr)
    }
    return end
  }

  const awaitWindow = () => {
    channel._waitWindow = true
    channel._chunkcb = onWindow
  }

  const enqueue = (output: Output, bytes: Buffer, sent?: () => void) => {
    if (isGone()) {
      sent?.()
      return
    }
    const done = waiting.length === 0 ? send(output, bytes) : 0
    if (done === bytes.length && waiting.length === 0) {
      sent?.()
      return
    }
    waiting.push({ output, ...BulkBuffers.copy(bytes.subarray(done)), sent })
    awaitWindow()
  }

  const tell = () => {
    if (!isAsked) return
    isAsked = false
    room()
  }
  const tellWhenSocketHasRoom = () => {
    if (isAsked && waiting.length === 0) socketRoom.await(tell)
  }

  const onWindow = () => {
    channel._chunkcb = undefined
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const done = isGone() ? next.bytes.length : send(next.output, next.bytes)
      if (done < next.bytes.length) {
        waiting.unshift({ ...next, bytes: next.bytes.subarray(done) })
        awaitWindow()
        break
      }
      next.release()
      next.sent?.()
    }
    tellWhenSocketHasRoom()
  }

  channel._write = (chunk, _encoding, callback) => enqueue("stdout", chunk, callback)
  channel.stderr._write = (chunk, _encoding, callback) => enqueue("stderr", chunk, callback)

  return {
    write: (output, chunk) => {
      if (isGone()) return true
      enqueue(output, Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength))
      if (waiting.length === 0 && socketRoom.hasRoom()) return true
      const wasAsked = isAsked
      isAsked = true
      if (!wasAsked) tellWhenSocketHasRoom()
      return false
    },
    onRoom: (callback) => {
      room = callback
    }
  }
}
