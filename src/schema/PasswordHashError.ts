/**
 * Why a password cannot be hashed, or compared with a hash.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The password has no characters.
 *
 * @since 0.1.0
 * @category reasons
 */
export class PasswordEmpty extends Schema.TaggedError<PasswordEmpty>("dockerrun/PasswordEmpty")("PasswordEmpty", {}) {
  override get message(): string {
    return "the password is empty"
  }
}

/**
 * The password has more bytes than the hash takes in; what lies beyond would not count.
 *
 * @since 0.1.0
 * @category reasons
 */
export class PasswordTooLong extends Schema.TaggedError<PasswordTooLong>("dockerrun/PasswordTooLong")(
  "PasswordTooLong",
  {
    /** Length in bytes of UTF-8. */
    bytes: Schema.Int,
    limit: Schema.Int
  }
) {
  override get message(): string {
    return `the password has ${this.bytes} bytes, and no more than ${this.limit} can be used`
  }
}

/**
 * The password contains a NUL character, which nobody can type.
 *
 * @since 0.1.0
 * @category reasons
 */
export class PasswordContainsNul extends Schema.TaggedError<PasswordContainsNul>("dockerrun/PasswordContainsNul")(
  "PasswordContainsNul",
  {}
) {
  override get message(): string {
    return "the password contains a NUL character"
  }
}

/**
 * The hash is of another kind, damaged, or made with a cost that is out of bounds.
 *
 * @since 0.1.0
 * @category reasons
 */
export class HashNotSupported extends Schema.TaggedError<HashNotSupported>("dockerrun/HashNotSupported")(
  "HashNotSupported",
  { expected: Schema.String }
) {
  override get message(): string {
    return `the password hash is not ${this.expected}; make one with \`dockerrun hash-password\``
  }
}

/**
 * The implementation of the hash failed.
 *
 * @since 0.1.0
 * @category reasons
 */
export class HashingFailed extends Schema.TaggedError<HashingFailed>("dockerrun/HashingFailed")("HashingFailed", {
  cause: Schema.Defect()
}) {
  override get message(): string {
    return "hashing the password failed"
  }
}

/**
 * The one error of the `PasswordHasher` service. Quotes neither passwords nor hashes.
 *
 * @since 0.1.0
 * @category errors
 */
export class PasswordHashError extends Schema.TaggedError<PasswordHashError>("dockerrun/PasswordHashError")(
  "PasswordHashError",
  { reason: Schema.Union([PasswordEmpty, PasswordTooLong, PasswordContainsNul, HashNotSupported, HashingFailed]) }
) {
  readonly code = "DOCKERRUN_PASSWORD_HASH"
  override get message(): string {
    return this.reason.message
  }
}
