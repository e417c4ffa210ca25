import bcrypt from "bcrypt"
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as BcryptPasswordHasher from "../../src/layers/BcryptPasswordHasher.ts"
import { PasswordHasher } from "../../src/services/PasswordHasher.ts"

const hashed = (password: string) => Effect.promise(async () => Redacted.make(await bcrypt.hash(password, 4)))

describe("BcryptPasswordHasher", () => {
  layer(BcryptPasswordHasher.layer)((it) => {
    it.effect("makes hashes of cost 12 that it then recognises", () =>
      Effect.gen(function* () {
        const hasher = yield* PasswordHasher
        const hash = yield* hasher.hash(Redacted.make("correct horse"))
        assert.match(hash, /^\$2b\$12\$[./A-Za-z0-9]{53}$/u)
        const verify = yield* hasher.verifier([Redacted.make(hash)])
        assert.isTrue(yield* verify(Redacted.make("correct horse"), Redacted.make(hash)))
        assert.isFalse(yield* verify(Redacted.make("correct hors"), Redacted.make(hash)))
      })
    )

    it.effect("salts: the same password has another hash each time", () =>
      Effect.gen(function* () {
        const { hash } = yield* PasswordHasher
        assert.notStrictEqual(yield* hash(Redacted.make("a")), yield* hash(Redacted.make("a")))
      })
    )

    it.effect("takes hashes of other tools: $2a$, and $2y$ as htpasswd writes it", () =>
      Effect.gen(function* () {
        const { verifier } = yield* PasswordHasher
        const made = Redacted.value(yield* hashed("secret"))
        for (const prefix of ["$2a$", "$2b$", "$2y$"]) {
          const hash = Redacted.make(made.replace("$2b$", prefix))
          const verify = yield* verifier([hash])
          assert.isTrue(yield* verify(Redacted.make("secret"), hash), prefix)
          assert.isFalse(yield* verify(Redacted.make("Secret"), hash), prefix)
        }
      })
    )

    it.effect("matches nobody without a hash, not even an empty password", () =>
      Effect.gen(function* () {
        const { verifier } = yield* PasswordHasher
        const verify = yield* verifier([yield* hashed("x")])
        assert.isFalse(yield* verify(Redacted.make(""), undefined))
        assert.isFalse(yield* verify(Redacted.make("x"), undefined))
        assert.isFalse(yield* verify(Redacted.make(""), yield* hashed("")))
      })
    )

    it.effect("does not take 72 bytes for the whole of a longer password", () =>
      Effect.gen(function* () {
        const { hash, verifier } = yield* PasswordHasher
        const limit = yield* hashed("a".repeat(72))
        const verify = yield* verifier([limit])
        assert.isTrue(yield* verify(Redacted.make("a".repeat(72)), limit))
        assert.isFalse(yield* verify(Redacted.make("a".repeat(73)), limit))
        const error = yield* Effect.flip(hash(Redacted.make("ü".repeat(37))))
        assert.strictEqual(error.message, "the password has 74 bytes, and no more than 72 can be used")
      })
    )

    it.effect("refuses to hash what nobody can log in with", () =>
      Effect.gen(function* () {
        const { hash } = yield* PasswordHasher
        assert.strictEqual((yield* Effect.flip(hash(Redacted.make("")))).reason._tag, "PasswordEmpty")
        assert.strictEqual((yield* Effect.flip(hash(Redacted.make("a\0b")))).reason._tag, "PasswordContainsNul")
      })
    )

    it.effect("hashes two at a time", () =>
      Effect.gen(function* () {
        const original = bcrypt.compare
        let running = 0
        let most = 0
        yield* Effect.acquireRelease(
          Effect.sync(() => {
            bcrypt.compare = async (password: string | Buffer, hash: string) => {
              most = Math.max(most, ++running)
              return original(password, hash).finally(() => running--)
            }
          }),
          () =>
            Effect.sync(() => {
              bcrypt.compare = original
            })
        )
        const { verifier } = yield* PasswordHasher
        const hash = yield* hashed("x")
        const verify = yield* verifier([hash])
        yield* Effect.forEach(Array.from({ length: 20 }), () => verify(Redacted.make("y"), hash), { concurrency: 20 })
        assert.strictEqual(most, 2)
      })
    )
  })
})
