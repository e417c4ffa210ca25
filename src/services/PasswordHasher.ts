/**
 * Turns passwords into hashes that may be written down, and compares passwords with them.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type { PasswordHashError } from "../schema/PasswordHashError.ts"

/**
 * Compares a password with one of the hashes that the verifier was made for, or with none. Every comparison that does
 * not match costs the same work, whichever hash it was, and also without one (which never matches): the time tells
 * nobody which users exist.
 *
 * @since 0.1.0
 * @category models
 */
export type PasswordVerifier = (
  password: Redacted.Redacted,
  hash: Redacted.Redacted | undefined
) => Effect.Effect<boolean, PasswordHashError>

/**
 * Hashes passwords, slowly and by intent.
 *
 * @since 0.1.0
 * @category services
 */
export class PasswordHasher extends Context.Service<
  PasswordHasher,
  {
    /**
     * A hash of the password, with a salt of its own. Fails when the password is empty, contains NUL, or is longer than
     * the hash takes in.
     */
    readonly hash: (password: Redacted.Redacted) => Effect.Effect<string, PasswordHashError>
    /** Fails with `HashNotSupported` when one of the hashes cannot be compared with. */
    readonly verifier: (hashes: ReadonlyArray<Redacted.Redacted>) => Effect.Effect<PasswordVerifier, PasswordHashError>
  }
>()("dockerrun/services/PasswordHasher") {}
