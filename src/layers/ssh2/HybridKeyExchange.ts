/**
 * The key exchange `mlkem768x25519-sha256` (draft-ietf-sshm-mlkem-hybrid-kex): ML-KEM-768 (FIPS 203) and X25519 (RFC 7748)
 * side by side, so that the session stays secret as long as one of the two is not broken; the first by a quantum computer,
 * the second by a flaw in what is young.
 *
 * ssh2 1.17 chooses among the key exchanges that it has, and has no place to add one. Here the client's KEXINIT, when it
 * leads to this one, is shown to ssh2 with the name of its nearest relative in place of this one's; and in the exchange
 * that ssh2 makes then, the name, the client's message as it came, and the arithmetic are put right. ssh2 does the rest:
 * the messages are the same (30 and 31), and so are signature, exchange hash and keys.
 */
import * as crypto from "node:crypto"
import * as Predicate from "effect/Predicate"
import type { Connection } from "ssh2"
import * as PacketReader from "./PacketReader.ts"
import { text } from "./PacketWriter.ts"
import { packetsOf, protocolOf } from "./Ssh2Protocol.ts"

export const name = "mlkem768x25519-sha256"

/** The key exchange of ssh2 that does everything as this one does it but the arithmetic. */
export const standIn = "curve25519-sha256"

const encapsulationKeyBytes = 1184
const x25519KeyBytes = 32

/** SubjectPublicKeyInfo of a raw key (RFC 5280; the OIDs are id-alg-ml-kem-768 and id-X25519): all but the key. */
const mlkemPrefix = Buffer.from("308204b2300b0609608648016503040402038204a100", "hex")
const x25519Prefix = Buffer.from("302a300506032b656e032100", "hex")

const publicKey = (prefix: Buffer, raw: Uint8Array): crypto.KeyObject =>
  crypto.createPublicKey({ key: Buffer.concat([prefix, raw]), format: "der", type: "spki" })

/** What the server answers, and the secret that both sides have then. */
interface Exchanged {
  /** S_REPLY: the ciphertext of ML-KEM and the server's public key of X25519. */
  readonly reply: Buffer
  /** K. */
  readonly secret: Buffer
}

/**
 * The server's half. `init` is C_INIT: the client's encapsulation key of ML-KEM and its public key of X25519. Throws when
 * one of them is not what it should be: node:crypto refuses an encapsulation key with a coefficient out of range (FIPS
 * 203, section 7.2), and a key of X25519 that leads to a secret of zeros (RFC 7748, section 6.1).
 */
const exchange = (init: Uint8Array): Exchanged => {
  if (init.length !== encapsulationKeyBytes + x25519KeyBytes) {
    throw new RangeError(`the client's half has ${init.length} bytes`)
  }
  const encapsulated = crypto.encapsulate(publicKey(mlkemPrefix, init.subarray(0, encapsulationKeyBytes)))
  const pair = crypto.generateKeyPairSync("x25519")
  const agreed = crypto.diffieHellman({
    privateKey: pair.privateKey,
    publicKey: publicKey(x25519Prefix, init.subarray(encapsulationKeyBytes))
  })
  const own = pair.publicKey.export({ type: "spki", format: "der" }).subarray(-x25519KeyBytes)
  return {
    reply: Buffer.concat([encapsulated.ciphertext, own]),
    secret: crypto.createHash("sha256").update(encapsulated.sharedKey).update(agreed).digest()
  }
}

/** Node.js has ML-KEM since 24.7, if its OpenSSL has it (3.5). */
export const isAvailable: boolean = (() => {
  if (!("encapsulate" in crypto)) return false
  try {
    // Zeros are the encoding of a key: its coefficients are all in range.
    publicKey(mlkemPrefix, Buffer.alloc(encapsulationKeyBytes))
    return true
  } catch {
    return false
  }
})()

interface Protocol {
  _kex: unknown
  readonly _offer: { readonly lists: { readonly kex: { array: ReadonlyArray<string> } } }
}

const isProtocol = (value: unknown): value is Protocol =>
  Predicate.hasProperty(value, "_kex") &&
  Predicate.hasProperty(value, "_offer") &&
  Predicate.hasProperty(value._offer, "lists") &&
  Predicate.hasProperty(value._offer.lists, "kex") &&
  Predicate.hasProperty(value._offer.lists.kex, "array") &&
  Array.isArray(value._offer.lists.kex.array)

/** A key exchange of ssh2's, with the parts that make it this one. */
interface KeyExchange {
  negotiated: { kex: string }
  _remoteKexinit: Buffer
  type: string
  generateKeys: () => void
  convertPublicKey: (key: Buffer) => Buffer
  computeSecret: (clientHalf: Buffer) => Buffer | Error
  getPublicKey: () => Buffer | undefined
}

const isKeyExchange = (value: unknown): value is KeyExchange =>
  Predicate.hasProperty(value, "negotiated") &&
  Predicate.hasProperty(value.negotiated, "kex") &&
  Predicate.hasProperty(value, "_remoteKexinit") &&
  Predicate.hasProperty(value, "type") &&
  Predicate.hasProperty(value, "generateKeys") &&
  Predicate.hasProperty(value, "convertPublicKey") &&
  Predicate.hasProperty(value, "computeSecret") &&
  Predicate.hasProperty(value, "getPublicKey")

/** Makes an exchange of ssh2's this one. ssh2 asks for the secret before it asks for the server's half. */
const becomeHybrid = (kex: KeyExchange, clientKexinit: Buffer): void => {
  let reply: Buffer | undefined
  kex.negotiated.kex = name
  kex._remoteKexinit = clientKexinit
  kex.type = name
  kex.generateKeys = () => {}
  kex.convertPublicKey = (key) => key
  kex.computeSecret = (clientHalf) => {
    try {
      const exchanged = exchange(clientHalf)
      reply = exchanged.reply
      return exchanged.secret
    } catch (cause) {
      return cause instanceof Error ? cause : new Error("the key exchange failed", { cause })
    }
  }
  kex.getPublicKey = () => reply
}

const messageKexinit = 20

/** Where the list of key exchanges is: after the number of the message and the cookie (RFC 4253, section 7.1). */
const listStart = 1 + 16

/** The key exchanges that a KEXINIT lists, and what comes after the list; none if it is cut short. */
const readList = (payload: Buffer): { readonly names: ReadonlyArray<string>; readonly rest: Buffer } | undefined => {
  if (payload.length < listStart + 4) return undefined
  const start = listStart + 4
  const end = start + payload.readUInt32BE(listStart)
  if (end > payload.length) return undefined
  return { names: payload.toString("latin1", start, end).split(","), rest: payload.subarray(end) }
}

/** The names of this exchange and of its stand-in change places, so that the place of the choice in the list stays. */
const exchangeNames = (entry: string): string => (entry === name ? standIn : entry === standIn ? name : entry)

/** Teaches a connection this key exchange. To be called before the key exchange; says whether it could be done. */
export const teach = (client: Connection): boolean => {
  const protocol = protocolOf(client)
  const packets = packetsOf(client)
  if (!isAvailable || !isProtocol(protocol)) return false
  const { kex: own } = protocol._offer.lists
  const offered = own.array
  if (!offered.includes(name)) return true

  let clientKexinit: Buffer | undefined
  /** The first of the client's names that the server has is the choice (RFC 4253, section 7.1). */
  const disguise = (payload: Buffer): Buffer => {
    if (payload[0] !== messageKexinit) return payload
    const list = readList(payload)
    if (list?.names.find((entry) => offered.includes(entry)) !== name) return payload
    clientKexinit = payload
    own.array = [standIn]
    return Buffer.concat([payload.subarray(0, listStart), ...text(list.names.map(exchangeNames).join(",")), list.rest])
  }
  if (!PacketReader.onEach(packets, disguise)) return false
  let current = protocol._kex
  Object.defineProperty(protocol, "_kex", {
    get: () => current,
    set: (next: unknown) => {
      if (clientKexinit !== undefined && isKeyExchange(next)) {
        becomeHybrid(next, clientKexinit)
        clientKexinit = undefined
        own.array = offered
      }
      current = next
    }
  })
  return true
}
