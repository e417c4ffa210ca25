/**
 * Tells clients of all host keys, also of those that they did not see in the key exchange, and proves that it has them
 * (OpenSSH's PROTOCOL, section 2.5: `hostkeys-00@openssh.com`, `hostkeys-prove-00@openssh.com`). A client that wants to
 * (OpenSSH's `UpdateHostKeys`) learns a key before it is in use, and forgets one that is gone.
 *
 * ssh2 1.17 sends the first of these messages for nobody, and refuses the second. The first goes out here in place of a
 * keepalive, which ssh2 can send; the second is handed to ssh2 under the name of a request that it knows, so that its
 * answer keeps its place among the answers.
 */
import { sign } from "node:crypto"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import ssh2, { type Connection } from "ssh2"
import type { HostKey } from "../../services/HostKeys.ts"
import { encodeString, readStrings } from "../../services/SshWire.ts"
import { holderOf } from "./PacketWriter.ts"
import { protocolOf } from "./Ssh2Protocol.ts"

const announcement = "hostkeys-00@openssh.com"
const question = "hostkeys-prove-00@openssh.com"
const messageGlobalRequest = 80

/** A host key that can sign. */
interface Signer {
  readonly blob: Buffer
  /** Signs, as the host, what it should prove. */
  readonly sign: (data: Buffer) => Uint8Array
}

/** A number as SSH writes it (RFC 4251, section 5): without leading zeros, but with one if it would look negative. */
const number = (bytes: Buffer): Uint8Array => {
  const first = bytes.findIndex((byte) => byte !== 0)
  const digits = bytes.subarray(Math.max(first, 0))
  return encodeString((digits[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), digits]) : digits)
}

const digests: Readonly<Record<string, string>> = {
  "ssh-rsa": "sha512",
  "ecdsa-sha2-nistp256": "sha256",
  "ecdsa-sha2-nistp384": "sha384",
  "ecdsa-sha2-nistp521": "sha512"
}

const signer = (hostKey: HostKey): Signer | undefined => {
  const key = ssh2.utils.parseKey(Redacted.value(hostKey.pem))
  if (key instanceof Error) return undefined
  const pem = key.getPrivatePEM()
  const { type } = key
  return {
    blob: key.getPublicSSH(),
    sign: (data) => {
      const signature = sign(digests[type] ?? null, data, { key: pem, dsaEncoding: "ieee-p1363" })
      const half = signature.length / 2
      const value = type.startsWith("ecdsa-")
        ? Buffer.concat([number(signature.subarray(0, half)), number(signature.subarray(half))])
        : signature
      return Buffer.concat([encodeString(type === "ssh-rsa" ? "rsa-sha2-512" : type), encodeString(value)])
    }
  }
}

interface Protocol {
  readonly ping: () => void
  readonly _kex: { readonly sessionID: Buffer }
  readonly _handlers: {
    GLOBAL_REQUEST: (protocol: unknown, name: string, wantReply: boolean, data: unknown) => void
  }
  requestSuccess: (data?: Buffer) => void
}

const isProtocol = (value: unknown): value is Protocol =>
  Predicate.hasProperty(value, "ping") &&
  Predicate.isFunction(value.ping) &&
  Predicate.hasProperty(value, "_kex") &&
  Predicate.hasProperty(value._kex, "sessionID") &&
  Buffer.isBuffer(value._kex.sessionID) &&
  Predicate.hasProperty(value, "requestSuccess") &&
  Predicate.isFunction(value.requestSuccess) &&
  Predicate.hasProperty(value, "_handlers") &&
  Predicate.hasProperty(value._handlers, "GLOBAL_REQUEST") &&
  Predicate.isFunction(value._handlers.GLOBAL_REQUEST)

/** Larger than any port: what ssh2 takes for the port of an answer, and is the number of a proof. */
const firstProof = 0x1_0000

/** Proofs of all the keys that the client asks for; none if it asks for one that was not announced. */
const prove = (signers: ReadonlyArray<Signer>, sessionId: Buffer, asked: Uint8Array): Buffer | undefined => {
  const proofs: Array<Uint8Array> = []
  for (const blob of readStrings(asked) ?? []) {
    const found = signers.find((candidate) => candidate.blob.equals(blob))
    // A key is asked for once: signatures are not free.
    if (found === undefined || proofs.length >= signers.length) return undefined
    proofs.push(
      encodeString(found.sign(Buffer.concat([encodeString(question), encodeString(sessionId), encodeString(blob)])))
    )
  }
  return proofs.length === 0 ? undefined : Buffer.concat(proofs)
}

/** How the keys are told of to a client that has just logged in. */
export const make = (keys: ReadonlyArray<HostKey>): ((client: Connection) => boolean) => {
  const signers = keys.flatMap((key) => signer(key) ?? [])
  const payload = Buffer.concat([
    Buffer.from([messageGlobalRequest]),
    encodeString(announcement),
    Buffer.from([0]),
    ...signers.map(({ blob }) => encodeString(blob))
  ])

  return (client) => {
    const protocol = protocolOf(client)
    const holder = holderOf(client)
    if (holder === undefined || !isProtocol(protocol)) return false
    answerQuestions(client, protocol, (asked) => prove(signers, protocol._kex.sessionID, asked))
    const writer = holder.write
    const { finalize } = writer
    writer.finalize = (_packet, force) => {
      const packet = writer.alloc(payload.length, force)
      packet.set(payload, writer.allocStart)
      return finalize.call(writer, packet, force)
    }
    try {
      protocol.ping()
    } finally {
      writer.finalize = finalize
    }
    return true
  }
}

const isAnswer = (value: unknown): value is (place: number) => void => Predicate.isFunction(value)

const answerQuestions = (
  client: Connection,
  protocol: Protocol,
  prove: (asked: Uint8Array) => Buffer | undefined
): void => {
  const { _handlers: handlers } = protocol
  const handle = handlers.GLOBAL_REQUEST
  const succeed = protocol.requestSuccess.bind(protocol)
  const proofs = new Map<number, Buffer>()
  let next = firstProof
  protocol.requestSuccess = (data) => {
    const place = data?.length === 4 ? data.readUInt32BE() : 0
    const proof = proofs.get(place)
    proofs.delete(place)
    succeed(proof ?? data)
  }
  handlers.GLOBAL_REQUEST = (from, name, wantReply, data) => {
    if (name !== question) {
      handle(from, name, wantReply, data)
      return
    }
    const proof = wantReply && data instanceof Uint8Array ? prove(data) : undefined
    const emit = client.emit.bind(client)
    client.emit = (event: string, ...values: ReadonlyArray<unknown>) => {
      client.emit = emit
      const [accept, reject] = values
      const answer = proof === undefined ? reject : accept
      if (event !== "request" || !isAnswer(answer)) return emit(event, ...values)
      if (proof !== undefined) proofs.set(next, proof)
      answer(next++)
      return true
    }
    try {
      handle(from, "tcpip-forward", wantReply, { bindAddr: "", bindPort: 0 })
    } finally {
      client.emit = emit
    }
  }
}
