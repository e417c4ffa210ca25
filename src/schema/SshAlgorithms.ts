/**
 * The algorithms of SSH's transport that a server may be told to offer, and those that it offers untold.
 *
 * What is known to be weak has no name here, so that no configuration can turn it on: SHA-1 and MD5, CBC and RC4, groups
 * of less than 2048 bits, DSA.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Key exchanges. `mlkem768x25519-sha256` is safe against a quantum computer to come; it needs Node.js 24.7.
 *
 * @since 0.1.0
 * @category schemas
 */
export const KeyExchangeAlgorithm = Schema.Literals([
  "mlkem768x25519-sha256",
  "curve25519-sha256",
  "curve25519-sha256@libssh.org",
  "ecdh-sha2-nistp256",
  "ecdh-sha2-nistp384",
  "ecdh-sha2-nistp521",
  "diffie-hellman-group14-sha256",
  "diffie-hellman-group15-sha512",
  "diffie-hellman-group16-sha512",
  "diffie-hellman-group17-sha512",
  "diffie-hellman-group18-sha512"
])

/**
 * @since 0.1.0
 * @category models
 */
export type KeyExchangeAlgorithm = typeof KeyExchangeAlgorithm.Type

/**
 * What is offered untold. Not the curves of NIST, whose constants nobody can explain; not group 14, of 2048 bits; not the
 * groups above 16, each exchange of which would hold up every other connection for some 20 milliseconds.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultKeyExchange: readonly [KeyExchangeAlgorithm, ...ReadonlyArray<KeyExchangeAlgorithm>] = [
  "mlkem768x25519-sha256",
  "curve25519-sha256",
  "curve25519-sha256@libssh.org",
  "diffie-hellman-group16-sha512"
]

/**
 * Ciphers.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Cipher = Schema.Literals([
  "aes128-gcm@openssh.com",
  "aes256-gcm@openssh.com",
  "chacha20-poly1305@openssh.com",
  "aes128-ctr",
  "aes192-ctr",
  "aes256-ctr"
])

/**
 * @since 0.1.0
 * @category models
 */
export type Cipher = typeof Cipher.Type

/**
 * All of them; the cheapest first.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultCiphers: readonly [Cipher, ...ReadonlyArray<Cipher>] = Cipher.literals

/**
 * Message authentication codes, of use with the ciphers in counter mode only.
 *
 * @since 0.1.0
 * @category schemas
 */
export const MessageAuthenticationCode = Schema.Literals([
  "hmac-sha2-256-etm@openssh.com",
  "hmac-sha2-512-etm@openssh.com",
  "hmac-sha2-256",
  "hmac-sha2-512"
])

/**
 * @since 0.1.0
 * @category models
 */
export type MessageAuthenticationCode = typeof MessageAuthenticationCode.Type

/**
 * What is offered untold: encrypt-then-MAC alone.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultMacs: readonly [MessageAuthenticationCode, ...ReadonlyArray<MessageAuthenticationCode>] = [
  "hmac-sha2-256-etm@openssh.com",
  "hmac-sha2-512-etm@openssh.com"
]

/**
 * What a server proves itself with. Which of them are offered depends on the host keys that there are.
 *
 * @since 0.1.0
 * @category schemas
 */
export const HostKeyAlgorithm = Schema.Literals([
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "rsa-sha2-512",
  "rsa-sha2-256"
])

/**
 * @since 0.1.0
 * @category models
 */
export type HostKeyAlgorithm = typeof HostKeyAlgorithm.Type

/**
 * Compression, from the login on. It is done in the one thread that serves everybody.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Compression = Schema.Literals(["none", "zlib@openssh.com"])

/**
 * @since 0.1.0
 * @category models
 */
export type Compression = typeof Compression.Type
