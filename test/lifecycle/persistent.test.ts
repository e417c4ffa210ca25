import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { waitFor } from "../support/Deadline.ts"
import { containers, describeEngine, docker } from "../support/Engine.ts"
import { ssh, startSsh } from "../support/OpenSsh.ts"
import { type ServerOptions, startServer } from "../support/Server.ts"

const own = (test: string) => containers(`test=${test}`)

const options = (test: string, persistent: Readonly<Record<string, string>> = {}): ServerOptions => ({
  user: test,
  ssh: { shutdownGracePeriod: "1s" },
  backend: {
    container: { Image: "dockerrun-test/tiny:1", Labels: { test } },
    mode: "persistent",
    persistent: { name: "dev-{username}", ...persistent }
  }
})

/** What is left at the end of a test is removed: nothing else does. */
const cleanUp = (test: string) =>
  Effect.addFinalizer(() =>
    Effect.ignore(
      Effect.flatMap(own(test), (all) => Effect.forEach(all, ({ Id }) => docker("rm", "--force", "--volumes", Id)))
    )
  )

describeEngine("persistent containers", () => {
  it.live(
    "keep what was done in them, survive their server, and serve the connections of two servers at once",
    () =>
      Effect.gen(function* () {
        const test = "keeper"
        yield* cleanUp(test)
        const first = yield* startServer(options(test))
        const second = yield* startServer({
          ...options(test),
          users: { [test]: { authorizedKeys: [first.publicKey] } }
        })
        const atSecond = { ...first.target, port: second.port }
        const both = yield* Effect.forEach(
          [first.target, atSecond],
          (target) => ssh({ ...target, command: "echo $$ here >>/tmp/kept; cat /etc/hostname" }),
          { concurrency: 2 }
        )
        assert.deepStrictEqual(
          both.map(({ status }) => status),
          [0, 0]
        )
        assert.strictEqual(both[0]?.stdout, both[1]?.stdout)
        assert.deepStrictEqual(
          (yield* own(test)).map(({ Names, State }) => [Names, State]),
          [[["/dev-keeper"], "running"]]
        )

        yield* first.kill("SIGKILL")
        yield* first.exit()
        yield* docker("stop", "--time", "1", "dev-keeper")
        const later = yield* ssh({ ...atSecond, command: "wc -l </tmp/kept" })
        assert.deepStrictEqual([later.status, later.stdout.trim()], [0, "2"])
        yield* second.kill("SIGTERM")
        assert.strictEqual((yield* second.exit()).status, 0)
        assert.deepStrictEqual(
          (yield* own(test)).map(({ State }) => State),
          ["running"]
        )
      }),
    120_000
  )

  it.live(
    "lose the programs of a connection that ends, are stopped when nobody uses them, and removed when they are old",
    () =>
      Effect.gen(function* () {
        const test = "leaver"
        yield* cleanUp(test)
        const server = yield* startServer(options(test, { idleTimeout: "4s", maxAge: "1s" }))
        const client = yield* startSsh({ ...server.target, command: "trap '' HUP; sleep 987 & wait" })
        yield* server.waitForEvent("PROGRAM_STARTED", undefined, 60_000)
        yield* client.kill("SIGKILL")
        const stopped = yield* server.waitForEvent("CONTAINER_STOPPED", undefined, 60_000)
        assert.strictEqual(stopped["name"], "dev-leaver")
        yield* waitFor(
          "its removal",
          Effect.map(own(test), (all) => all.length === 0),
          30_000
        )
      }),
    120_000
  )

  it.live(
    "that somebody else made are refused, with a word to the client",
    () =>
      Effect.gen(function* () {
        const test = "stranger"
        yield* cleanUp(test)
        yield* docker("create", "--name", "dev-stranger", "--label", `test=${test}`, "dockerrun-test/tiny:1", "true")
        const server = yield* startServer(options(test))
        const refused = yield* ssh({ ...server.target, command: "true" })
        assert.strictEqual(refused.status, 125)
        assert.include(refused.stderr, "DOCKERRUN_CONTAINER_FOREIGN")
        assert.deepStrictEqual(
          (yield* own(test)).map(({ State }) => State),
          ["created"]
        )
      }),
    60_000
  )
})
