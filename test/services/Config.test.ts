import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { AuthConfig } from "../../src/services/AuthConfig.ts"
import { DockerRunConfig } from "../../src/services/DockerRunConfig.ts"
import { LogConfig } from "../../src/services/LogConfig.ts"
import { SshConfig } from "../../src/services/SshConfig.ts"

describe("a section as a service", () => {
  it.effect("takes a plain value and fills in the defaults", () =>
    Effect.gen(function* () {
      const dockerrun = yield* DockerRunConfig
      assert.strictEqual(dockerrun.config.container.Image, "busybox:1")
      assert.strictEqual(dockerrun.config.imagePullPolicy, "IfNotPresent")
      assert.deepStrictEqual((yield* SshConfig).listen, { host: "127.0.0.1", port: 0 })
      assert.deepStrictEqual(yield* LogConfig, { level: "debug", format: "text" })
      assert.deepStrictEqual(yield* AuthConfig, { users: {}, trustedUserCAKeys: [], revokedKeys: [] })
    }).pipe(
      Effect.provide(
        Layer.mergeAll(
          DockerRunConfig.layer({ config: { container: { Image: "busybox:1" }, shellCommand: ["/bin/sh"] } }),
          SshConfig.layer({ listen: "127.0.0.1:0" }),
          LogConfig.layer({ level: "debug" }),
          AuthConfig.layer({})
        )
      )
    )
  )

  it.effect("fails with every problem, under the section's name", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Layer.build(DockerRunConfig.layer({ config: { containername: "?", timeout: "never" } }))
      )
      assert.strictEqual(error._tag, "ConfigError")
      assert.strictEqual(
        error.message,
        [
          'DockerRunConfig.layer: dockerrun.config.containername: "?" is not a container name: two or more letters, digits, _, . or -, the first a letter or digit',
          'DockerRunConfig.layer: dockerrun.config.timeout: "never" is not a duration such as 60s, 1m30s or 500ms, or a number of nanoseconds',
          'DockerRunConfig.layer: dockerrun.config.shellCommand: must be set, for example to ["/bin/sh"], unless disableShell is true'
        ].join("\n")
      )
    })
  )
})
