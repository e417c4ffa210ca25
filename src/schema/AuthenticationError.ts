/**
 * What keeps a server from deciding who gets in.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Nobody can be judged at the moment: the means of the decision failed, not the person. The person is kept out all the
 * same.
 *
 * @since 0.1.0
 * @category errors
 */
export class AuthenticationError extends Schema.TaggedError<AuthenticationError>("dockerrun/AuthenticationError")(
  "AuthenticationError",
  {
    /** What was being done, such as `comparing the password`. */
    operation: Schema.String,
    cause: Schema.Defect()
  }
) {
  readonly code = "DOCKERRUN_AUTHENTICATION_UNAVAILABLE"
  override get message(): string {
    return `the server cannot decide who gets in: ${this.operation} failed`
  }
}

/**
 * The configured keys and password hashes are not what they should be. Names every fault at once; quotes neither keys
 * nor hashes.
 *
 * @since 0.1.0
 * @category errors
 */
export class CredentialsError extends Schema.TaggedError<CredentialsError>("dockerrun/CredentialsError")(
  "CredentialsError",
  {
    /** Each with its place (`auth.users.alice.authorizedKeys[0]: …`). */
    problems: Schema.Array(Schema.String)
  }
) {
  readonly code = "DOCKERRUN_CREDENTIALS_INVALID"
  override get message(): string {
    return ["the configured credentials cannot be used:", ...this.problems].join("\n  ")
  }
}
