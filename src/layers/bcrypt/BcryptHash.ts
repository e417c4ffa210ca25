/**
 * The notation of bcrypt hashes: `$2b$COST$` and 53 characters, salt and hash.
 */
import * as Result from "effect/Result"
import { HashNotSupported } from "../../schema/PasswordHashError.ts"

/** Less is not defined; one more doubles the time, and at 16 one comparison takes seconds. */
const minimumCost = 4
const maximumCost = 16

/** A hash that can be compared with. */
export interface BcryptHash {
  readonly text: string
  /** The binary logarithm of the work. */
  readonly cost: number
}

const notation = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/u

/** Parses the notation and checks the cost. */
export const parse = (text: string): Result.Result<BcryptHash, HashNotSupported> => {
  const cost = Number(notation.exec(text)?.[1])
  return cost >= minimumCost && cost <= maximumCost
    ? // $2y$ is PHP's and Apache's name for what everybody else calls $2b$.
      Result.succeed({ text: text.replace(/^\$2y/u, "$2b"), cost })
    : Result.fail(
        new HashNotSupported({ expected: `a bcrypt hash ($2b$…) of a cost from ${minimumCost} to ${maximumCost}` })
      )
}

/** A hash to spend the work of a cost on. Its salt is no secret, for its answer is never listened to. */
export const dummy = (cost: number): string =>
  `$2b$${String(cost).padStart(2, "0")}$${"dockerrun.nobody".padEnd(53, ".")}`
