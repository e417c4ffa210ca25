import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { certify } from "../support/Certificates.ts"
import { describeEngine } from "../support/Engine.ts"
import { generateKey, ssh, type SshRequest } from "../support/OpenSsh.ts"
import { startServer } from "../support/Server.ts"

describeEngine("logging in with a certificate", () => {
  it.effect("works with OpenSSH's, of every kind of key, and binds to what it says", () =>
    Effect.gen(function* () {
      const authority = yield* generateKey("ed25519")
      const user = "certificate-user"
      const server = yield* startServer({ users: {}, auth: { trustedUserCAKeys: [authority.publicKey] } })
      const login = (identityFile: string, request: Partial<SshRequest> = {}) =>
        ssh({ port: server.port, user, identityFile, command: "echo in", ...request })

      for (const [type, bits] of [
        ["ed25519", 256],
        ["ecdsa", 384],
        ["rsa", 2048]
      ] as const) {
        const key = yield* generateKey(type, { bits })
        yield* certify(authority, key, { principals: [user], serial: bits })
        const result = yield* login(key.privateFile)
        assert.deepStrictEqual([result.stdout, result.status], ["in\n", 0], `${type}: ${result.stderr}`)
        const event = yield* server.waitForEvent("AUTHENTICATION_SUCCEEDED", ({ serial }) => serial === String(bits))
        assert.include(event, {
          username: user,
          fingerprint: key.fingerprint,
          keyId: "a test",
          authority: authority.fingerprint
        })
      }

      const bound = yield* generateKey("ed25519")
      yield* certify(authority, bound, {
        principals: [user],
        options: ["no-pty", 'force-command=echo "forced, not $SSH_ORIGINAL_COMMAND"', "source-address=127.0.0.0/8"]
      })
      const forced = yield* login(bound.privateFile)
      assert.deepStrictEqual([forced.stdout, forced.status], ["forced, not echo in\n", 0], forced.stderr)
      const terminal = yield* login(bound.privateFile, { tty: "-tt", options: { LogLevel: "INFO" } })
      assert.include(terminal.stderr, "PTY allocation request failed")

      const refusals = {
        expired: { principals: [user], validity: "20200101:20200201" },
        "not yet valid": { principals: [user], validity: "20990101:20990201" },
        "somebody else's": { principals: ["somebody-else"] },
        "a host's": { principals: [user], host: true },
        "from elsewhere": { principals: [user], options: ["source-address=192.0.2.0/24"] },
        "with an unknown option": { principals: [user], options: ["critical:unknown@example.org=yes"] }
      }
      for (const [what, options] of Object.entries(refusals)) {
        const key = yield* generateKey("ed25519")
        yield* certify(authority, key, options)
        const refused = yield* login(key.privateFile)
        assert.strictEqual(refused.status, 255, what)
        assert.match(refused.stderr, /Permission denied \(publickey\)/u, what)
      }
      // The certificate of one key and the signature of another.
      const thief = yield* generateKey("ed25519")
      const stolen = yield* login(thief.privateFile, { options: { CertificateFile: `${bound.privateFile}-cert.pub` } })
      assert.strictEqual(stolen.status, 255)
    })
  )
})
