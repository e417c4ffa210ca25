import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as BcryptPasswordHasher from "../../../src/layers/BcryptPasswordHasher.ts"
import * as AuthorizedKeys from "../../../src/layers/authenticator/AuthorizedKeys.ts"
import * as UserCertificates from "../../../src/layers/authenticator/UserCertificates.ts"
import * as ConfigAuthenticator from "../../../src/layers/ConfigAuthenticator.ts"
import type { PublicKey } from "../../../src/schema/AuthenticationRequest.ts"
import { AuthConfig } from "../../../src/services/AuthConfig.ts"
import { Authenticator } from "../../../src/services/Authenticator.ts"
import * as Certificate from "../../../src/services/Certificate.ts"
import * as CertificateGrant from "../../../src/services/CertificateGrant.ts"
import { type LogEvent, Logger } from "../../../src/services/Logger.ts"
import { certify, type CertificateOptions } from "../../support/Certificates.ts"
import { generateKey, type KeyPair } from "../../support/OpenSsh.ts"
import { temporaryDirectory } from "../../support/TemporaryDirectory.ts"

type Section = Parameters<typeof AuthConfig.layer>[0]

const authenticator = Effect.fnUntraced(function* (section: Section, events: Array<LogEvent> = []) {
  const context = yield* Layer.build(
    ConfigAuthenticator.layer.pipe(
      Layer.provide([
        AuthConfig.layer(section),
        Layer.succeed(Logger, { log: (event) => Effect.sync(() => void events.push(event)) }),
        BcryptPasswordHasher.layer,
        NodeFileSystem.layer
      ])
    )
  )
  return Context.get(context, Authenticator)
})

const login = Effect.fnUntraced(function* (
  section: Section,
  key: PublicKey,
  client: { readonly remoteAddress?: string; readonly username?: string } = {}
) {
  const { remoteAddress = "192.0.2.7", username = "alice" } = client
  const { authenticate } = yield* authenticator(section)
  return yield* authenticate({ _tag: "VerifiedKey", username, remoteAddress, key })
})

const detailOf = (result: { readonly _tag: string; readonly detail?: string | undefined }) =>
  result._tag === "Rejected" ? result.detail : "accepted"

/** An authority, and a key with a certificate of it. */
const certified = Effect.fnUntraced(function* (options: CertificateOptions = {}) {
  const authority = yield* generateKey("ed25519")
  const key = yield* generateKey("ed25519")
  const certificate = yield* certify(authority, key, { principals: ["alice"], ...options })
  return { authority, key, certificate, section: { trustedUserCAKeys: [authority.publicKey] } }
})

const plain = (key: KeyPair): PublicKey => {
  const [algorithm = "", base64 = ""] = key.publicKey.split(" ")
  return { algorithm, blob: new Uint8Array(Buffer.from(base64, "base64")) }
}

describe("a user's certificate", () => {
  it.live("lets in whom a trusted authority names, with keys and authorities of every kind", () =>
    Effect.gen(function* () {
      const kinds = [
        ["ed25519", undefined],
        ["ecdsa", 256],
        ["ecdsa", 384],
        ["ecdsa", 521],
        ["rsa", 2048]
      ] as const
      for (const [type, bits] of kinds) {
        const size = bits === undefined ? {} : { bits }
        const authority = yield* generateKey(type, size)
        const key = yield* generateKey(type, size)
        const certificate = yield* certify(authority, key, { principals: ["bob", "alice"], serial: 42 })
        const result = yield* login({ trustedUserCAKeys: [authority.publicKey] }, certificate)
        assert.deepStrictEqual(
          result,
          {
            _tag: "Accepted",
            identity: {
              username: "alice",
              method: "publickey",
              fingerprint: key.fingerprint,
              certificate: { keyId: "a test", serial: "42", authority: authority.fingerprint },
              permissions: { pty: true, portForwarding: true, agentForwarding: true }
            }
          },
          `${type} ${bits}`
        )
      }
    })
  )

  it.live("is refused when it is not good, and the log has why", () =>
    Effect.gen(function* () {
      const refusals: ReadonlyArray<readonly [string, CertificateOptions]> = [
        ["expired on 2020-02-01T00:00:00.000Z", { validity: "20200101000000Z:20200201000000Z" }],
        ["not valid before 2099-01-01T00:00:00.000Z", { validity: "20990101000000Z:20990201000000Z" }],
        ["names none of the user's principals", { principals: ["bob", "Alice", "alice "] }],
        ["not one for users", { host: true }],
        ["not good from this address", { options: ["source-address=192.0.2.0/29,2001:db8::/32", "clear"] }],
        ['the critical option "fly" is not known', { options: ["critical:fly=high"] }],
        ['the critical option "verify-required" is not known', { options: ["verify-required"] }]
      ]
      for (const [detail, options] of refusals) {
        const { certificate, section } = yield* certified(options)
        const result = yield* login(section, certificate, { remoteAddress: "192.0.2.9" })
        assert.include(detailOf(result), detail)
      }
      const { certificate, key, section } = yield* certified()
      const stranger = yield* generateKey("ed25519")
      const unknown = yield* login({ trustedUserCAKeys: [stranger.publicKey] }, certificate)
      assert.include(detailOf(unknown), "authority is not trusted")
      // The key of the certificate is not one that is good by itself, and an authority's is not either.
      assert.strictEqual((yield* login(section, plain(key)))._tag, "Rejected")
      const nameless = yield* certify(yield* generateKey("ed25519"), key)
      assert.strictEqual((yield* login(section, nameless))._tag, "Rejected")
    })
  )

  it.live("without principals is good for nobody", () =>
    Effect.gen(function* () {
      const authority = yield* generateKey("ed25519")
      const certificate = yield* certify(authority, yield* generateKey("ed25519"))
      const result = yield* login({ trustedUserCAKeys: [authority.publicKey] }, certificate)
      assert.include(detailOf(result), "names no principals")
    })
  )

  it.live("binds its bearer to what it says", () =>
    Effect.gen(function* () {
      const bound = yield* certified({
        validity: "-1h:+1h",
        options: ["clear", "force-command=uptime -p", "source-address=192.0.2.7,2001:db8::/32"]
      })
      for (const remoteAddress of ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::9"]) {
        const result = yield* login(bound.section, bound.certificate, { remoteAddress })
        assert.deepInclude(result._tag === "Accepted" ? result.identity : {}, {
          forcedCommand: "uptime -p",
          permissions: { pty: false, portForwarding: false, agentForwarding: false }
        })
      }
      const lesser = yield* certified({ options: ["no-pty", "no-agent-forwarding"] })
      const result = yield* login(lesser.section, lesser.certificate)
      assert.deepStrictEqual(result._tag === "Accepted" ? result.identity.permissions : undefined, {
        pty: false,
        portForwarding: true,
        agentForwarding: false
      })
      const under = (options: string, { authority, certificate }: typeof bound) =>
        login({ trustedUserCAKeys: [`${options} ${authority.publicKey}`] }, certificate)
      const both = yield* under('command="uptime -p",no-port-forwarding,permitlisten="80"', lesser)
      assert.deepInclude(both._tag === "Accepted" ? both.identity : {}, {
        forcedCommand: "uptime -p",
        permissions: { pty: false, portForwarding: false, agentForwarding: false, permitListen: ["80"] }
      })
      assert.strictEqual((yield* under('command="uptime -p"', bound))._tag, "Accepted")
      assert.include(detailOf(yield* under('command="uptime"', bound)), "the authority's line has another command")
    })
  )

  it.live("is for the principals of the user, where there are some", () =>
    Effect.gen(function* () {
      const { certificate, section } = yield* certified({ principals: ["operators"] })
      const users = { alice: { authorizedPrincipals: ["operators", "admins"] }, bob: {} } as const
      assert.strictEqual((yield* login({ ...section, users }, certificate))._tag, "Accepted")
      assert.strictEqual((yield* login({ ...section, users }, certificate, { username: "bob" }))._tag, "Rejected")
      const own = yield* certified({ principals: ["alice"] })
      assert.strictEqual((yield* login({ ...own.section, users }, own.certificate))._tag, "Rejected")
    })
  )

  it.live("is not good any more when its key or its authority is revoked, in a file at once", () =>
    Effect.gen(function* () {
      const { authority, certificate, key, section } = yield* certified()
      for (const line of [key.publicKey, authority.publicKey]) {
        assert.include(detailOf(yield* login({ ...section, revokedKeys: [line] }, certificate)), "is revoked")
      }
      const listed = { users: { alice: { authorizedKeys: [key.publicKey] } } }
      assert.strictEqual((yield* login(listed, plain(key)))._tag, "Accepted")
      const revokedKey = yield* login({ ...listed, revokedKeys: [key.publicKey] }, plain(key))
      assert.strictEqual(detailOf(revokedKey), "the key is revoked")

      const file = join(yield* temporaryDirectory, "revoked")
      const events: Array<LogEvent> = []
      const { mayUse } = yield* authenticator({ ...section, revokedKeys: [file] }, events)
      const asks = mayUse({ _tag: "KeyQuery", username: "alice", remoteAddress: "192.0.2.7", key: certificate })
      const write = (text: string) => Effect.promise(() => writeFile(file, text))
      assert.isFalse(yield* asks, "nobody knows what is revoked")
      assert.match(events[0]?.message ?? "", /cannot be read, nobody gets in by a key: NotFound/u)
      yield* write("")
      assert.isTrue(yield* asks)
      yield* write(`# stolen\n${key.publicKey}\n`)
      assert.isFalse(yield* asks)
      yield* write("ssh-ed25519 half of a line\n")
      assert.isFalse(yield* asks, "a line that cannot be read could be the one")
      yield* write("")
      assert.isTrue(yield* asks)
    })
  )

  it.live("of an authority in a file is good", () =>
    Effect.gen(function* () {
      const { authority, certificate } = yield* certified()
      const file = `${authority.privateFile}.pub`
      assert.strictEqual((yield* login({ trustedUserCAKeys: [file] }, certificate))._tag, "Accepted")
      assert.include(yield* Effect.promise(() => readFile(file, "utf8")), "ssh-ed25519")
    })
  )

  it.live("is good from its first second on, and not in its last", () =>
    Effect.gen(function* () {
      const { certificate } = yield* certified({ validity: "20310101000000Z:20310601000000Z" })
      const parsed = yield* Effect.fromResult(Certificate.parse(certificate.blob))
      const at = (time: string) =>
        CertificateGrant.judge(parsed, { principals: ["alice"], remoteAddress: "192.0.2.7", now: Date.parse(time) })
      assert.isTrue(Result.isFailure(at("2030-12-31T23:59:59.999Z")))
      assert.isTrue(Result.isSuccess(at("2031-01-01T00:00:00.000Z")))
      assert.isTrue(Result.isSuccess(at("2031-05-31T23:59:59.999Z")))
      assert.isTrue(Result.isFailure(at("2031-06-01T00:00:00.000Z")))
    })
  )

  it.live("that was altered or cut anywhere is refused, and nothing is thrown", () =>
    Effect.gen(function* () {
      const { authority, certificate } = yield* certified({ options: ["force-command=true"] })
      const authorities = AuthorizedKeys.parse(authority.publicKey, String)
      const circumstances = {
        authorities,
        revoked: AuthorizedKeys.empty,
        principals: ["alice"],
        remoteAddress: "192.0.2.7",
        now: Date.now()
      }
      const isGood = (blob: Uint8Array) => Result.isSuccess(UserCertificates.judge(blob, circumstances))
      assert.isTrue(isGood(certificate.blob))
      // Each byte in turn, so that no field is left out.
      for (let i = 0; i < certificate.blob.length; i++) {
        const altered = certificate.blob.slice()
        altered[i] = (altered[i] ?? 0) ^ (1 << (i % 8))
        assert.isFalse(isGood(altered), `byte ${i}`)
        assert.isFalse(isGood(certificate.blob.subarray(0, i)), `cut at ${i}`)
      }
      assert.isFalse(isGood(new Uint8Array([...certificate.blob, 0])))
    })
  )
})

describe("the reader of certificates", () => {
  it.live("takes 100 000 inputs that are almost certificates without throwing", () =>
    Effect.gen(function* () {
      const { certificate } = yield* certified({ options: ["force-command=true", "source-address=192.0.2.0/24"] })
      let seed = 20_260
      const random = (below: number) => {
        // A linear congruential generator: the same inputs each time.
        seed = (seed * 1_664_525 + 1_013_904_223) >>> 0
        return seed % below
      }
      let read = 0
      for (let i = 0; i < 100_000; i++) {
        const blob = certificate.blob.slice(0, random(4) === 0 ? random(certificate.blob.length) : undefined)
        for (let changes = random(4); changes > 0 && blob.length > 0; changes--) {
          blob[random(blob.length)] = [0, 1, 0x7f, 0x80, 0xff, random(256)][random(6)] ?? 0
        }
        const parsed = Certificate.parse(blob)
        if (Result.isSuccess(parsed)) {
          read += 1
          assert.isTrue(parsed.success.signed.length < blob.length)
        }
      }
      assert.isAbove(read, 1_000)
    })
  )
})
