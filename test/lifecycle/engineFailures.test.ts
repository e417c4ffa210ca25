/** An engine that fails at what it is asked, is cut off, or is slow, by the wire before it. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { waitFor } from "../support/Deadline.ts"
import { describeEngine, waitForContainers } from "../support/Engine.ts"
import { ssh, startSsh } from "../support/OpenSsh.ts"
import { finish } from "../support/Program.ts"
import { startServer } from "../support/Server.ts"
import { startEcho } from "./Echo.ts"
import { engineProxy } from "./EngineProxy.ts"

const user = "failures"
const creation = /^POST \S+\/containers\/create/u

describeEngine("an engine behind a wire that", () => {
  it.live(
    "answers 500, and is cut: who is there goes on, or is told; a new connection is tried again",
    () =>
      Effect.gen(function* () {
        const proxy = yield* engineProxy(/^never$/u)
        yield* proxy.listen
        const server = yield* startServer({ user, dockerrun: { host: proxy.host } })
        const session = yield* startEcho(server.target)
        const connect = ssh({ ...server.target, command: "echo served", deadline: 40_000 })

        proxy.fail(creation, 3)
        const refused = yield* connect
        assert.strictEqual(refused.status, 125)
        assert.match(
          refused.stderr,
          /^dockerrun: the container engine reported an internal error \[DOCKERRUN_ENGINE_FAILED, connection/u
        )
        assert.strictEqual(proxy.failuresToCome(), 0, "it was asked three times")
        proxy.fail(creation, 2)
        assert.strictEqual((yield* connect).stdout, "served\n")
        assert.strictEqual(proxy.failuresToCome(), 0)
        yield* session.echo("and nobody else noticed")

        yield* proxy.cut
        assert.strictEqual((yield* session.ended).status, 137)
        assert.match(session.told(), /^dockerrun: the container [^\n]* \[DOCKERRUN_PROGRAM_LOST, connection/u)
        assert.strictEqual((yield* connect).stdout, "served\n")
        yield* waitForContainers(0, user)
      }),
    90_000
  )

  it.live(
    "is slow: who has to wait for another reads so",
    () =>
      Effect.gen(function* () {
        const proxy = yield* engineProxy(creation)
        yield* proxy.listen
        const server = yield* startServer({ user, dockerrun: { host: proxy.host, limits: { starts: 1 } } })
        const start = startSsh({ ...server.target, command: "echo served", stdin: "ignore" })
        const clients = yield* Effect.all([start, start])
        const told = ["", ""]
        for (const [index, { stderr }] of clients.entries()) {
          stderr.on("data", (chunk: Buffer) => (told[index] += chunk.toString()))
        }
        const line = "dockerrun: waiting for the engine, you are next\n"
        yield* waitFor(
          "one to be told",
          Effect.sync(() => told.includes(line)),
          30_000
        )
        const released = Effect.andThen(
          waitFor(
            "a creation to be held",
            Effect.sync(() => proxy.held() === 1),
            30_000
          ),
          proxy.release
        )
        yield* Effect.andThen(released, released)
        const results = yield* Effect.forEach(clients, (client) => finish(client, "ssh"), { concurrency: "unbounded" })
        assert.deepStrictEqual(
          results.map(({ stdout }) => stdout),
          ["served\n", "served\n"]
        )
        assert.sameMembers(told, [line, ""])
        yield* waitForContainers(0, user)
      }),
    90_000
  )
})
