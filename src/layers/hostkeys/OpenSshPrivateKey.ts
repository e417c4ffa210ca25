/**
 * OpenSSH's own format for private keys (OpenSSH's PROTOCOL.key). The only one in which ssh2 reads an Ed25519 key.
 */
import { type KeyObject, randomBytes } from "node:crypto"

const begin = "-----BEGIN OPENSSH PRIVATE KEY-----"
const end = "-----END OPENSSH PRIVATE KEY-----"
const magic = Buffer.from("openssh-key-v1\0", "latin1")

/** A string of SSH (RFC 4251, section 5): its length in four bytes, and itself. */
const string = (value: string | Uint8Array): Buffer => {
  const bytes = Buffer.from(value)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

/** Whether a text claims to be in this format. */
export const isOpenSsh = (text: string): boolean => text.includes(begin)

/** Whether a passphrase is needed, which stands in the clear at the beginning: the name of the cipher, or `none`. */
export const isEncrypted = (text: string): boolean => {
  const base64 = text.slice(text.indexOf(begin) + begin.length, text.indexOf(end)).replaceAll(/\s/gu, "")
  const bytes = Buffer.from(base64, "base64")
  const none = string("none")
  const cipher = bytes.subarray(magic.length, magic.length + none.length)
  return bytes.subarray(0, magic.length).equals(magic) && !cipher.equals(none)
}

/** Writes an Ed25519 key, unencrypted. */
export const encodeEd25519 = (key: KeyObject, comment: string): string => {
  const { d = "", x = "" } = key.export({ format: "jwk" })
  const seed = Buffer.from(d, "base64url")
  const point = Buffer.from(x, "base64url")
  const publicKey = Buffer.concat([string("ssh-ed25519"), string(point)])
  const check = randomBytes(4)
  const secret = Buffer.concat([check, check, publicKey, string(Buffer.concat([seed, point])), string(comment)])
  // Filled with 1, 2, 3, … to the block size of the cipher, which is 8 for "none".
  const padding = Buffer.from(Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, index) => index + 1))
  const one = Buffer.from([0, 0, 0, 1])
  const body = Buffer.concat([
    magic,
    string("none"),
    string("none"),
    string(""),
    one,
    string(publicKey),
    string(Buffer.concat([secret, padding]))
  ])
  const lines = body.toString("base64").match(/.{1,70}/gu) ?? []
  return [begin, ...lines, end, ""].join("\n")
}
