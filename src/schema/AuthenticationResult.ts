/**
 * What was decided about somebody who wants in.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { AuthenticationMethod } from "./AuthenticationRequest.ts"
import { Permissions } from "./Permissions.ts"
import { UserContainer } from "./UserContainer.ts"

/**
 * Who got in, and how.
 *
 * @since 0.1.0
 * @category models
 */
export const Identity = Schema.Struct({
  username: Schema.String,
  method: AuthenticationMethod,
  /** Which key, in OpenSSH's notation (`SHA256:…`); only with `publickey`. */
  fingerprint: Schema.optionalKey(Schema.String),
  /** Command line that runs instead of whatever is asked for, because the key or the certificate says so. */
  forcedCommand: Schema.optionalKey(Schema.String),
  /** Variables that programs get because the key says so; what the client says of them does not count. */
  environment: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  /** What this user's programs have of their own in the container. */
  container: Schema.optionalKey(UserContainer),
  /** What the key or the certificate takes away. */
  permissions: Schema.optionalKey(Permissions),
  /** The certificate that came with the key. */
  certificate: Schema.optionalKey(
    Schema.Struct({
      keyId: Schema.String,
      serial: Schema.String,
      /** Which authority has signed it, in OpenSSH's notation. */
      authority: Schema.String
    })
  )
})

/**
 * @since 0.1.0
 * @category models
 */
export type Identity = typeof Identity.Type

/**
 * Why somebody does not get in.
 *
 * @since 0.1.0
 * @category models
 */
export const RejectionReason = Schema.Literals([
  /** The method is not among those that are offered. */
  "MethodNotOffered",
  /** No such user, and the key, if it was one, is not good for any user. */
  "UnknownUser",
  /** The user has no password, so no password is right. */
  "NoPassword",
  "WrongPassword",
  /** The key is not listed for the user. */
  "UnknownKey",
  /** The key is listed, with a condition that is not met: another address, a date that has passed. */
  "KeyNotValid",
  /** The key is listed in a way that this server cannot honour. */
  "KeyNotUsable"
])

/**
 * @since 0.1.0
 * @category models
 */
export type RejectionReason = typeof RejectionReason.Type

/**
 * The decision. The reasons of a rejection are for the log alone: a client that learned them could tell which users
 * exist.
 *
 * @since 0.1.0
 * @category models
 */
export const AuthenticationResult = Schema.TaggedUnion({
  Accepted: { identity: Identity },
  Rejected: {
    reason: RejectionReason,
    /** More words for the log, such as which line of which file. */
    detail: Schema.optionalKey(Schema.String)
  }
})

/**
 * @since 0.1.0
 * @category models
 */
export type AuthenticationResult = typeof AuthenticationResult.Type
