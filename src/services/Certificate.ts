/**
 * OpenSSH's certificates of keys (OpenSSH's PROTOCOL.certkeys; draft-miller-ssh-cert): what is in them. Whether the
 * authority has really signed one is not said here.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import type { PublicKey } from "../schema/AuthenticationRequest.ts"
import { decodeText, encodeString, makeReader, readStrings } from "./SshWire.ts"

const suffix = "-cert-v01@openssh.com"

/** Of how many strings a key of the type is made. */
const keyParts: ReadonlyMap<string, number> = new Map([
  ["ssh-ed25519", 1],
  ["ecdsa-sha2-nistp256", 2],
  ["ecdsa-sha2-nistp384", 2],
  ["ecdsa-sha2-nistp521", 2],
  ["ssh-rsa", 2]
])

/**
 * Whether the name is that of a certificate's type, or of an algorithm with which a certified key signs.
 *
 * @since 0.1.0
 * @category guards
 */
export const isCertificateName = (name: string): boolean => name.endsWith(suffix)

/**
 * The name without what makes it a certificate's: `rsa-sha2-512` of `rsa-sha2-512-cert-v01@openssh.com`.
 *
 * @since 0.1.0
 * @category getters
 */
export const plainName = (name: string): string => (isCertificateName(name) ? name.slice(0, -suffix.length) : name)

/**
 * The type of the keys that sign with an algorithm. RSA keys have a type of their own, and several algorithms.
 *
 * @since 0.1.0
 * @category getters
 */
export const keyTypeOf = (algorithm: string): string => algorithm.replace(/^rsa-sha2-(?:256|512)(?=-|$)/u, "ssh-rsa")

/**
 * A certificate.
 *
 * @since 0.1.0
 * @category models
 */
export interface Certificate {
  /** The key that is certified, as it would be without a certificate. */
  readonly key: PublicKey
  readonly kind: "user" | "host" | "other"
  readonly serial: bigint
  /** A name of the authority's choice, for the log. */
  readonly keyId: string
  readonly principals: ReadonlyArray<string>
  /** Seconds since the Unix epoch: from this one on. */
  readonly validAfter: bigint
  /** Seconds since the Unix epoch: before this one. */
  readonly validBefore: bigint
  readonly criticalOptions: ReadonlyMap<string, Uint8Array>
  readonly extensions: ReadonlyMap<string, Uint8Array>
  /** Whose signature it should be. */
  readonly authority: PublicKey
  /** What the authority has signed. */
  readonly signed: Uint8Array
  readonly signature: Uint8Array
}

/** Pairs of name and value, each name once, in the order of the names. */
const readOptions = (bytes: Uint8Array): ReadonlyMap<string, Uint8Array> | undefined => {
  const strings = readStrings(bytes)
  if (strings === undefined || strings.length % 2 !== 0) return undefined
  const options = new Map<string, Uint8Array>()
  let last: string | undefined
  for (let i = 0; i < strings.length; i += 2) {
    const [name, value] = [strings[i], strings[i + 1]]
    const text = name === undefined ? undefined : decodeText(name)
    if (text === undefined || value === undefined || (last !== undefined && text <= last)) return undefined
    options.set(text, value)
    last = text
  }
  return options
}

const readTexts = (bytes: Uint8Array): ReadonlyArray<string> | undefined => {
  const texts = readStrings(bytes)?.map(decodeText)
  return texts?.every((text) => text !== undefined) === true ? texts : undefined
}

const kinds: ReadonlyMap<number, "user" | "host"> = new Map([
  [1, "user"],
  [2, "host"]
])

const damaged = Result.fail("the certificate is damaged or cut short")

/**
 * Reads a certificate from a key's blob, or says what is wrong with it.
 *
 * @since 0.1.0
 * @category decoding
 */
export const parse = (blob: Uint8Array): Result.Result<Certificate, string> => {
  const reader = makeReader(blob)
  const type = decodeText(reader.string()) ?? ""
  const plain = plainName(type)
  const parts = isCertificateName(type) ? keyParts.get(plain) : undefined
  if (!reader.isWhole()) return damaged
  if (parts === undefined) return Result.fail("certificates of keys of this type are not supported")
  // The nonce makes what is signed unpredictable, and is of no other use.
  reader.string()
  const keyStart = reader.position()
  for (let i = 0; i < parts; i++) reader.string()
  const keyEnd = reader.position()
  const serial = reader.uint64()
  const kind = kinds.get(reader.uint32()) ?? "other"
  const keyId = decodeText(reader.string())
  const principals = readTexts(reader.string())
  const validAfter = reader.uint64()
  const validBefore = reader.uint64()
  const criticalOptions = readOptions(reader.string())
  const extensions = readOptions(reader.string())
  // Reserved: ignored, as the format demands.
  reader.string()
  const authorityBlob = reader.string()
  const signedEnd = reader.position()
  const signature = reader.string()
  if (!reader.isWhole() || !reader.isAtEnd()) return damaged
  if (keyId === undefined || principals === undefined) return damaged
  if (criticalOptions === undefined || extensions === undefined) return damaged
  const authorityType = decodeText(makeReader(authorityBlob).string()) ?? ""
  // A chain of certificates is what the format forbids.
  if (!keyParts.has(authorityType)) return Result.fail("the certificate's authority has a key of an unsupported type")
  const header = encodeString(plain)
  const key = new Uint8Array(header.length + keyEnd - keyStart)
  key.set(header)
  key.set(blob.subarray(keyStart, keyEnd), header.length)
  return Result.succeed({
    key: { algorithm: plain, blob: key },
    kind,
    serial,
    keyId,
    principals,
    validAfter,
    validBefore,
    criticalOptions,
    extensions,
    authority: { algorithm: authorityType, blob: authorityBlob },
    signed: blob.subarray(0, signedEnd),
    signature
  })
}
