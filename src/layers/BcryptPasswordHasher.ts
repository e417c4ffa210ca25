/**
 * Password hashes by bcrypt.
 *
 * @since 0.1.0
 */
import bcrypt from "bcrypt"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Semaphore from "effect/Semaphore"
import { HashingFailed, PasswordHashError } from "../schema/PasswordHashError.ts"
import { PasswordHasher } from "../services/PasswordHasher.ts"
import * as EqualWork from "./bcrypt/EqualWork.ts"
import { passwordProblem } from "./bcrypt/PasswordLimits.ts"

/** About a quarter of a second on a machine of 2024. */
const hashCost = 12

/**
 * Hashing runs on libuv's pool of four threads, which files and name look-ups share; a flood of logins takes half of
 * them and no more.
 */
const concurrency = 2

const make = Effect.gen(function* () {
  const semaphore = yield* Semaphore.make(concurrency)

  // A thread cannot be called back: a client that hangs up gives its permit back when the thread is free, not before.
  // Waiting for a permit can be interrupted.
  const onThread = <A>(run: () => Promise<A>): Effect.Effect<A, PasswordHashError> =>
    Effect.tryPromise({
      try: run,
      catch: (cause) => new PasswordHashError({ reason: new HashingFailed({ cause }) })
    }).pipe(Effect.uninterruptible, semaphore.withPermits(1))

  return PasswordHasher.of({
    hash: Effect.fn("PasswordHasher.hash")(function* (redacted) {
      const password = Redacted.value(redacted)
      const reason = passwordProblem(password)
      if (reason !== undefined) return yield* new PasswordHashError({ reason })
      return yield* onThread(() => bcrypt.hash(password, hashCost))
    }),
    verifier: (hashes) => EqualWork.verifier((password, hash) => onThread(() => bcrypt.compare(password, hash)), hashes)
  })
})

/**
 * Hashes with bcrypt (`$2b$`) at cost 12; compares with `$2a$`, `$2b$` and `$2y$` hashes of a cost from 4 to 16.
 *
 * bcrypt takes in 72 bytes of a password: longer ones are refused by `hash` and never match. Two passwords at a time are
 * hashed, off the event loop; the others wait their turn.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<PasswordHasher> = Layer.effect(PasswordHasher, make)
