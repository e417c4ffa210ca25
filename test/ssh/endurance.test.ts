import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { waitFor } from "../support/Deadline.ts"
import { describeEngine, waitForContainers } from "../support/Engine.ts"
import { controlMaster, ssh, startSsh } from "../support/OpenSsh.ts"
import { startServer } from "../support/Server.ts"
import { tcpProxy } from "../support/TcpProxy.ts"

const times = 40

// At the same time: one of the two does nothing but wait for the keepalives of an idle connection to fail.
describeEngine("over time", { concurrent: true }, () => {
  it.effect(
    `ssh host cmd </dev/null prints all and has its status, ${times} times out of ${times}, and nothing is left of it`,
    () =>
      Effect.gen(function* () {
        const user = "endurance"
        const server = yield* startServer({ user })
        const { target } = server
        const command = "echo out; echo err >&2; i=0; while [ $i -lt 50 ]; do i=$((i+1)); echo $i; done; exit 7"
        const expected = ["out", ...Array.from({ length: 50 }, (_, index) => String(index + 1)), ""].join("\n")
        const attempt = Effect.suspend(() => ssh({ ...target, command, stdin: "ignore", deadline: 60_000 }))
        // What is loaded and opened once and for all is there after the first few.
        yield* Effect.all([attempt, attempt, attempt, attempt], { concurrency: "unbounded" })
        yield* waitForContainers(0, user)
        const filesBefore = server.openFiles().length

        const started = performance.now()
        const results = yield* Effect.forEach(Array.from({ length: times }), () => attempt, { concurrency: 4 })
        const elapsed = results.map((result) => result.elapsed).toSorted((one, other) => one - other)
        const total = (performance.now() - started) / 1_000
        process.stdout.write(
          `${times} connections, 4 at a time: ${total.toFixed(1)} s; each ${elapsed[times / 2]?.toFixed(0)} ms (median), ${elapsed[times - 1]?.toFixed(0)} ms (max)\n`
        )
        assert.deepStrictEqual(
          results
            .map(({ status, stderr, stdout }) => ({ status, stderr, stdout }))
            .filter(({ status, stderr, stdout }) => stdout !== expected || stderr !== "err\n" || status !== 7),
          []
        )

        yield* waitForContainers(0, user)
        const filesAfter = yield* waitFor(
          "the sockets of the connections to close",
          Effect.sync(() => {
            const open = server.openFiles().length
            return open <= filesBefore + 4 ? open : undefined
          })
        )
        const sockets = yield* server.engineSockets
        process.stdout.write(
          `open files before ${filesBefore}, after ${filesAfter}; sockets to the engine ${sockets}; resident ${(server.rss() / 1e6).toFixed(0)} MB\n`
        )
        assert.isAtMost(sockets, 8)
        assert.deepStrictEqual(server.children(), [])
        assert.deepStrictEqual(
          server.events.filter((event) => event["level"] === "error" || event["level"] === "warning"),
          []
        )
      }),
    180_000
  )

  it.effect(
    "many programs on one connection leave nothing open either",
    () =>
      Effect.gen(function* () {
        const server = yield* startServer({ user: "endurance-shared" })
        const { target } = yield* controlMaster(server.target)
        yield* ssh({ ...target, command: "true" })
        const filesBefore = server.openFiles().length
        yield* Effect.forEach(
          Array.from({ length: 60 }),
          () => Effect.map(ssh({ ...target, command: "exit 9" }), ({ status }) => assert.strictEqual(status, 9)),
          { concurrency: 4 }
        )
        yield* waitFor(
          "the sockets to the engine to close",
          Effect.map(server.engineSockets, (count) => count <= 8)
        )
        assert.isAtMost(server.openFiles().length, filesBefore + 8)
        assert.deepStrictEqual(server.children(), [])
      }),
    120_000
  )

  it.effect(
    "a client that fell silent is noticed, and its container goes",
    () =>
      Effect.gen(function* () {
        const user = "silent"
        const server = yield* startServer({ user, ssh: { clientAliveInterval: "2s" } })
        const proxy = yield* tcpProxy(server.port)
        yield* startSsh({ ...server.target, port: proxy.port, command: "sleep 300" })
        yield* server.waitForEvent("PROGRAM_STARTED")
        const frozen = performance.now()
        yield* proxy.freeze
        yield* waitForContainers(0, user, 40_000)
        process.stdout.write(
          `a silent client was noticed after ${((performance.now() - frozen) / 1_000).toFixed(0)} s\n`
        )
        yield* server.waitForEvent("CONNECTION_CLOSED")
      }),
    90_000
  )
})
