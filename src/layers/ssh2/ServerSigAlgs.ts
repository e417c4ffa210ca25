/**
 * Which algorithms a client may sign with (`server-sig-algs`, RFC 8308, section 3.1).
 *
 * ssh2 1.17 sends a list in which a comma is missing, so that rsa-sha2-512 is not in it, and in which SHA-1 and DSA are,
 * which are refused here. The list cannot be configured. Here the message is replaced on its way out, in the one place
 * through which every packet goes; an ssh2 in which that place is not found sends its own list.
 */
import * as Predicate from "effect/Predicate"
import type { Connection } from "ssh2"
import { signatures } from "./Algorithms.ts"

const name = "server-sig-algs"
const messageExtInfo = 7

interface PacketWriter {
  /** Where the payload begins in a packet. */
  readonly allocStart: number
  readonly alloc: (payloadLength: number) => Buffer
  finalize: (packet: Buffer, force?: boolean) => Buffer
}

const isPacketWriter = (value: unknown): value is PacketWriter =>
  Predicate.hasProperty(value, "allocStart") &&
  Predicate.isNumber(value.allocStart) &&
  Predicate.hasProperty(value, "alloc") &&
  Predicate.isFunction(value.alloc) &&
  Predicate.hasProperty(value, "finalize") &&
  Predicate.isFunction(value.finalize)

/** What holds the writer of a connection; the key exchange puts a new one there. */
const holderOf = (client: unknown): { write: PacketWriter } | undefined => {
  const protocol = Predicate.hasProperty(client, "_protocol") ? client._protocol : undefined
  const packets = Predicate.hasProperty(protocol, "_packetRW") ? protocol._packetRW : undefined
  return holdsWriter(packets) ? packets : undefined
}

const holdsWriter = (value: unknown): value is { write: PacketWriter } =>
  Predicate.hasProperty(value, "write") && isPacketWriter(value.write)

const text = (value: string): ReadonlyArray<Buffer> => {
  const bytes = Buffer.from(value)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return [length, bytes]
}

/** One extension (RFC 8308, section 2.3). */
const payload = Buffer.concat([Buffer.from([messageExtInfo, 0, 0, 0, 1]), ...text(name), ...text(signatures.join(","))])

/** Replaces the message, if this writer is the one that sends it. It is sent once, after the first key exchange. */
const correctIn = (writer: PacketWriter): PacketWriter => {
  const finalize = writer.finalize.bind(writer)
  writer.finalize = (packet, force) => {
    if (packet[writer.allocStart] !== messageExtInfo || !packet.includes(name)) return finalize(packet, force)
    writer.finalize = finalize
    const corrected = writer.alloc(payload.length)
    corrected.set(payload, writer.allocStart)
    return finalize(corrected, force)
  }
  return writer
}

/** Puts the right list in place of ssh2's. To be called before the key exchange; says whether it could be done. */
export const correct = (client: Connection): boolean => {
  const holder = holderOf(client)
  if (holder === undefined) return false
  let writer = holder.write
  Object.defineProperty(holder, "write", {
    get: () => writer,
    set: (next: PacketWriter) => {
      writer = isPacketWriter(next) ? correctIn(next) : next
    }
  })
  return true
}
