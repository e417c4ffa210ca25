/**
 * Keys and signatures of SSH (RFC 4253, section 6.6; RFC 5656; RFC 8332; RFC 8709) in the shape in which cryptographic
 * libraries take them.
 *
 * @since 0.1.0
 */
import * as Base64Url from "effect/encoding/Base64Url"
import * as Result from "effect/Result"
import type { PublicKey } from "../schema/AuthenticationRequest.ts"
import { decodeText, makeReader, readStrings } from "./SshWire.ts"

/**
 * All that is needed to verify a signature over some data.
 *
 * @since 0.1.0
 * @category models
 */
export interface PreparedSignature {
  /** The name of the signature's algorithm, such as `rsa-sha2-512`. */
  readonly algorithm: string
  /** The public key (RFC 7517, RFC 8037). */
  readonly jwk: Readonly<Record<string, string>>
  /** What the data is hashed with before it is verified; Ed25519 does that by itself. */
  readonly digest: "sha256" | "sha384" | "sha512" | undefined
  /** Of ECDSA, the two numbers one after the other (IEEE P1363). */
  readonly signature: Uint8Array
}

interface Curve {
  readonly name: string
  readonly jwk: string
  readonly bytes: number
  readonly digest: "sha256" | "sha384" | "sha512"
}

const curves: ReadonlyMap<string, Curve> = new Map([
  ["ecdsa-sha2-nistp256", { name: "nistp256", jwk: "P-256", bytes: 32, digest: "sha256" }],
  ["ecdsa-sha2-nistp384", { name: "nistp384", jwk: "P-384", bytes: 48, digest: "sha384" }],
  ["ecdsa-sha2-nistp521", { name: "nistp521", jwk: "P-521", bytes: 66, digest: "sha512" }]
])

/** SHA-1 is not among them. */
const rsaDigests: ReadonlyMap<string, "sha256" | "sha512"> = new Map([
  ["rsa-sha2-256", "sha256"],
  ["rsa-sha2-512", "sha512"]
])

/** A number in so many bytes; undefined if it is longer. */
const fixed = (number: Uint8Array, length: number): Uint8Array | undefined => {
  const first = number.findIndex((byte) => byte !== 0)
  const digits = first === -1 ? number.subarray(number.length) : number.subarray(first)
  if (digits.length > length) return undefined
  const bytes = new Uint8Array(length)
  bytes.set(digits, length - digits.length)
  return bytes
}

const text = (bytes: Uint8Array): string => Base64Url.encode(bytes)

const damaged = Result.fail("the signature, or the key, is damaged")

/**
 * Prepares a signature and the key that it should be of, or says what is wrong with one of them.
 *
 * @since 0.1.0
 * @category decoding
 */
export const prepare = (key: PublicKey, signature: Uint8Array): Result.Result<PreparedSignature, string> => {
  const outer = makeReader(signature)
  const algorithm = decodeText(outer.string())
  const value = outer.string()
  const [type, first, second, ...rest] = readStrings(key.blob) ?? []
  if (!outer.isWhole() || !outer.isAtEnd() || algorithm === undefined || type === undefined) return damaged
  if (first === undefined || rest.length > 0 || decodeText(type) !== key.algorithm) return damaged

  if (key.algorithm === "ssh-ed25519") {
    return algorithm !== key.algorithm || second !== undefined || first.length !== 32 || value.length !== 64
      ? damaged
      : Result.succeed({
          algorithm,
          jwk: { kty: "OKP", crv: "Ed25519", x: text(first) },
          digest: undefined,
          signature: value
        })
  }
  if (second === undefined) return damaged
  if (key.algorithm === "ssh-rsa") {
    const digest = rsaDigests.get(algorithm)
    const modulus = fixed(second, second.length - (second[0] === 0 ? 1 : 0))
    const padded = modulus === undefined ? undefined : fixed(value, modulus.length)
    if (digest === undefined) return Result.fail("RSA keys sign with SHA-2 here")
    return modulus === undefined || padded === undefined
      ? damaged
      : Result.succeed({
          algorithm,
          jwk: { kty: "RSA", e: text(first), n: text(modulus) },
          digest,
          signature: padded
        })
  }
  const curve = curves.get(key.algorithm)
  if (curve === undefined) return Result.fail("keys of this type are not supported")
  const { bytes, digest } = curve
  const [r, s, ...more] = readStrings(value) ?? []
  const fixedR = r === undefined ? undefined : fixed(r, bytes)
  const fixedS = s === undefined ? undefined : fixed(s, bytes)
  if (algorithm !== key.algorithm || decodeText(first) !== curve.name) return damaged
  if (second.length !== 1 + 2 * bytes || second[0] !== 4) return damaged
  if (fixedR === undefined || fixedS === undefined || more.length > 0) return damaged
  const both = new Uint8Array(2 * bytes)
  both.set(fixedR)
  both.set(fixedS, bytes)
  const jwk = { kty: "EC", crv: curve.jwk, x: text(second.subarray(1, 1 + bytes)), y: text(second.subarray(1 + bytes)) }
  return Result.succeed({ algorithm, jwk, digest, signature: both })
}
