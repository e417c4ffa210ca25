/**
 * The section `auth` of the configuration: who gets in.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { secret } from "./ConfigIssue.ts"
import { optional, withDefault } from "./ConfigKey.ts"
import { UserContainer } from "./UserContainer.ts"

const authorizedKey =
  /(?:^|\s)(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(?:256|384|521)|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com)\s+AAAA[0-9A-Za-z+/]+={0,2}(?:\s|$)/u

const AuthorizedKey = Schema.String.check(
  Schema.isPattern(authorizedKey, {
    message: "is not a line of OpenSSH's authorized_keys, such as: ssh-ed25519 AAAA… comment"
  })
)

/**
 * Where public keys come from: a line of OpenSSH's authorized_keys, or a file of such lines.
 *
 * @since 0.1.0
 * @category schemas
 */
export const PublicKeySource = Schema.TaggedUnion({
  Key: { line: Schema.String },
  File: { path: Schema.NonEmptyString }
})

/**
 * @since 0.1.0
 * @category models
 */
export type PublicKeySource = typeof PublicKeySource.Type

const PublicKeySourceFromString = Schema.String.pipe(
  Schema.decodeTo(
    PublicKeySource,
    SchemaTransformation.transformEffect({
      decode: (text: string) => {
        if (authorizedKey.test(text)) return Effect.succeed(PublicKeySource.make({ _tag: "Key", line: text }))
        return text === "" || /[\s\0]/u.test(text)
          ? Effect.fail(new SchemaIssue.InvalidValue({ message: "is neither a public key nor the path of a file" }))
          : Effect.succeed(PublicKeySource.make({ _tag: "File", path: text }))
      },
      encode: (source: PublicKeySource) => Effect.succeed(source._tag === "File" ? source.path : source.line)
    })
  )
)

const PasswordHash = Schema.RedactedFromValue(
  Schema.String.annotate({ [secret]: true }).check(
    Schema.isPattern(/^\$2[aby]\$(?:0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{53}$/u, {
      message: "is not a bcrypt hash ($2a$, $2b$ or $2y$); make one with: dockerrun hash-password"
    })
  ),
  { label: "password hash", disallowEncode: true }
)

/**
 * How one user may prove who they are. Without key and password only the keys of `authorizedKeysFile` are left.
 *
 * @since 0.1.0
 * @category schemas
 */
export const AuthUser = Schema.Struct({
  authorizedKeys: withDefault(Schema.Array(AuthorizedKey), [], "Public keys, as lines of OpenSSH's authorized_keys."),
  passwordHash: optional(PasswordHash, "bcrypt hash of the password, made by: dockerrun hash-password."),
  authorizedPrincipals: optional(
    Schema.NonEmptyArray(Schema.NonEmptyString),
    "Principals of which a certificate must name one. Left out: the name of the user."
  ),
  container: optional(UserContainer, "What this user's programs have of their own in the container.")
})

/**
 * @since 0.1.0
 * @category models
 */
export type AuthUser = typeof AuthUser.Type

/**
 * The section `auth`. With nothing in it nobody gets in.
 *
 * Names that come from the network must not be looked up in `users` as they are: it is a plain object, and
 * `constructor` would find something.
 *
 * @since 0.1.0
 * @category schemas
 */
export const AuthSettings = Schema.Struct({
  users: withDefault(Schema.Record(Schema.String, AuthUser), {}, "Name of a user → how that user logs in."),
  authorizedKeysFile: optional(
    Schema.NonEmptyString.annotate({ message: "must name a file" }),
    "File of public keys for any user, in OpenSSH's authorized_keys format."
  ),
  trustedUserCAKeys: withDefault(
    Schema.Array(PublicKeySourceFromString),
    [],
    "Authorities whose certificates let in the users that they name: public keys, or files of them."
  ),
  revokedKeys: withDefault(
    Schema.Array(PublicKeySourceFromString),
    [],
    "Keys that let nobody in, by themselves, in a certificate, or as an authority: public keys, or files of them."
  )
})

/**
 * @since 0.1.0
 * @category models
 */
export type AuthSettings = typeof AuthSettings.Type
