/**
 * The keys by which a server proves to its clients that it is the same server as last time.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Redacted from "effect/Redacted"

/**
 * One host key.
 *
 * @since 0.1.0
 * @category models
 */
export interface HostKey {
  /** The type of the key, such as `ssh-ed25519` (RFC 4253, section 6.6). */
  readonly algorithm: string
  /** In OpenSSH's notation: `SHA256:` and the hash of the public key in base64 without padding. */
  readonly fingerprint: string
  /** The public key as one line of a `known_hosts` or `.pub` file, without host and comment. */
  readonly publicKey: string
  /** The private key, unencrypted: OpenSSH's own format, PKCS#1 (RSA) or SEC 1 (ECDSA). */
  readonly pem: Redacted.Redacted
  /** Where it was taken from: a file, or a place in the configuration. */
  readonly source: string
}

/**
 * The host keys, in the order of preference. Of several of one type the first is used; the others are only announced, so
 * that clients know them before they are.
 *
 * @since 0.1.0
 * @category services
 */
export class HostKeys extends Context.Service<
  HostKeys,
  { readonly keys: readonly [HostKey, ...ReadonlyArray<HostKey>] }
>()("dockerrun/services/HostKeys") {}
