/**
 * Reads of the clients' sockets into one large buffer that all of them share, and input that goes from there to its program
 * without a copy in between.
 *
 * Node fills a new buffer of 64 KiB for each read, and ssh2 one of 32 KiB for each packet that two reads have parts of. They
 * lie outside of JavaScript's heap, and so many of them have V8's collector go over the whole heap, again and again: that was
 * more than half of what an upload cost.
 *
 * A read and what is done with it are one synchronous step, after which the buffer is the next socket's. Whatever may be
 * kept is copied: all of a read, unless it is large and the connection has a channel whose input is lent; of such a read
 * each packet that is not for such a channel; and of a packet that is, what its reader does not take at once.
 *
 * Node offers such reads (`onread`) for sockets that connect, and not for those that a server accepts; they have all of it
 * inside. With a Node in which it is not found, and an ssh2 that is not as it is expected, reads are as Node does them.
 */
import { Socket } from "node:net"
import * as Predicate from "effect/Predicate"
import type { ServerChannel } from "ssh2"
import { worthIt } from "./BulkBuffers.ts"
import { protocolOf } from "./Ssh2Protocol.ts"

/** Several of the largest packets, so that few are cut in two. */
const bufferSize = 256 * 1024

let shared: Buffer | undefined

interface Handle {
  readonly useUserBuffer: (buffer: Uint8Array) => void
}

const isHandle = (value: unknown): value is Handle =>
  Predicate.hasProperty(value, "useUserBuffer") && Predicate.isFunction(value.useUserBuffer)

const loans = new WeakMap<Socket, Loan>()

/** To be called in the step in which the socket was accepted, before anything was read from it. */
export const share = (socket: Socket): void => {
  const handle = Predicate.hasProperty(socket, "_handle") ? socket._handle : undefined
  const named = (name: string) => Object.getOwnPropertySymbols(socket).find(({ description }) => description === name)
  const [kBuffer, kBufferCb] = [named("kBuffer"), named("kBufferCb")]
  // On Windows a read fills its buffer while others are under way.
  if (!isHandle(handle) || kBuffer === undefined || kBufferCb === undefined || process.platform === "win32") return
  const buffer = (shared ??= Buffer.allocUnsafeSlow(bufferSize))
  const receive = (length: number): boolean => {
    const bytes = buffer.subarray(0, length)
    const loan = length < worthIt ? undefined : loans.get(socket)
    if (loan === undefined || socket.readableFlowing !== true || socket.readableLength > 0) {
      return socket.push(Buffer.from(bytes))
    }
    loan.during(() => socket.emit("data", bytes))
    return true
  }
  Object.assign(socket, { [kBuffer]: buffer, [kBufferCb]: receive })
  handle.useUserBuffer(buffer)
}

/** What ssh2 takes packets apart with; a key exchange makes a new one, and puts another function there while it lasts. */
interface Decipher {
  _onPayload: (payload: Buffer) => unknown
}

const isDecipher = (value: unknown): value is Decipher =>
  Predicate.hasProperty(value, "_onPayload") && Predicate.isFunction(value._onPayload)

interface Channels {
  readonly get: (id: number) => unknown
}

const isChannels = (value: unknown): value is Channels =>
  Predicate.hasProperty(value, "get") && Predicate.isFunction(value.get)

/** RFC 4254, section 5.2: type, recipient, data. */
const channelData = 94
const recipientAt = 1
const leastLength = 1 + 4 + 4

interface Loan {
  /** The channels whose input is lent. */
  readonly channels: WeakSet<object>
  /** Lends the shared buffer for as long as `parse` runs. */
  readonly during: (parse: () => void) => void
  readonly isLent: () => boolean
}

const makeLoan = (protocol: { readonly _decipher: unknown }, open: Channels): Loan => {
  const channels = new WeakSet()
  let isLent = false
  let watched: Decipher["_onPayload"] | undefined

  const isTaken = (payload: Buffer): boolean => {
    if (payload.length < leastLength || payload[0] !== channelData) return false
    const found = open.get(payload.readUInt32BE(recipientAt))
    // A session has its channel once a program was asked for.
    const channel = Predicate.hasProperty(found, "_channel") ? found._channel : found
    return Predicate.isObject(channel) && channels.has(channel)
  }
  /** Copies what may be kept, whoever takes packets apart by now. */
  const watch = (): void => {
    const decipher = protocol._decipher
    if (!isDecipher(decipher) || decipher._onPayload === watched) return
    const receive = decipher._onPayload
    decipher._onPayload = watched = (payload) => {
      if (!isLent) return receive(payload)
      const result = receive(isTaken(payload) ? payload : Buffer.from(payload))
      watch()
      return result
    }
  }
  /** A packet whose tag has not come yet. */
  const keepRest = (): void => {
    const decipher = protocol._decipher
    if (!Predicate.isObject(decipher)) return
    for (const [name, value] of Object.entries(decipher)) {
      if (value instanceof Uint8Array && value.buffer === shared?.buffer)
        Reflect.set(decipher, name, Buffer.from(value))
    }
  }

  return {
    channels,
    during: (parse) => {
      watch()
      isLent = true
      try {
        parse()
      } finally {
        isLent = false
        keepRest()
      }
    },
    isLent: () => isLent
  }
}

const loanOf = (client: unknown, socket: Socket): Loan | undefined => {
  const known = loans.get(socket)
  if (known !== undefined) return known
  const protocol = protocolOf(client)
  const channels = Predicate.hasProperty(client, "_chanMgr") ? client._chanMgr : undefined
  if (!Predicate.hasProperty(protocol, "_decipher") || !isDecipher(protocol._decipher)) return undefined
  if (!isChannels(channels)) return undefined
  const loan = makeLoan(protocol, channels)
  loans.set(socket, loan)
  return loan
}

/** What is lent to a channel while its input is taken. */
export interface LentInput {
  /** Whether what is pushed to the channel now is the shared buffer. */
  readonly isLent: () => boolean
}

/**
 * Lends the input of a channel, whose `push` from now on is given what it must be done with, or have copied, on return;
 * none where Node or ssh2 are not as they are expected.
 */
export const lend = (channel: ServerChannel): LentInput | undefined => {
  const client: unknown = Predicate.hasProperty(channel, "_client") ? channel._client : undefined
  if (!Predicate.hasProperty(client, "_sock") || !(client._sock instanceof Socket)) return undefined
  const loan = loanOf(client, client._sock)
  loan?.channels.add(channel)
  return loan
}
