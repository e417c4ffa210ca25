/**
 * The terminal modes of a `pty-req` (RFC 4254, sections 6.2 and 8).
 *
 * ssh2 1.17 begins to read them at their second byte (`lib/protocol/handlers.misc.js`, `bufferParser.init(modesBinary,
 * 1)`), finds the end there, and so hands on none. Here they are read from the packet before ssh2 reads it. An ssh2 in
 * which packets do not pass this place hands on its own.
 */
import * as Predicate from "effect/Predicate"
import type { Connection } from "ssh2"
import { decode, type TerminalModes } from "../../services/TerminalModes.ts"
import * as PacketReader from "./PacketReader.ts"

const messageChannelRequest = 98
const name = Buffer.from("pty-req")

/** Behind the message's number and the channel's: the name of the request, each string after its length. */
const nameAt = 5

/** The encoded modes in a packet, if it is a `pty-req`. */
const encodedModes = (packet: Buffer): Buffer | undefined => {
  if (packet[0] !== messageChannelRequest || packet.length < nameAt + 4 + name.length) return undefined
  if (packet.readUInt32BE(nameAt) !== name.length) return undefined
  if (!packet.subarray(nameAt + 4, nameAt + 4 + name.length).equals(name)) return undefined
  // Whether a reply is wanted: one byte. Then the name of the terminal, and four numbers.
  const termAt = nameAt + 4 + name.length + 1
  if (packet.length < termAt + 4) return undefined
  const modesAt = termAt + 4 + packet.readUInt32BE(termAt) + 16
  if (packet.length < modesAt + 4) return undefined
  const end = modesAt + 4 + packet.readUInt32BE(modesAt)
  return packet.length < end ? undefined : packet.subarray(modesAt + 4, end)
}

/**
 * Gives the modes of the `pty-req` that is being emitted at the moment. To be called before the key exchange.
 */
export const watch = (client: Connection): (() => TerminalModes | undefined) => {
  const protocol = Predicate.hasProperty(client, "_protocol") ? client._protocol : undefined
  const holder = Predicate.hasProperty(protocol, "_packetRW") ? protocol._packetRW : undefined
  let current: TerminalModes | undefined
  PacketReader.onEach(holder, (packet) => {
    if (packet[0] !== messageChannelRequest) return packet
    const bytes = encodedModes(packet)
    current = bytes === undefined ? undefined : decode(bytes)
    // Where ssh2 begins: the end of the list. What it takes for an unknown mode would end the connection.
    if (bytes !== undefined && bytes.length > 1) bytes[1] = 0
    return packet
  })
  return () => current
}
