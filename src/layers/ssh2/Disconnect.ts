/**
 * The last words of a server (`SSH_MSG_DISCONNECT`, RFC 4253, section 11.1).
 *
 * ssh2 sends the reason and no description; a description is what OpenSSH, PuTTY and others show. Here the message is
 * replaced on its way out. With an ssh2 in which that cannot be done, the client learns the reason alone.
 */
import type { Socket } from "node:net"
import * as Predicate from "effect/Predicate"
import type { Connection } from "ssh2"
import { holderOf, text } from "./PacketWriter.ts"

const messageDisconnect = 1

/** RFC 4253, section 11.1. */
export const reasons = {
  /** What OpenSSH gives for too many attempts. */
  protocolError: 2,
  byApplication: 11,
  tooManyConnections: 12
} as const

const payload = (reason: number, description: string): Buffer => {
  const head = Buffer.alloc(5)
  head.writeUInt8(messageDisconnect)
  head.writeUInt32BE(reason, 1)
  return Buffer.concat([head, ...text(description), ...text("")])
}

interface DisconnectSender {
  readonly disconnect: (reason: number) => void
}

const senderOf = (client: unknown): DisconnectSender | undefined => {
  const protocol = Predicate.hasProperty(client, "_protocol") ? client._protocol : undefined
  return sendsDisconnect(protocol) ? protocol : undefined
}

const sendsDisconnect = (value: unknown): value is DisconnectSender =>
  Predicate.hasProperty(value, "disconnect") && Predicate.isFunction(value.disconnect)

/** Tells the client why, and ends the server's side of the connection. */
export const disconnect = (client: Connection, socket: Socket, reason: number, description: string): void => {
  const holder = holderOf(client)
  const sender = senderOf(client)
  if (holder !== undefined && sender !== undefined && socket.writable) {
    const writer = holder.write
    const finalize = writer.finalize
    writer.finalize = (_packet, force) => {
      const message = payload(reason, description)
      // ssh2 forces this one out, also in the middle of a key exchange.
      const packet = writer.alloc(message.length, force)
      packet.set(message, writer.allocStart)
      return finalize.call(writer, packet, force)
    }
    try {
      sender.disconnect(reason)
    } finally {
      writer.finalize = finalize
    }
    socket.end()
  }
  // Without effect on a socket that was ended.
  client.end()
}
