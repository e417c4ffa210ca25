import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Command } from "effect/cli"
import { TestConsole } from "effect/testing"
import { reap } from "../../src/cli/reap.ts"
import { writeFileSync } from "node:fs"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"

/** Runs the command against an engine that is not there; gives what the program would say last, and exit 1 for. */
const failure = (...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const directory = yield* temporaryDirectory
    const file = join(directory, "dockerrun.yaml")
    writeFileSync(
      file,
      `dockerrun: { host: "unix://${directory}/nobody.sock", config: { shellCommand: [/bin/sh], timeout: 2s } }`
    )
    const error = yield* Effect.flip(Command.runWith(reap, { version: "0" })(["--config", file, ...args]))
    return { message: error.message.replaceAll(directory, "DIR"), stdout: yield* TestConsole.logLines }
  }).pipe(Effect.provide(NodeServices.layer))

const selection = "name either a server (--instance NAME) or an age (--all-stale AGE, such as 24h)"

describe("dockerrun reap", () => {
  it.effect("wants a server or an age, and not both", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* failure()).message, selection)
      assert.strictEqual((yield* failure("--dry-run")).message, selection)
      assert.strictEqual((yield* failure("--instance", "web-1", "--all-stale", "1h")).message, selection)
    })
  )

  it.effect("refuses what is no name and no age", () =>
    Effect.gen(function* () {
      for (const args of [
        ["--instance", "two words"],
        ["--instance", ""],
        ["--all-stale", "soon"],
        ["--all-stale", "0s"]
      ]) {
        const { message } = yield* failure(...args)
        assert.notInclude(message, "nobody.sock", args.join(" "))
      }
    })
  )

  it.effect("says that no engine answers, and touches nothing", () =>
    Effect.gen(function* () {
      const { message, stdout } = yield* failure("--instance", "web-1")
      assert.match(message, /DIR\/nobody\.sock/u)
      assert.deepStrictEqual(stdout, [])
    })
  )
})
