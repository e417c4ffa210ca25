/**
 * Where every packet of a connection goes out. ssh2 keeps it to itself; what is said here of its shape is looked at
 * before it is used, and an ssh2 that has another shape is left alone.
 */
import * as Predicate from "effect/Predicate"
import { packetsOf } from "./Ssh2Protocol.ts"

export interface PacketWriter {
  /** Where the payload begins in a packet. */
  readonly allocStart: number
  readonly alloc: (payloadLength: number, force?: boolean) => Buffer
  finalize: (packet: Buffer, force?: boolean) => Buffer
}

export const isPacketWriter = (value: unknown): value is PacketWriter =>
  Predicate.hasProperty(value, "allocStart") &&
  Predicate.isNumber(value.allocStart) &&
  Predicate.hasProperty(value, "alloc") &&
  Predicate.isFunction(value.alloc) &&
  Predicate.hasProperty(value, "finalize") &&
  Predicate.isFunction(value.finalize)

const holdsWriter = (value: unknown): value is { write: PacketWriter } =>
  Predicate.hasProperty(value, "write") && isPacketWriter(value.write)

/** What holds the writer of a connection; the key exchange puts a new one there. */
export const holderOf = (client: unknown): { write: PacketWriter } | undefined => {
  const packets = packetsOf(client)
  return holdsWriter(packets) ? packets : undefined
}

/** A string as SSH writes it (RFC 4251, section 5). */
export const text = (value: string): ReadonlyArray<Buffer> => {
  const bytes = Buffer.from(value)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return [length, bytes]
}
