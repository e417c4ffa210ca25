/**
 * Has a client's KEXINIT acknowledged as soon as it is there, by having something to say just then.
 *
 * OpenSSH's client turns Nagle's algorithm off only after the login, so that its half of the key exchange, a small packet,
 * waits for the acknowledgement of its KEXINIT. The server's kernel has learned from the answer to the identification
 * string that answers follow soon, and waits for the next one, on Linux for 40 milliseconds; and ssh2 has none, for it has
 * sent its own KEXINIT before. So the last bytes of that stay here until the client's has come: they carry the
 * acknowledgement, and cost nothing, because the client has to see it for that in any case.
 *
 * Not for other clients: most of them do without Nagle's algorithm, and can then go on from the server's KEXINIT while
 * their own is on its way. Nor could a client be served that waits for the server's before it sends its own, which the
 * protocol allows (RFC 4253, section 7.1) and OpenSSH never does. Who only passes for OpenSSH gets the rest after a while.
 */
import type { Socket } from "node:net"
import * as Predicate from "effect/Predicate"
import type { Connection } from "ssh2"
import { protocolOf } from "./Ssh2Protocol.ts"

/** Bytes of the server's KEXINIT that wait for the client's. */
const held = 8

/** Milliseconds after which they wait no longer. */
const patience = 500

interface Protocol {
  /** The key exchange; there is one once the client's KEXINIT was read. */
  readonly _kex: unknown
  readonly _cipher: { _onWrite: (packet: Buffer) => void }
}

const isProtocol = (value: unknown): value is Protocol =>
  Predicate.hasProperty(value, "_kex") &&
  Predicate.hasProperty(value, "_cipher") &&
  Predicate.hasProperty(value._cipher, "_onWrite") &&
  Predicate.isFunction(value._cipher._onWrite)

/** To be called in the step in which ssh2 emits `connection`: right after it, ssh2 sends its KEXINIT. */
export const arrange = (client: Connection, socket: Socket, software: string): void => {
  const protocol = protocolOf(client)
  if (!software.startsWith("OpenSSH") || !isProtocol(protocol)) return
  const { _cipher: cipher } = protocol
  const write = cipher._onWrite

  cipher._onWrite = (kexinit) => {
    const release = () => {
      cipher._onWrite = write
      clearTimeout(timer)
      socket.off("data", look)
      socket.off("close", release)
      write(kexinit.subarray(-held))
    }
    const look = () => {
      if (protocol._kex !== undefined) release()
    }
    const timer = setTimeout(release, patience)
    socket.on("data", look)
    socket.once("close", release)
    // Nothing that is said later may come in between.
    cipher._onWrite = (packet) => {
      release()
      write(packet)
    }
    // What the client sent in one piece with its identification string is read in this step.
    socket.cork()
    write(kexinit.subarray(0, -held))
    queueMicrotask(() => {
      if (cipher._onWrite !== write) look()
      socket.uncork()
    })
  }
}
