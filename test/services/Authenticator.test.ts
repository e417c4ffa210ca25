import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { Authenticator } from "../../src/services/Authenticator.ts"

const password = (text: string) =>
  ({ _tag: "Password", username: "alice", password: Redacted.make(text), remoteAddress: "192.0.2.7" }) as const

const query = {
  _tag: "KeyQuery",
  username: "alice",
  key: { algorithm: "ssh-ed25519", blob: new Uint8Array() },
  remoteAddress: "192.0.2.7"
} as const

describe("Authenticator", () => {
  it.effect("layerDenyAll lets nobody in and offers nothing", () =>
    Effect.gen(function* () {
      const { authenticate, mayUse, methods } = yield* Authenticator
      assert.deepStrictEqual(methods, [])
      assert.isFalse(yield* mayUse(query))
      assert.strictEqual((yield* authenticate(password("x")))._tag, "Rejected")
      assert.strictEqual((yield* authenticate({ ...query, _tag: "VerifiedKey" }))._tag, "Rejected")
    }).pipe(Effect.provide(Authenticator.layerDenyAll))
  )

  it.effect("layerTest lets in whom the predicate accepts, and says by which method", () =>
    Effect.gen(function* () {
      const { authenticate, mayUse } = yield* Authenticator
      assert.deepStrictEqual(yield* authenticate(password("yes")), {
        _tag: "Accepted",
        identity: { username: "alice", method: "password" }
      })
      assert.deepStrictEqual(yield* authenticate(password("no")), { _tag: "Rejected", reason: "WrongPassword" })
      assert.deepStrictEqual(yield* authenticate({ ...query, _tag: "VerifiedKey" }), {
        _tag: "Rejected",
        reason: "UnknownKey"
      })
      assert.isTrue(yield* mayUse(query))
    }).pipe(
      Effect.provide(
        Authenticator.layerTest((request) =>
          request._tag === "Password" ? Redacted.value(request.password) === "yes" : request._tag === "KeyQuery"
        )
      )
    )
  )
})
