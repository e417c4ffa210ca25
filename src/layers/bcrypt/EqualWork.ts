/**
 * Comparisons that cost the same, whichever hash they fail against.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { PasswordHashError } from "../../schema/PasswordHashError.ts"
import type { PasswordVerifier } from "../../services/PasswordHasher.ts"
import * as BcryptHash from "./BcryptHash.ts"
import { passwordProblem } from "./PasswordLimits.ts"

/** Compares a password with a hash in bcrypt's notation; takes work of 2 to the power of the hash's cost. */
export type Compare = (password: string, hash: string) => Effect.Effect<boolean, PasswordHashError>

/** The cost when there is no hash at all to take after. */
const defaultCost = 12

/** The verifier for these hashes: each failure costs as much as the dearest of them. */
export const verifier = (
  compare: Compare,
  hashes: ReadonlyArray<Redacted.Redacted>
): Effect.Effect<PasswordVerifier, PasswordHashError> =>
  Effect.gen(function* () {
    const parse = (hash: Redacted.Redacted) =>
      Effect.fromResult(BcryptHash.parse(Redacted.value(hash))).pipe(
        Effect.mapError((reason) => new PasswordHashError({ reason }))
      )
    const costs = (yield* Effect.forEach(hashes, parse)).map(({ cost }) => cost)
    const highest = costs.length === 0 ? defaultCost : Math.max(...costs)

    return Effect.fnUntraced(function* (redacted: Redacted.Redacted, hash) {
      const password = Redacted.value(redacted)
      if (hash === undefined || passwordProblem(password) !== undefined) {
        yield* compare(password, BcryptHash.dummy(highest))
        return false
      }
      const { cost, text } = yield* parse(hash)
      if (yield* compare(password, text)) return true
      // 2^c + 2^c + 2^(c+1) + … + 2^(h-1) = 2^h
      for (let rest = cost; rest < highest; rest++) yield* compare(password, BcryptHash.dummy(rest))
      return false
    })
  })
