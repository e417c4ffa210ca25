/**
 * What somebody who wants in says of himself, before anybody has judged it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A way to prove who one is (RFC 4252), in SSH's own spelling.
 *
 * @since 0.1.0
 * @category models
 */
export const AuthenticationMethod = Schema.Literals(["publickey", "password"])

/**
 * @since 0.1.0
 * @category models
 */
export type AuthenticationMethod = typeof AuthenticationMethod.Type

/**
 * A public key as it travels in SSH (RFC 4253, section 6.6).
 *
 * @since 0.1.0
 * @category models
 */
export const PublicKey = Schema.Struct({
  /** The type of the key, such as `ssh-ed25519`; not the algorithm of a signature made with it. */
  algorithm: Schema.String,
  /** The key in SSH's wire format; it begins with the type once more. */
  blob: Schema.Uint8Array
})

/**
 * @since 0.1.0
 * @category models
 */
export type PublicKey = typeof PublicKey.Type

const origin = {
  username: Schema.String,
  /** The client's IP address, without the port. */
  remoteAddress: Schema.String
}

/**
 * "Would this key do?" (RFC 4252, section 7: a `publickey` request without a signature). It proves nothing, for public
 * keys are public; so whatever the answer, nobody is authenticated by it and nothing may be started because of it.
 *
 * @since 0.1.0
 * @category models
 */
export const KeyQuery = Schema.TaggedStruct("KeyQuery", { ...origin, key: PublicKey })

/**
 * @since 0.1.0
 * @category models
 */
export type KeyQuery = typeof KeyQuery.Type

/**
 * A proof of who one is: a password, or a key whose owner has signed this very session.
 *
 * A `VerifiedKey` is made only by code that has checked the signature over the session id (RFC 4252, section 7) with
 * that key; whoever judges the request takes it for granted.
 *
 * @since 0.1.0
 * @category models
 */
export const AuthenticationRequest = Schema.TaggedUnion({
  Password: { ...origin, password: Schema.Redacted(Schema.String) },
  VerifiedKey: { ...origin, key: PublicKey }
})

/**
 * @since 0.1.0
 * @category models
 */
export type AuthenticationRequest = typeof AuthenticationRequest.Type
