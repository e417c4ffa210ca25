/**
 * The data of channels in packets that are sealed side by side in one buffer, and leave it in one write.
 *
 * ssh2 makes a buffer for each packet and writes each by itself. Buffers of that size lie outside of JavaScript's heap,
 * where they make the collector go over the whole heap every hundred MiB or so, which costs more than the encryption; and
 * the writes cost more than what they write. Here data is copied once, to where its packet is sealed; what comes on the
 * same channel in the same turn goes into the same packet; and the buffers are used again.
 *
 * Only for the ciphers that seal a packet in place, in native code, and without compression; and never during a key
 * exchange, in which ssh2 keeps packets back. Packets of ssh2's own keep their place among these: what lies in the buffer
 * is written before each of them.
 */
import { randomFillSync } from "node:crypto"
import type { Socket } from "node:net"
import { nextTick } from "node:process"
import * as Predicate from "effect/Predicate"
import * as BulkBuffers from "./BulkBuffers.ts"
import { protocolOf } from "./Ssh2Protocol.ts"

/** A cipher of ssh2's addon: RFC 5647 (AES-GCM), or OpenSSH's chacha20-poly1305. */
interface Cipher {
  readonly _instance: { readonly encrypt: (packet: Buffer, sequenceNumber: number) => void }
  readonly _dead: boolean
  outSeqno: number
  encrypt: (packet: Buffer) => void
}

interface Protocol {
  readonly _cipher: unknown
  /** Of the key exchange that is under way, and the packets that wait for its end. */
  readonly _kexinit: unknown
  readonly _queue: unknown
  readonly _packetRW: { readonly write: { readonly allocStart: unknown } }
}

const isProtocol = (value: unknown): value is Protocol =>
  Predicate.hasProperty(value, "_cipher") &&
  Predicate.hasProperty(value, "_kexinit") &&
  Predicate.hasProperty(value, "_queue") &&
  Predicate.hasProperty(value, "_packetRW") &&
  Predicate.hasProperty(value._packetRW, "write") &&
  Predicate.hasProperty(value._packetRW.write, "allocStart")

/** Where ssh2 puts the payload into a packet; elsewhere when it is to be compressed. */
const uncompressed = 5

/** What the length of a packet is a multiple of, without its own field and the tag. */
const blockLengths: ReadonlyMap<string, number> = new Map([
  ["AESGCMCipherBinding", 16],
  ["ChaChaPolyCipherBinding", 8]
])
const largestBlock = 16

const isCipher = (value: unknown): value is Cipher =>
  Predicate.isObject(value) &&
  blockLengths.has(value.constructor.name) &&
  Predicate.hasProperty(value, "_instance") &&
  Predicate.hasProperty(value._instance, "encrypt") &&
  Predicate.isFunction(value._instance.encrypt) &&
  Predicate.hasProperty(value, "_dead") &&
  Predicate.hasProperty(value, "outSeqno") &&
  Predicate.isNumber(value.outSeqno) &&
  Predicate.hasProperty(value, "encrypt") &&
  Predicate.isFunction(value.encrypt)

const lengthField = 4
const tagLength = 16
const leastPadding = 4

/** Length, length of the padding, type, recipient, length of the data; and the type of extended data (RFC 4254, 5.2). */
const headerLengths = { stdout: 4 + 1 + 1 + 4 + 4, stderr: 4 + 1 + 1 + 4 + 4 + 4 }
const messages = { stdout: 94, stderr: 95 }
const extendedDataStderr = 1

/** What a packet has besides its data, at the most. */
const mostOverhead = headerLengths.stderr + leastPadding + largestBlock + tagLength

/** No larger than every implementation takes (RFC 4253, section 6.1). */
const mostData = 32 * 1024

/** What packets are padded with, drawn in advance. */
const padding = Buffer.alloc(4096)
let padded = padding.length
const pad = (buffer: Buffer, at: number, length: number) => {
  if (padded + length > padding.length) {
    randomFillSync(padding)
    padded = 0
  }
  padding.copy(buffer, at, padded, (padded += length))
}

export type Output = "stdout" | "stderr"

export interface SealedPackets {
  /**
   * Sends data on the client's channel `recipient`, when what runs now has run, and what was written before is on its way.
   * `false`: not now, send it ssh2's way.
   */
  readonly send: (recipient: number, output: Output, data: Buffer, packetSize: number) => boolean
}

const make = (protocol: Protocol, socket: Socket): SealedPackets => {
  let buffer: Buffer | undefined
  /** So much of the buffer are sealed packets. */
  let sealed = 0
  /** The packet behind them, which may still grow. */
  let open: { readonly recipient: number; readonly output: Output; readonly cipher: Cipher; length: number } | undefined
  let isScheduled = false
  let underWay = 0
  let known: Cipher | undefined

  const seal = (into: Buffer) => {
    if (open === undefined) return
    const { cipher, length, output, recipient } = open
    open = undefined
    const block = blockLengths.get(cipher.constructor.name) ?? largestBlock
    const end = sealed + headerLengths[output] + length
    let paddingLength = block - ((end - sealed - lengthField) % block)
    if (paddingLength < leastPadding) paddingLength += block
    let at = into.writeUInt32BE(end - sealed - lengthField + paddingLength, sealed)
    at = into.writeUInt8(paddingLength, at)
    at = into.writeUInt8(messages[output], at)
    at = into.writeUInt32BE(recipient, at)
    if (output === "stderr") at = into.writeUInt32BE(extendedDataStderr, at)
    into.writeUInt32BE(length, at)
    pad(into, end, paddingLength)
    const packet = into.subarray(sealed, end + paddingLength + tagLength)
    if (cipher._dead) return
    cipher._instance.encrypt(packet, cipher.outSeqno)
    cipher.outSeqno = (cipher.outSeqno + 1) >>> 0
    sealed += packet.length
  }

  const flush = () => {
    if (buffer === undefined) return
    const full = buffer
    seal(full)
    const packets = full.subarray(0, sealed)
    sealed = 0
    if (!socket.writable || packets.length < BulkBuffers.worthIt) {
      if (socket.writable && packets.length > 0) socket.write(Buffer.from(packets))
      buffer = undefined
      BulkBuffers.giveBack(full)
      return
    }
    buffer = undefined
    underWay += 1
    let isWritten = false
    const written = () => {
      if (isWritten) return
      isWritten = true
      underWay -= 1
      BulkBuffers.giveBack(full)
      // What came meanwhile has waited for this.
      if (underWay === 0) flush()
    }
    socket.write(packets, written)
    // The system has taken all of it. Node says so later, and until then buffer after buffer would be filled.
    if (socket.writableLength === 0) written()
  }
  const settle = () => {
    isScheduled = false
    if (underWay === 0) flush()
  }

  /** The cipher of now, if packets may be sealed here with it. */
  const current = (): Cipher | undefined => {
    if (protocol._kexinit !== undefined || protocol._queue !== undefined) return undefined
    if (protocol._packetRW.write.allocStart !== uncompressed) return undefined
    if (protocol._cipher === known) return known
    if (!isCipher(protocol._cipher)) return undefined
    const cipher = protocol._cipher
    const encrypt = cipher.encrypt.bind(cipher)
    cipher.encrypt = (packet) => {
      flush()
      encrypt(packet)
    }
    return (known = cipher)
  }

  return {
    send: (recipient, output, data, packetSize) => {
      const cipher = current()
      if (cipher === undefined) return false
      const most = Math.min(packetSize, mostData)
      for (let at = 0; at < data.length;) {
        if (buffer !== undefined && open !== undefined) {
          if (open.recipient !== recipient || open.output !== output || open.length >= most) seal(buffer)
        }
        if (open === undefined) {
          if (buffer !== undefined && BulkBuffers.length - sealed < most + mostOverhead) flush()
          buffer ??= BulkBuffers.take()
          open = { recipient, output, cipher, length: 0 }
        }
        const taken = Math.min(data.length - at, most - open.length)
        if (buffer !== undefined) data.copy(buffer, sealed + headerLengths[output] + open.length, at, at + taken)
        open.length += taken
        at += taken
      }
      if (!isScheduled) {
        isScheduled = true
        nextTick(settle)
      }
      return true
    }
  }
}

const made = new WeakMap<Socket, SealedPackets>()

/** Those of a connection: all of its channels share them. None where ssh2 is not as it is expected. */
export const of = (client: unknown, socket: Socket): SealedPackets | undefined => {
  const known = made.get(socket)
  if (known !== undefined) return known
  const protocol: unknown = protocolOf(client)
  if (!isProtocol(protocol)) return undefined
  const packets = make(protocol, socket)
  made.set(socket, packets)
  return packets
}
