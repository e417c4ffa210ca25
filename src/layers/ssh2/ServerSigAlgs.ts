/**
 * Which algorithms a client may sign with (`server-sig-algs`, RFC 8308, section 3.1).
 *
 * ssh2 1.17 sends a list in which a comma is missing, so that rsa-sha2-512 is not in it, and in which SHA-1 and DSA are,
 * which are refused here. The list cannot be configured. Here the message is replaced on its way out, in the one place
 * through which every packet goes; an ssh2 in which that place is not found sends its own list.
 */
import type { Connection } from "ssh2"
import { signatures } from "./Algorithms.ts"
import { holderOf, isPacketWriter, type PacketWriter, text } from "./PacketWriter.ts"

const name = "server-sig-algs"
const messageExtInfo = 7

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
