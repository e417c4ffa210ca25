import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { waitFor } from "../support/Deadline.ts"
import { describeEngine, engine, waitForContainers } from "../support/Engine.ts"
import { generateKey, ssh } from "../support/OpenSsh.ts"
import { start } from "../support/Program.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"

const example = join(import.meta.dirname, "../../examples/server.ts")

describeEngine("examples/server.ts", () => {
  it.live("lets in the one key, under any name, gives it a container, and nobody else", () =>
    Effect.gen(function* () {
      // Its host keys are kept in the directory in which it is started.
      const directory = yield* temporaryDirectory
      const key = yield* generateKey("ed25519")
      const stranger = yield* generateKey("ed25519")
      const server = yield* start(process.execPath, [example], {
        cwd: directory,
        env: {
          DOCKER_HOST: engine().host,
          GUEST_IMAGE: "dockerrun-test/tiny:1",
          LISTEN: "127.0.0.1:0",
          PUBLIC_KEY: key.publicKey
        }
      })
      let log = ""
      for (const stream of [server.stdout, server.stderr]) {
        stream.on("data", (chunk: Buffer) => {
          log += chunk.toString()
        })
      }
      const port = yield* waitFor(
        "the address in the log",
        Effect.sync(() => {
          const found = /listening on 127\.0\.0\.1:(\d+)/u.exec(log)
          return found === null ? undefined : Number(found[1])
        }),
        20_000
      )

      const user = "example-server"
      const refused = yield* ssh({ port, user, identityFile: stranger.privateFile, command: "echo in" })
      assert.strictEqual(refused.status, 255)
      assert.include(refused.stderr, "Permission denied (publickey)")

      const accepted = yield* ssh({ port, user, identityFile: key.privateFile, command: "echo in; exit 7" })
      assert.deepStrictEqual([accepted.stdout, accepted.status], ["in\n", 7])

      yield* server.kill("SIGINT")
      // What NodeRuntime.runMain reports for a program that a signal ended.
      assert.strictEqual((yield* server.exit).status, 130)
      yield* waitForContainers(0, user)
    })
  )
})
