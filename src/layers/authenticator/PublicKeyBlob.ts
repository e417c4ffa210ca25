/**
 * Public keys in SSH's wire format (RFC 4253, section 6.6; RFC 5656, section 3.1; RFC 8709, section 4).
 */
import { createHash } from "node:crypto"
import * as Result from "effect/Result"

const curves: Readonly<Record<string, { readonly name: string; readonly coordinateBytes: number }>> = {
  "ecdsa-sha2-nistp256": { name: "nistp256", coordinateBytes: 32 },
  "ecdsa-sha2-nistp384": { name: "nistp384", coordinateBytes: 48 },
  "ecdsa-sha2-nistp521": { name: "nistp521", coordinateBytes: 66 }
}

/** Shorter ones are within reach of a determined adversary (NIST SP 800-57, 112 bits of security). */
const minimumRsaBits = 2048

const unsupported: Readonly<Record<string, string>> = {
  "ssh-dss": "DSA keys are no longer secure; make an Ed25519 key",
  "sk-ssh-ed25519@openssh.com": "keys on security keys (FIDO) are not supported by this server",
  "sk-ecdsa-sha2-nistp256@openssh.com": "keys on security keys (FIDO) are not supported by this server"
}

const certificate = /^[\w@.-]{1,64}-cert-v\d\d@openssh\.com$/u

/** Whether the word names a type of key, supported or not. */
export const isKeyType = (word: string): boolean =>
  word === "ssh-ed25519" ||
  word === "ssh-rsa" ||
  Object.hasOwn(curves, word) ||
  Object.hasOwn(unsupported, word) ||
  certificate.test(word)

/** Reads the length-prefixed strings that a key is made of (RFC 4251, section 5); none if they do not fill the blob. */
const readStrings = (blob: Uint8Array): ReadonlyArray<Uint8Array> => {
  const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength)
  const strings: Array<Uint8Array> = []
  for (let offset = 0; offset < blob.length;) {
    if (blob.length - offset < 4) return []
    const end = offset + 4 + view.getUint32(offset)
    if (end > blob.length) return []
    strings.push(blob.subarray(offset + 4, end))
    offset = end
  }
  return strings
}

const bitLength = (mpint: Uint8Array): number => {
  const first = mpint.findIndex((byte) => byte !== 0)
  const top = mpint[first]
  return top === undefined ? 0 : (mpint.length - first) * 8 - (Math.clz32(top) - 24)
}

const checkParts = (type: string, parts: ReadonlyArray<Uint8Array>): string | undefined => {
  const damaged = `the ${type} key is damaged or cut short`
  if (type === "ssh-ed25519") {
    return parts.length === 1 && parts[0]?.length === 32 ? undefined : damaged
  }
  if (type === "ssh-rsa") {
    const [exponent, modulus] = parts
    if (parts.length !== 2 || exponent === undefined || modulus === undefined) return damaged
    if (bitLength(exponent) < 2) return damaged
    const bits = bitLength(modulus)
    return bits < minimumRsaBits ? `the RSA key has ${bits} bits, and at least ${minimumRsaBits} are needed` : undefined
  }
  const curve = curves[type]
  const [name, point] = parts
  return curve !== undefined &&
    parts.length === 2 &&
    name !== undefined &&
    Buffer.from(name).toString("latin1") === curve.name &&
    point?.[0] === 4 &&
    point.length === 1 + 2 * curve.coordinateBytes
    ? undefined
    : damaged
}

/** Decodes the base64 text of a key that is said to be of a type; or says, without quoting the key, what is wrong. */
export const decode = (type: string, base64: string): Result.Result<Uint8Array, string> => {
  if (certificate.test(type))
    return Result.fail("this is a certificate; list the key itself, or trust its authority (auth.trustedUserCAKeys)")
  const reason = Object.hasOwn(unsupported, type) ? unsupported[type] : undefined
  if (reason !== undefined) return Result.fail(reason)
  const blob = Buffer.from(base64, "base64")
  // Buffer skips what is not base64; a key that was altered in passing would silently be another one.
  if (blob.length === 0 || blob.toString("base64").replace(/=+$/u, "") !== base64.replace(/=+$/u, "")) {
    return Result.fail(`the ${type} key is not base64`)
  }
  const [inner, ...parts] = readStrings(blob)
  if (inner === undefined) return Result.fail(`the ${type} key is damaged or cut short`)
  if (Buffer.from(inner).toString("latin1") !== type) {
    return Result.fail(`the line says ${type}, and the key itself is of another type`)
  }
  const problem = checkParts(type, parts)
  return problem === undefined ? Result.succeed(new Uint8Array(blob)) : Result.fail(problem)
}

/** OpenSSH's notation: `SHA256:` and the hash in base64 without padding. */
export const fingerprint = (blob: Uint8Array): string =>
  `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/u, "")}`
