import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { variables } from "../../src/schema/ConfigEnvironment.ts"
import { decodeConfigFile } from "../../src/schema/ConfigFile.ts"

const file = { dockerrun: { config: { shellcommand: ["/bin/sh"], container: { image: "file:1", user: "me" } } } }

const load = (environment: Readonly<Record<string, string | undefined>>, input: unknown = file) =>
  decodeConfigFile(input, { source: "test", environment })

describe("ConfigEnvironment", () => {
  it.effect("a variable wins over the file and leaves the rest of it alone", () =>
    Effect.gen(function* () {
      const { ssh, log, dockerrun } = yield* load({
        DOCKERRUN_SSH_LISTEN: ":2022",
        DOCKERRUN_SSH_SHUTDOWNGRACEPERIOD: "3s",
        DOCKERRUN_LOG_LEVEL: "debug",
        DOCKERRUN_LOG_FORMAT: "json",
        DOCKERRUN_HOST: "tcp://engine:2375",
        DOCKERRUN_IMAGE: "env:2",
        DOCKERRUN_CONTAINERNAME: "2024",
        DOCKERRUN_DISABLESHELL: "Yes",
        DOCKERRUN_DISABLECOMMAND: "0",
        DOCKERRUN_IMAGEPULLPOLICY: "Never",
        DOCKERRUN_TIMEOUT: "1500000000"
      })
      assert.deepStrictEqual(ssh.listen, { port: 2022 })
      assert.isTrue(Duration.equals(ssh.shutdownGracePeriod, Duration.seconds(3)))
      assert.deepStrictEqual(log, { level: "debug", format: "json" })
      assert.strictEqual(dockerrun.host, "tcp://engine:2375")
      assert.deepStrictEqual(dockerrun.config.container, { Image: "env:2", User: "me" })
      assert.strictEqual(dockerrun.config.containername, "2024")
      assert.isTrue(dockerrun.config.disableShell)
      assert.isFalse(dockerrun.config.disableCommand)
      assert.strictEqual(dockerrun.config.imagePullPolicy, "Never")
      assert.isTrue(Duration.equals(dockerrun.config.timeout, Duration.millis(1500)))
    })
  )

  it.effect("every variable reaches its setting: a wrong value is reported under both names", () =>
    Effect.gen(function* () {
      // These take any text.
      const free = [
        "DOCKERRUN_SSH_BANNER",
        "DOCKERRUN_SSH_HOSTKEYDIRECTORY",
        "DOCKERRUN_AUTH_AUTHORIZEDKEYSFILE",
        "DOCKERRUN_LIFECYCLE_STATEDIRECTORY"
      ]
      const strict = variables.filter(({ name }) => !free.includes(name) && name !== "DOCKERRUN_IMAGE")
      const environment = Object.fromEntries(strict.map(({ name }) => [name, "-wrong value-"]))
      const error = yield* Effect.flip(load(environment))
      assert.deepStrictEqual(
        error.problems.map(({ variable, path }) => `${variable} ${path}`).toSorted(),
        strict.map(({ name, path }) => `${name} ${path.join(".")}`).toSorted()
      )
      assert.notInclude(error.problems.find(({ path }) => path === "dockerrun.key")?.message ?? "", "wrong value")
    })
  )

  it.effect("an unknown variable is an error that names the nearest one", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(load({ DOCKERRUN_LOGLEVEL: "debug", DOCKERRUN_TEST_ENGINE: "1", PATH: "/bin" }))
      assert.strictEqual(error.message, "DOCKERRUN_LOGLEVEL: unknown variable; did you mean DOCKERRUN_LOG_LEVEL?")
    })
  )

  it.effect("an empty variable counts as not set", () =>
    Effect.gen(function* () {
      const { dockerrun } = yield* load({ DOCKERRUN_IMAGE: "", DOCKERRUN_UNKNOWN: "", DOCKERRUN_HOST: undefined })
      assert.strictEqual(dockerrun.config.container.Image, "file:1")
    })
  )

  it.effect("a mistake in the file is not hidden by a variable below it", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(load({ DOCKERRUN_LOG_LEVEL: "debug" }, { ...file, log: ["debug"] }))
      assert.deepStrictEqual(error.problems, [{ path: "log", message: "must be a map of keys to values, not a list" }])
    })
  )

  it("the documentation has the same table", () => {
    const text = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8")
    const documented = text.matchAll(/^\| `(DOCKERRUN_\w+)` +\| `([^`]+)` +\|/gmu)
    assert.deepStrictEqual(
      Array.from(documented, ([, name, path]) => `${name} ${path}`),
      variables.map(({ name, path }) => `${name} ${path.join(".")}`)
    )
  })
})
