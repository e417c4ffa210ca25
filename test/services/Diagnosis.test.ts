import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { CredentialsError } from "../../src/schema/AuthenticationError.ts"
import type { ExecutionConfig } from "../../src/schema/DockerRunConfig.ts"
import { AuthConfig } from "../../src/services/AuthConfig.ts"
import { Authenticator } from "../../src/services/Authenticator.ts"
import * as Diagnosis from "../../src/services/Diagnosis.ts"
import { DockerRunConfig } from "../../src/services/DockerRunConfig.ts"
import { Logger } from "../../src/services/Logger.ts"

const key = `ssh-ed25519 AAAA${"C3NzaC1lZDI1NTE5AAAAI".padEnd(64, "A")} alice`
const passwordHash = `$2b$12$${"a".repeat(53)}`

const verdicts = (findings: ReadonlyArray<Diagnosis.Finding>) =>
  findings.map(({ message, verdict }) => `${verdict}: ${message}`)

const programs = (config: typeof ExecutionConfig.Encoded) =>
  Diagnosis.programs.pipe(Effect.provide(DockerRunConfig.layer({ config })))

describe("Diagnosis", () => {
  describe("node", () => {
    it("asks for the version that the package asks for", () => {
      const Manifest = Schema.fromJsonString(Schema.Struct({ engines: Schema.Struct({ node: Schema.String }) }))
      const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8")
      const { engines } = Schema.decodeUnknownSync(Manifest)(text)
      const oldest = engines.node.replace(">=", "")
      assert.strictEqual(Diagnosis.node(`${oldest}.0`).verdict, "ok")
      const [major = 0, minor = 0] = oldest.split(".").map(Number)
      const tooOld = Diagnosis.node(`${major}.${minor - 1}.9`)
      assert.strictEqual(tooOld.verdict, "fail")
      assert.include(tooOld.remedy ?? "", oldest)
    })

    it("takes later versions, and refuses an old major with a high minor", () => {
      assert.strictEqual(Diagnosis.node("24.0.0").verdict, "ok")
      assert.strictEqual(Diagnosis.node("20.99.0").verdict, "fail")
    })
  })

  it("says what to do where SSH encryption runs in JavaScript", () => {
    assert.strictEqual(Diagnosis.encryption("native").verdict, "ok")
    const slow = Diagnosis.encryption("javascript")
    assert.strictEqual(slow.verdict, "warn")
    assert.include(slow.remedy ?? "", "npm rebuild ssh2")
  })

  describe("authentication", () => {
    it.effect("warns when nobody gets in", () =>
      Effect.gen(function* () {
        const findings = yield* Diagnosis.authentication(Authenticator.layerDenyAll)
        assert.deepStrictEqual(verdicts(findings), ["warn: nobody can log in: there is neither a key nor a password"])
      }).pipe(Effect.provide(AuthConfig.layer({})))
    )

    it.effect("counts users by how they get in", () =>
      Effect.gen(function* () {
        const findings = yield* Diagnosis.authentication(Authenticator.layerTest(() => true))
        assert.deepStrictEqual(verdicts(findings), [
          "ok: 3 users (2 with keys, 1 with a password), and whoever has a key of ./keys"
        ])
      }).pipe(
        Effect.provide(
          AuthConfig.layer({
            users: { alice: { authorizedKeys: [key] }, bob: { authorizedKeys: [key], passwordHash }, carol: {} },
            authorizedKeysFile: "./keys"
          })
        )
      )
    )

    it.effect("passes on what the authenticator warns of, and nothing below that", () =>
      Effect.gen(function* () {
        const warns = Layer.effect(
          Authenticator,
          Effect.gen(function* () {
            const logger = yield* Logger
            yield* logger.log({ level: "info", code: "A", message: "all is well" })
            yield* logger.log({ level: "warning", code: "B", message: "others can write ./keys" })
            return {
              methods: ["publickey"],
              mayUse: () => Effect.succeed(true),
              authenticate: () => Effect.die("unused")
            }
          })
        )
        const findings = yield* Diagnosis.authentication(warns)
        assert.deepStrictEqual(verdicts(findings), [
          "warn: others can write ./keys",
          "ok: 0 users (0 with keys, 0 with a password), and whoever has a key of ./keys"
        ])
      }).pipe(Effect.provide(AuthConfig.layer({ authorizedKeysFile: "./keys" })))
    )

    it.effect("names every credential that cannot be used", () =>
      Effect.gen(function* () {
        const broken = Layer.effect(Authenticator, Effect.fail(new CredentialsError({ problems: ["one", "two"] })))
        assert.deepStrictEqual(verdicts(yield* Diagnosis.authentication(broken)), ["fail: one", "fail: two"])
      }).pipe(Effect.provide(AuthConfig.layer({})))
    )
  })

  describe("programs", () => {
    it.effect("tells the shell and the subsystems", () =>
      Effect.gen(function* () {
        const findings = yield* programs({
          shellCommand: ["/bin/bash", "-l"],
          subsystems: { sftp: "/s", backup: "/b" }
        })
        assert.deepStrictEqual(verdicts(findings), ["ok: /bin/bash -l", "ok: any", "ok: sftp (/s), backup (/b)"])
      })
    )

    it.effect("tells what is disabled, and that no subsystem is left", () =>
      Effect.gen(function* () {
        const findings = yield* programs({ disableShell: true, disableCommand: true, subsystems: {} })
        assert.deepStrictEqual(verdicts(findings), ["ok: disabled", "ok: disabled", "ok: none"])
      })
    )

    it.effect("warns when nothing at all can be started", () =>
      Effect.gen(function* () {
        const [finding, ...others] = yield* programs({
          disableShell: true,
          disableCommand: true,
          disableSubsystem: true
        })
        assert.strictEqual(finding?.verdict, "warn")
        assert.deepStrictEqual(others, [])
      })
    )
  })
})
