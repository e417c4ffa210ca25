import { readdirSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { waitFor } from "../support/Deadline.ts"
import { describeEngine, waitForContainers } from "../support/Engine.ts"
import { ssh, startSsh } from "../support/OpenSsh.ts"
import { startServer, type TestServer } from "../support/Server.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"
import { startEcho } from "./Echo.ts"
import { statuses } from "./Status.ts"

/** A session, and the worker that serves it. */
const startSession = Effect.fnUntraced(function* (server: TestServer) {
  const before = server.events.filter(({ code }) => code === "PROGRAM_STARTED")
  const session = yield* startEcho(server.target)
  const { worker } = yield* server.waitForEvent("PROGRAM_STARTED", (event) => !before.includes(event))
  return { ...session, worker }
})

describeEngine("a server of several processes", () => {
  it.effect(
    "counts a user's connections over all of them",
    () =>
      Effect.gen(function* () {
        const user = "workers-limit"
        const server = yield* startServer({ user, args: ["--workers", "3"], ssh: { maxConnectionsPerUser: 2 } })
        yield* server.waitForEvent("WORKERS_STARTED")
        const one = yield* startSsh({ ...server.target, command: "cat" })
        yield* startSsh({ ...server.target, command: "cat" })
        yield* waitForContainers(2, user)
        const refused = yield* ssh({ ...server.target, command: "true" })
        assert.strictEqual(refused.status, 255)
        yield* server.waitForEvent("DOCKERRUN_USER_CONNECTIONS_EXCEEDED")
        yield* one.kill("SIGKILL")
        yield* waitForContainers(1, user)
        assert.strictEqual((yield* ssh({ ...server.target, command: "echo in" })).stdout, "in\n")
      }),
    120_000
  )

  it.effect(
    "loses with a worker that is killed the connections of that worker alone, and replaces it",
    () =>
      Effect.gen(function* () {
        const user = "workers-crash"
        const stateDirectory = yield* temporaryDirectory
        const server = yield* startServer({
          user,
          args: ["--workers", "2"],
          sections: { lifecycle: { stateDirectory } }
        })
        const areSeen = (...workers: ReadonlyArray<number>) =>
          waitFor(
            `the status of the workers ${workers.join(", ")}`,
            Effect.map(statuses(stateDirectory), (all) => {
              const seen = all.map(({ worker = 0 }) => worker).toSorted((one, other) => one - other)
              return seen.join() === workers.join()
            })
          )
        yield* server.waitForEvent("WORKERS_STARTED")
        yield* areSeen(1, 2)
        const sessions = yield* Effect.forEach([1, 2], () => startSession(server))
        assert.notStrictEqual(sessions[0]?.worker, sessions[1]?.worker, "one on each")

        const [victim = 0, ...others] = server.children()
        assert.lengthOf(others, 1)
        process.kill(victim, "SIGKILL")
        const { worker: lost } = yield* server.waitForEvent("WORKER_LOST")
        const [ending, going] = sessions[0]?.worker === lost ? sessions : sessions.toReversed()
        if (ending === undefined || going === undefined) return assert.fail()
        assert.strictEqual((yield* ending.ended).status, 255)
        yield* waitForContainers(1, user)
        yield* going.echo("still here")

        const listening = yield* server.waitForEvent("SSH_LISTENING", ({ worker }) => worker === 3)
        assert.strictEqual(listening["port"], server.port)
        // They take turns.
        for (const word of ["one", "two"]) {
          assert.strictEqual((yield* ssh({ ...server.target, command: `echo ${word}` })).stdout, `${word}\n`)
        }
        yield* server.waitForEvent("PROGRAM_ENDED", ({ worker }) => worker === 3)
        yield* areSeen(Number(going.worker), 3)
        yield* going.echo("and now")

        yield* server.kill("SIGTERM")
        assert.strictEqual((yield* server.exit(30_000)).status, 0)
        yield* areSeen()
        assert.deepStrictEqual(readdirSync(join(stateDirectory, "status")), [])
        yield* waitForContainers(0, user)
      }),
    120_000
  )

  it.effect(
    "says once why it cannot be served",
    () =>
      Effect.gen(function* () {
        const server = yield* startServer({ user: "workers-first" })
        const second = yield* Effect.flip(
          startServer({
            user: "workers-second",
            args: ["--workers", "2"],
            ssh: { listen: `127.0.0.1:${server.port}` }
          })
        )
        assert.strictEqual(second.detail.match(/another program listens there already/gu)?.length, 1, second.detail)
      }),
    90_000
  )
})

describeEngine("two servers on one port", () => {
  it.effect(
    "hand over: the new one takes connections while those of the old one go on",
    () =>
      Effect.gen(function* () {
        const user = "handover"
        const ssh1 = { reusePort: true, shutdownGracePeriod: "1m" }
        const old = yield* startServer({ user, ssh: ssh1 })
        const going = yield* startSsh({
          ...old.target,
          command: "trap 'echo told' TERM; while :; do read -r l && echo got $l; done"
        })
        yield* old.waitForEvent("PROGRAM_STARTED")
        const next = yield* startServer({
          user,
          users: { [user]: { authorizedKeys: [old.publicKey] } },
          ssh: { ...ssh1, listen: `127.0.0.1:${old.port}` }
        })
        yield* old.kill("SIGTERM")
        // From here on there is one listener. Not one connection may be refused on the way.
        for (let count = 0; count < 5; count++) {
          const result = yield* ssh({ ...old.target, command: "echo new" })
          assert.strictEqual(result.stdout, "new\n", result.stderr)
        }
        assert.isFalse(going.hasExited())
        yield* next.waitForEvent("PROGRAM_ENDED")
        going.stdin.end()
        yield* going.kill("SIGTERM")
        assert.strictEqual((yield* old.exit(30_000)).status, 0)
        yield* waitForContainers(0, user)
      }),
    120_000
  )
})
