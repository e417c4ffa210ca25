import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import bcrypt from "bcrypt"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import * as BcryptPasswordHasher from "../../src/layers/BcryptPasswordHasher.ts"
import * as ConfigAuthenticator from "../../src/layers/ConfigAuthenticator.ts"
import type { AuthSettings } from "../../src/schema/AuthConfig.ts"
import { HashingFailed, PasswordHashError } from "../../src/schema/PasswordHashError.ts"
import { AuthConfig } from "../../src/services/AuthConfig.ts"
import { Authenticator } from "../../src/services/Authenticator.ts"
import { type LogEvent, Logger } from "../../src/services/Logger.ts"
import { PasswordHasher, type PasswordVerifier } from "../../src/services/PasswordHasher.ts"
import { generateKey } from "../support/OpenSsh.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"

const remoteAddress = "192.0.2.7"

const recorded = () => {
  const events: Array<LogEvent> = []
  return {
    events,
    layer: Layer.succeed(Logger, Logger.of({ log: (event) => Effect.sync(() => void events.push(event)) }))
  }
}

const build = (
  settings: Omit<AuthSettings, "revokedKeys" | "trustedUserCAKeys">,
  options: { readonly hasher?: Layer.Layer<PasswordHasher>; readonly logger?: Layer.Layer<Logger> } = {}
) =>
  Layer.build(
    ConfigAuthenticator.layer.pipe(
      Layer.provide([
        Layer.succeed(AuthConfig, { trustedUserCAKeys: [], revokedKeys: [], ...settings }),
        options.hasher ?? BcryptPasswordHasher.layer,
        options.logger ?? recorded().layer,
        NodeFileSystem.layer
      ])
    )
  ).pipe(
    Effect.map((context) => Authenticator.pipe(Effect.provideContext(context))),
    Effect.flatten
  )

const hashOf = (password: string) => Effect.promise(async () => Redacted.make(await bcrypt.hash(password, 4)))

const password = (username: string, text: string) =>
  ({ _tag: "Password", username, password: Redacted.make(text), remoteAddress }) as const

const keyOf = (publicKey: string) => {
  const [algorithm = "", base64 = ""] = publicKey.split(" ")
  return { algorithm, blob: new Uint8Array(Buffer.from(base64, "base64")) }
}

const verifiedKey = (username: string, publicKey: string) =>
  ({ _tag: "VerifiedKey", username, key: keyOf(publicKey), remoteAddress }) as const

const query = (username: string, publicKey: string) =>
  ({ _tag: "KeyQuery", username, key: keyOf(publicKey), remoteAddress }) as const

/** A hasher that never matches and counts what it was asked. */
const countingHasher = (verify: PasswordVerifier) =>
  Layer.succeed(
    PasswordHasher,
    PasswordHasher.of({ hash: () => Effect.succeed(""), verifier: () => Effect.succeed(verify) })
  )

describe("ConfigAuthenticator", () => {
  describe("passwords", () => {
    it.live("lets in the right password of the right user, and nothing else", () =>
      Effect.gen(function* () {
        const { authenticate, methods } = yield* build({
          users: {
            alice: { authorizedKeys: [], passwordHash: yield* hashOf("wonderland") },
            bob: { authorizedKeys: [], passwordHash: yield* hashOf("builder") },
            carol: { authorizedKeys: [] }
          }
        })
        assert.deepStrictEqual(methods, ["password"])
        assert.deepStrictEqual(yield* authenticate(password("alice", "wonderland")), {
          _tag: "Accepted",
          identity: { username: "alice", method: "password" }
        })
        for (const [username, text, reason] of [
          ["alice", "builder", "WrongPassword"],
          ["alice", "", "WrongPassword"],
          ["Alice", "wonderland", "UnknownUser"],
          ["", "wonderland", "UnknownUser"],
          ["constructor", "wonderland", "UnknownUser"],
          ["__proto__", "", "UnknownUser"],
          ["carol", "", "NoPassword"],
          ["carol", "wonderland", "NoPassword"]
        ] as const) {
          assert.deepStrictEqual(yield* authenticate(password(username, text)), { _tag: "Rejected", reason }, username)
        }
      })
    )

    it.effect("costs a known user, one without a password and an unknown one the same comparison", () =>
      Effect.gen(function* () {
        const asked: Array<boolean> = []
        const hasher = countingHasher((_, hash) =>
          Effect.sync(() => asked.push(hash !== undefined)).pipe(Effect.as(false))
        )
        const { authenticate } = yield* build(
          { users: { alice: { authorizedKeys: [], passwordHash: Redacted.make("x") }, carol: { authorizedKeys: [] } } },
          { hasher }
        )
        for (const username of ["alice", "carol", "nobody"]) {
          const fiber = yield* Effect.forkChild(authenticate(password(username, "x")), { startImmediately: true })
          yield* TestClock.adjust("7 millis")
          assert.isUndefined(fiber.pollUnsafe(), `${username} was answered before the slot`)
          yield* TestClock.adjust("1 millis")
          assert.strictEqual((yield* Fiber.join(fiber))._tag, "Rejected")
        }
        assert.deepStrictEqual(asked, [true, false, false])
      })
    )

    it.effect("keeps out whom it cannot judge, with a typed error", () =>
      Effect.gen(function* () {
        const reason = new HashingFailed({ cause: new Error("out of threads") })
        const { authenticate } = yield* build(
          { users: { alice: { authorizedKeys: [], passwordHash: Redacted.make("x") } } },
          { hasher: countingHasher(() => Effect.fail(new PasswordHashError({ reason }))) }
        )
        const error = yield* Effect.flip(authenticate(password("alice", "x")))
        assert.strictEqual(error._tag, "AuthenticationError")
        assert.strictEqual(error.code, "DOCKERRUN_AUTHENTICATION_UNAVAILABLE")
      })
    )

    it.live("are not accepted when no user has one", () =>
      Effect.gen(function* () {
        const { publicKey } = yield* generateKey()
        const { authenticate, methods } = yield* build({ users: { alice: { authorizedKeys: [publicKey] } } })
        assert.deepStrictEqual(methods, ["publickey"])
        assert.deepStrictEqual(yield* authenticate(password("alice", "")), {
          _tag: "Rejected",
          reason: "MethodNotOffered"
        })
      })
    )
  })

  describe("keys", () => {
    it.live("of a user are good for that user", () =>
      Effect.gen(function* () {
        const alice = yield* generateKey("ed25519")
        const bob = yield* generateKey("ecdsa")
        const { authenticate, mayUse } = yield* build({
          users: { alice: { authorizedKeys: [alice.publicKey] }, bob: { authorizedKeys: [bob.publicKey] } }
        })
        assert.deepStrictEqual(yield* authenticate(verifiedKey("alice", alice.publicKey)), {
          _tag: "Accepted",
          identity: { username: "alice", method: "publickey", fingerprint: alice.fingerprint }
        })
        assert.deepStrictEqual(yield* authenticate(verifiedKey("bob", alice.publicKey)), {
          _tag: "Rejected",
          reason: "UnknownKey"
        })
        assert.deepStrictEqual(yield* authenticate(verifiedKey("eve", alice.publicKey)), {
          _tag: "Rejected",
          reason: "UnknownUser"
        })
        assert.isTrue(yield* mayUse(query("alice", alice.publicKey)))
        assert.isFalse(yield* mayUse(query("bob", alice.publicKey)))
        assert.isFalse(yield* mayUse(query("eve", alice.publicKey)))
      })
    )

    it.live("of the file are good for any user, from the next login on and until the next one", () =>
      Effect.gen(function* () {
        const authorizedKeysFile = join(yield* temporaryDirectory, "authorized_keys")
        const { publicKey } = yield* generateKey()
        const log = recorded()
        const { authenticate, mayUse, methods } = yield* build({ users: {}, authorizedKeysFile }, { logger: log.layer })
        assert.deepStrictEqual(methods, ["publickey"])
        assert.deepStrictEqual(
          log.events.map(({ code, level }) => [level, code]),
          [["warning", "AUTHORIZED_KEYS_FILE"]]
        )
        assert.isFalse(yield* mayUse(query("anybody", publicKey)))
        yield* Effect.promise(() => writeFile(authorizedKeysFile, publicKey, { mode: 0o600 }))
        assert.isTrue(yield* mayUse(query("anybody", publicKey)))
        assert.strictEqual((yield* authenticate(verifiedKey("anybody", publicKey)))._tag, "Accepted")
        for (const username of ["", "a\nb", "x".repeat(256)]) {
          assert.strictEqual((yield* authenticate(verifiedKey(username, publicKey)))._tag, "Rejected")
        }
        yield* Effect.promise(() => writeFile(authorizedKeysFile, ""))
        assert.isFalse(yield* mayUse(query("anybody", publicKey)))
      })
    )

    it.live("with conditions tell the log which one was not met", () =>
      Effect.gen(function* () {
        const { publicKey } = yield* generateKey()
        const { authenticate } = yield* build({
          users: {
            alice: { authorizedKeys: [`from="10.0.0.0/8" ${publicKey}`, `expiry-time="20200101Z" ${publicKey}`] }
          }
        })
        assert.deepStrictEqual(yield* authenticate(verifiedKey("alice", publicKey)), {
          _tag: "Rejected",
          reason: "KeyNotValid",
          detail:
            "auth.users.alice.authorizedKeys[0]: not from this address; " +
            "auth.users.alice.authorizedKeys[1]: expired on 2020-01-01T00:00:00.000Z"
        })
      })
    )

    it.effect("that nobody has are refused in the same slot for known and unknown users", () =>
      Effect.gen(function* () {
        const alice = yield* generateKey()
        const other = yield* generateKey()
        const { mayUse } = yield* build({ users: { alice: { authorizedKeys: [alice.publicKey] } } })
        for (const username of ["alice", "nobody"]) {
          const fiber = yield* Effect.forkChild(mayUse(query(username, other.publicKey)), { startImmediately: true })
          yield* TestClock.adjust("7 millis")
          assert.isUndefined(fiber.pollUnsafe())
          yield* TestClock.adjust("1 millis")
          assert.isFalse(yield* Fiber.join(fiber))
        }
      })
    )
  })

  it.effect("names all that is wrong with the configured credentials, and shows none of them", () =>
    Effect.gen(function* () {
      const { publicKey } = yield* generateKey()
      const base64 = publicKey.split(" ")[1] ?? ""
      const error = yield* Effect.flip(
        build({
          users: {
            alice: {
              authorizedKeys: [publicKey, `future-option ${publicKey}`],
              passwordHash: Redacted.make("$1$secret")
            },
            bob: { authorizedKeys: [`ssh-rsa ${base64}`] }
          }
        })
      )
      assert.strictEqual(error._tag, "CredentialsError")
      assert.deepStrictEqual(
        error.problems.map((problem) => problem.split(":")[0]),
        ["auth.users.alice.authorizedKeys[1]", "auth.users.alice.passwordHash", "auth.users.bob.authorizedKeys[0]"]
      )
      assert.notInclude(error.message, base64.slice(0, 24))
      assert.notInclude(error.message, "secret")
    })
  )

  it.live("says at the start that nobody gets in, when nobody does", () =>
    Effect.gen(function* () {
      const log = recorded()
      const { authenticate, mayUse, methods } = yield* build({ users: {} }, { logger: log.layer })
      const { publicKey } = yield* generateKey()
      assert.deepStrictEqual(methods, [])
      assert.deepStrictEqual(
        log.events.map(({ code }) => code),
        ["AUTH_NOBODY"]
      )
      assert.strictEqual((yield* authenticate(password("alice", "x")))._tag, "Rejected")
      assert.strictEqual((yield* authenticate(verifiedKey("alice", publicKey)))._tag, "Rejected")
      assert.isFalse(yield* mayUse(query("alice", publicKey)))
    })
  )
})
