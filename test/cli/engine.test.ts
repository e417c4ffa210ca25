import { writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Command } from "effect/cli"
import { TestConsole } from "effect/testing"
import { check } from "../../src/cli/check.ts"
import { doctor } from "../../src/cli/doctor.ts"
import { run } from "../support/Program.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"

const embeddedFile = Effect.gen(function* () {
  const file = join(yield* temporaryDirectory, "embedded.yaml")
  writeFileSync(file, "engine: embedded\ndockerrun: { config: { shellCommand: [/bin/bash] } }\n")
  return file
})

describe("a configuration with engine: embedded", () => {
  it.effect("is valid, and check warns that containers are virtual", () =>
    Effect.gen(function* () {
      yield* Command.runWith(check, { version: "0" })(["--config", yield* embeddedFile])
      assert.match((yield* TestConsole.errorLines).join("\n"), /warning: embedded: containers are virtual/u)
      assert.match((yield* TestConsole.logLines).join("\n"), /is valid$/u)
    }).pipe(Effect.provide(NodeServices.layer))
  )

  it.effect("works without any engine, and doctor says what it is instead of one", () =>
    Effect.gen(function* () {
      yield* Command.runWith(doctor, { version: "0" })(["--config", yield* embeddedFile])
      const lines = (yield* TestConsole.logLines).map(String)
      assert.deepStrictEqual(
        lines.filter((line) => line.includes("engine")).map((line) => line.replaceAll(/ +/gu, " ")),
        [
          "warn engine embedded: containers are virtual, in the server's own process, and not isolated as real ones are → for real containers set engine to docker, and start Docker or Podman"
        ]
      )
    }).pipe(Effect.provide(NodeServices.layer))
  )
})

describe("dockerrun doctor without a configuration", () => {
  it.effect("does not offer the embedded engine to somebody who has named another", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const main = join(import.meta.dirname, "../../src/main.ts")
      const { status, stdout } = yield* run(process.execPath, [main, "doctor"], {
        cwd: directory,
        env: { NO_COLOR: "1", HOME: directory, DOCKER_HOST: `unix://${directory}/none.sock` }
      })
      assert.strictEqual(status, 1)
      assert.match(stdout, /^fail +engine .*none\.sock/mu)
      assert.notInclude(stdout, "dockerrun try` makes virtual containers")
    })
  )
})
