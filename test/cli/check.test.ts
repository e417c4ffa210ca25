import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import { Command } from "effect/cli"
import { TestConsole } from "effect/testing"
import { check } from "../../src/cli/check.ts"
import { generateKey } from "../support/OpenSsh.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"

/** Runs the command on a file with this text; `failure` is what the program would say last, and exit 1 for. */
const checked = (text: string | undefined) =>
  Effect.gen(function* () {
    const file = join(yield* temporaryDirectory, "dockerrun.yaml")
    if (text !== undefined) writeFileSync(file, text)
    const failure = yield* Command.runWith(check, { version: "0" })(["--config", file]).pipe(
      Effect.match({ onSuccess: () => undefined, onFailure: (error) => error.message })
    )
    const [stdout, stderr] = [yield* TestConsole.logLines, yield* TestConsole.errorLines]
    const withoutPath = (lines: ReadonlyArray<unknown>) =>
      lines.flatMap((line) => String(line).replaceAll(file, "FILE").split("\n"))
    return { failure: failure?.replace(file, "FILE"), stdout: withoutPath(stdout), stderr: withoutPath(stderr) }
  }).pipe(Effect.provide(NodeServices.layer))

const shell = "dockerrun: { config: { shellCommand: [/bin/sh] } }"

describe("dockerrun check", () => {
  it.effect("says that a configuration is valid", () =>
    Effect.gen(function* () {
      const { publicKey } = yield* generateKey("ed25519", { comment: "alice" })
      const users = JSON.stringify({ alice: { authorizedKeys: [publicKey] } })
      const result = yield* checked(`auth: { users: ${users} }\n${shell}\n`)
      assert.deepStrictEqual(result, { failure: undefined, stdout: ["FILE is valid"], stderr: [] })
    })
  )

  it.effect("accepts a configuration that lets nobody in, with a warning", () =>
    Effect.gen(function* () {
      const { failure, stderr, stdout } = yield* checked(shell)
      assert.isUndefined(failure)
      assert.deepStrictEqual(stdout, ["FILE is valid"])
      assert.strictEqual(stderr.length, 1)
      assert.match(stderr.join(), /^FILE: warning: nobody can log in/u)
    })
  )

  it.effect("prints every problem, each with its line, and counts them", () =>
    Effect.gen(function* () {
      const { failure, stderr, stdout } = yield* checked(
        ["ssh:", "  listen: nowhere", "log:", "  levle: debug", "dockerrun:", "  config: { shellCommand: [] }"].join(
          "\n"
        )
      )
      assert.deepStrictEqual(stdout, [])
      assert.deepStrictEqual(
        stderr.map((line) => line.split(": ").slice(0, 2)),
        [
          ["FILE:2:3", "ssh.listen"],
          ["FILE:4:3", "log.levle"],
          ["FILE:6:13", "dockerrun.config.shellCommand"]
        ]
      )
      assert.strictEqual(failure, "FILE has 3 problems")
    })
  )

  it.effect("finds a key that looks like one and is damaged", () =>
    Effect.gen(function* () {
      const users = JSON.stringify({ alice: { authorizedKeys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 alice"] } })
      const { failure, stderr } = yield* checked(`auth: { users: ${users} }\n${shell}\n`)
      assert.strictEqual(failure, "FILE has 1 problem")
      assert.match(stderr.join("\n"), /^FILE: auth\.users\.alice\.authorizedKeys\[0\]/u)
    })
  )

  it.effect("says that there is no such file", () =>
    Effect.gen(function* () {
      const { failure, stderr } = yield* checked(undefined)
      assert.deepStrictEqual(stderr, ["FILE: cannot be read: there is no such file"])
      assert.strictEqual(failure, "FILE has 1 problem")
    })
  )
})
