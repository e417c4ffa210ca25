import { existsSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import { Command } from "effect/cli"
import { TestConsole } from "effect/testing"
import { doctor } from "../../src/cli/doctor.ts"
import { describeEngine, engine } from "../support/Engine.ts"
import { generateKey } from "../support/OpenSsh.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"

/** The findings by subject, such as `{ engine: "fail …" }`, and what the program would say last and exit 1 for. */
const examined = (...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const failure = yield* Command.runWith(doctor, { version: "0" })(args).pipe(
      Effect.match({ onSuccess: () => undefined, onFailure: (error) => error.message })
    )
    const lines = (yield* TestConsole.logLines).map(String)
    assert.deepStrictEqual(
      lines.filter((line) => !/^(?:ok  |warn|fail) {2}\S.{13} {2}\S/u.test(line)),
      [],
      "every line is one finding"
    )
    const of = (subject: string) =>
      lines
        .filter((line) => line.slice(6, 20).trim() === subject)
        .map((line) => line.slice(0, 4).trim() + line.slice(21))
    return { failure, of, lines }
  }).pipe(Effect.provide(NodeServices.layer))

const nowhere = "unix:///nonexistent/docker.sock"

const configured = (sections: Readonly<Record<string, unknown>>, backend: Readonly<Record<string, unknown>> = {}) =>
  Effect.gen(function* () {
    const directory = yield* temporaryDirectory
    const file = join(directory, "dockerrun.yaml")
    const dockerrun = { host: nowhere, config: { shellCommand: ["/bin/sh"], ...backend } }
    writeFileSync(file, JSON.stringify({ dockerrun, ...sections }))
    return { directory, file }
  })

describe("dockerrun doctor", () => {
  it.effect("names every problem of the configuration, and fails", () =>
    Effect.gen(function* () {
      const { file } = yield* configured({ ssh: { listen: "x" }, log: { level: "loud" } })
      const { failure, of } = yield* examined("--config", file)
      const [listen, level, ...others] = of("configuration")
      assert.match(listen ?? "", /^fail .*ssh\.listen/u)
      assert.match(level ?? "", /^fail .*log\.level/u)
      assert.deepStrictEqual(others, [])
      assert.strictEqual(failure, "2 things do not work")
    })
  )

  it.effect("says where an engine was looked for that is not there, and goes on with the rest", () =>
    Effect.gen(function* () {
      const { directory, file } = yield* configured({})
      const { failure, of } = yield* examined("--config", file)
      assert.match(of("engine").join("\n"), /^fail .*nonexistent\/docker\.sock.*→.*DOCKER_HOST/u)
      assert.match(of("configuration").join("\n"), /^ok .*is valid/u)
      assert.match(of("authentication").join("\n"), /^warn nobody can log in/u)
      assert.match(of("host key").join("\n"), new RegExp(`^ok none yet: .*${directory}/\\.dockerrun`, "u"))
      assert.match(of("encryption").join("\n"), /^(?:ok native|warn in JavaScript)/u)
      assert.match(of("Node.js").join("\n"), /^ok \d+\.\d+/u)
      assert.strictEqual(failure, "1 thing does not work")
    })
  )

  it.effect("makes no host keys", () =>
    Effect.gen(function* () {
      const { directory, file } = yield* configured({})
      yield* examined("--config", file)
      assert.isFalse(existsSync(join(directory, ".dockerrun")))
    })
  )

  it.effect("tells a host key by the fingerprint that ssh-keygen gives it", () =>
    Effect.gen(function* () {
      const key = yield* generateKey("ecdsa")
      const { file } = yield* configured({ ssh: { hostkeys: [key.privateFile] } })
      const { of } = yield* examined("--config", file)
      assert.deepStrictEqual(of("host key"), [`ok ecdsa-sha2-nistp256 ${key.fingerprint} (${key.privateFile})`])
    })
  )

  it.effect("fails for a host key that is not there", () =>
    Effect.gen(function* () {
      const { file } = yield* configured({ ssh: { hostkeys: ["./missing"] } })
      const { failure, of } = yield* examined("--config", file)
      assert.match(of("host key").join("\n"), /^fail .*missing: there is no such file → .*ssh-keygen/u)
      assert.strictEqual(failure, "2 things do not work")
    })
  )

  it.effect("without a file looks at what `dockerrun try` would find", () =>
    Effect.gen(function* () {
      const { of } = yield* examined()
      assert.match(of("configuration").join("\n"), /^ok no file/u)
      assert.match(of("authentication").join("\n"), /^ok .*password for each run/u)
    })
  )

  describeEngine("with an engine", () => {
    const onEngine = (image: string, policy: string, sections: Readonly<Record<string, unknown>> = {}) =>
      configured({
        ...sections,
        dockerrun: {
          host: engine().host,
          config: { container: { Image: image }, imagePullPolicy: policy, shellCommand: ["/bin/sh"] }
        }
      })

    it.effect("finds nothing to complain of", () =>
      Effect.gen(function* () {
        const { publicKey } = yield* generateKey("ed25519")
        const auth = { users: { alice: { authorizedKeys: [publicKey] } } }
        const { file } = yield* onEngine("dockerrun-test/tiny:1", "Never", { auth })
        const { failure, lines, of } = yield* examined("--config", file)
        assert.isUndefined(failure)
        assert.deepStrictEqual(
          lines.filter((line) => line.startsWith("fail") || (line.startsWith("warn") && !line.includes("encryption"))),
          []
        )
        assert.match(of("engine").join("\n"), /^ok unix:\/\/.* \(config\): version \d+\.\S+, API 1\.\d+, linux/u)
        assert.match(of("image").join("\n"), /^ok dockerrun-test\/tiny:1 is on the engine \(\d+\.\d MB\)$/u)
        assert.deepStrictEqual(of("authentication"), ["ok 1 user (1 with keys, 0 with a password)"])
      })
    )

    it.effect("fails for an image that is missing and never pulled", () =>
      Effect.gen(function* () {
        const { file } = yield* onEngine("dockerrun-test/missing:1", "Never")
        const { failure, of } = yield* examined("--config", file)
        assert.match(of("image").join("\n"), /^fail dockerrun-test\/missing:1 is not on the engine.*docker pull/u)
        assert.strictEqual(failure, "1 thing does not work")
      })
    )
  })
})
