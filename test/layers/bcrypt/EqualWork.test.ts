import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as EqualWork from "../../../src/layers/bcrypt/EqualWork.ts"

const hashAt = (cost: string) => Redacted.make(`$2b$${cost}$${"x".repeat(53)}`)

const cheap = hashAt("06")
const dear = hashAt("10")

/** Counts the work of all comparisons; only this password matches, and only the hashes above. */
const counted = () => {
  let work = 0
  const compare: EqualWork.Compare = (password, hash) =>
    Effect.sync(() => {
      work += 2 ** Number(hash.slice(4, 6))
      return password === "right" && [Redacted.value(cheap), Redacted.value(dear)].includes(hash)
    })
  return {
    compare,
    spent: () => {
      const spent = work
      work = 0
      return spent
    }
  }
}

describe("the work of a comparison", () => {
  it.effect("is the same for each failure: known and unknown users, cheap and dear hashes, impossible passwords", () =>
    Effect.gen(function* () {
      const { compare, spent } = counted()
      const verify = yield* EqualWork.verifier(compare, [cheap, dear])
      for (const [password, hash] of [
        ["wrong", cheap],
        ["wrong", dear],
        ["wrong", undefined],
        ["right", undefined],
        ["", undefined],
        ["", cheap],
        ["x".repeat(73), dear],
        ["right\0", cheap],
        ["ü".repeat(37), cheap]
      ] as const) {
        assert.isFalse(yield* verify(Redacted.make(password), hash))
        assert.strictEqual(spent(), 2 ** 10, JSON.stringify(password))
      }
    })
  )

  it.effect("matches the right password", () =>
    Effect.gen(function* () {
      const { compare } = counted()
      const verify = yield* EqualWork.verifier(compare, [cheap, dear])
      assert.isTrue(yield* verify(Redacted.make("right"), cheap))
      assert.isTrue(yield* verify(Redacted.make("right"), dear))
    })
  )

  it.effect("refuses hashes of another kind or an impossible cost, and does not quote them", () =>
    Effect.gen(function* () {
      const { compare } = counted()
      for (const hash of [
        `$6$rounds=5000$${"y".repeat(60)}`,
        `$2b$03$${"y".repeat(53)}`,
        `$2b$31$${"y".repeat(53)}`,
        "",
        "yyyyyy"
      ]) {
        const error = yield* Effect.flip(EqualWork.verifier(compare, [Redacted.make(hash)]))
        assert.strictEqual(error.reason._tag, "HashNotSupported")
        assert.include(error.message, "dockerrun hash-password")
        assert.notInclude(error.message, "yyyyyy")
      }
    })
  )
})
