import { connect } from "node:net"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { waitFor } from "../support/Deadline.ts"
import { describeEngine, engine, waitForContainers } from "../support/Engine.ts"
import { controlMaster, ssh, startSsh } from "../support/OpenSsh.ts"
import { finish } from "../support/Program.ts"
import { startServer, type TestServer } from "../support/Server.ts"
import { openTerminal } from "../support/Terminal.ts"

/** What is to be seen of a TCP connection to the server: `"refused"`, or `"accepted"`. */
const knock = (port: number) =>
  Effect.callback<"accepted" | "refused">((resume) => {
    const socket = connect(port, "127.0.0.1")
    socket.once("connect", () => resume(Effect.succeed("accepted")))
    socket.once("error", () => resume(Effect.succeed("refused")))
    return Effect.sync(() => socket.destroy())
  })

const decodeEvent = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))

/** Every line that the server wrote is an event. */
const events = (server: TestServer) => Effect.forEach(server.text().trimEnd().split("\n"), (line) => decodeEvent(line))

const levels = ["debug", "info", "notice", "warning", "error"]

describeEngine("a server that is asked to stop", () => {
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    it.effect(
      `by ${signal} lets nobody in, gives programs a chance, removes every container and exits with 0`,
      () =>
        Effect.gen(function* () {
          const user = `shutdown-${signal.toLowerCase()}`
          const server = yield* startServer({
            user,
            backend: { shellCommand: ["/bin/sh", "-i"] },
            ssh: { shutdownGracePeriod: "4s" }
          })
          const { port, target } = server
          const shell = yield* openTerminal(target)
          yield* shell.expect(/\/ # /u)
          const heeding = yield* startSsh({
            ...target,
            command: "trap 'echo bye; sleep 1; echo last words; exit 7' TERM; echo ready; while :; do sleep 0.1; done"
          })
          const stubborn = yield* startSsh({ ...target, command: "trap '' TERM INT HUP; while :; do sleep 0.1; done" })
          const { master } = yield* controlMaster(target)
          const heard = yield* Effect.forkChild(finish(heeding, "the program that heeds TERM"))
          yield* waitForContainers(4, user)
          yield* waitFor(
            "three programs",
            Effect.sync(() => server.events.filter(({ code }) => code === "PROGRAM_STARTED").length === 3)
          )

          const asked = performance.now()
          yield* server.kill(signal)
          yield* waitFor(
            "the port to close",
            Effect.map(knock(port), (answer) => answer === "refused")
          )
          assert.isFalse(server.hasExited(), "the port closes before the programs end")
          assert.strictEqual((yield* ssh({ ...target, command: "true" })).status, 255)

          const exit = yield* server.exit(20_000)
          const elapsed = performance.now() - asked
          process.stdout.write(`${signal} to exit, with a program that ignores it: ${(elapsed / 1_000).toFixed(1)} s\n`)
          assert.deepStrictEqual([exit.status, exit.signal], [0, null])
          // No sooner than the grace period that the stubborn program makes use of.
          assert.isAbove(elapsed, 3_900)
          const result = yield* Fiber.join(heard)
          assert.deepStrictEqual([result.stdout, result.status], ["ready\nbye\nlast words\n", 7])
          assert.notStrictEqual((yield* stubborn.exit).status, 0)
          assert.strictEqual((yield* master.exit).status, 255)
          yield* shell.exit()
          yield* waitForContainers(0, user, 1_000)

          const log = yield* events(server)
          for (const event of log) {
            assert.isString(event["code"])
            assert.isString(event["message"])
            assert.include(levels, event["level"])
            assert.match(String(event["time"]), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/u)
          }
          assert.lengthOf(
            log.filter(({ code }) => code === "CONTAINER_REMOVED"),
            4
          )
          assert.deepStrictEqual(
            log.filter(({ level }) => level === "error" || level === "warning"),
            []
          )
        }),
      60_000
    )
  }

  it.effect("stops at once when nobody is there, and when nobody's programs run", () =>
    Effect.gen(function* () {
      const user = "shutdown-idle"
      const empty = yield* startServer({ user })
      yield* empty.kill("SIGTERM")
      assert.strictEqual((yield* empty.exit(5_000)).status, 0)
      const server = yield* startServer({ user })
      const { target } = yield* controlMaster(server.target)
      yield* ssh({ ...target, command: "true" })
      yield* server.kill("SIGTERM")
      assert.strictEqual((yield* server.exit(8_000)).status, 0)
      yield* waitForContainers(0, user, 1_000)
    })
  )

  it.effect("while a container is on its way leaves none", () =>
    Effect.gen(function* () {
      const user = "shutdown-early"
      const server = yield* startServer({ user })
      const clients = yield* Effect.forEach([1, 2, 3], () => startSsh({ ...server.target, command: "sleep 300" }))
      yield* server.waitForEvent("AUTHENTICATION_SUCCEEDED")
      yield* server.kill("SIGTERM")
      assert.strictEqual((yield* server.exit(20_000)).status, 0)
      yield* waitForContainers(0, user, 1_000)
      for (const client of clients) assert.notStrictEqual((yield* client.exit).status, 0)
    })
  )
})

describeEngine("the log of a session", () => {
  it.effect("tells the whole of it by code, with ids and durations, and nothing of what flowed", () =>
    Effect.gen(function* () {
      const user = "log"
      const server = yield* startServer({ user })
      const result = yield* ssh({
        ...server.target,
        command: "cat; exit 4 # secret-in-the-command",
        stdin: { text: "secret-in-the-input\n" },
        options: { SetEnv: "SECRET=secret-in-the-environment" }
      })
      assert.strictEqual(result.status, 4)
      yield* server.waitForEvent("CONTAINER_REMOVED")
      yield* server.waitForEvent("CONNECTION_CLOSED")
      const log = yield* events(server)
      const of = (code: string) => log.find((event) => event["code"] === code) ?? {}
      const { connectionId } = of("AUTHENTICATION_SUCCEEDED")
      assert.match(String(connectionId), /^[0-9a-f]{32}$/u)
      const { containerId } = of("CONTAINER_STARTED")
      assert.match(String(containerId), /^[0-9a-f]{64}$/u)
      const common = { connectionId, remoteAddress: "127.0.0.1", username: user }
      for (const [code, fields] of [
        ["AUTHENTICATION_SUCCEEDED", { ...common, method: "publickey" }],
        ["CONTAINER_STARTED", { ...common, containerId, image: "dockerrun-test/tiny:1" }],
        ["PROGRAM_STARTED", { ...common, containerId, channelId: 0, kind: "command", tty: false }],
        ["PROGRAM_ENDED", { ...common, containerId, channelId: 0, exitStatus: 4 }],
        ["CONTAINER_REMOVED", { ...common, containerId }],
        ["CONNECTION_CLOSED", common]
      ] as const) {
        assert.containsSubset(of(code), { ...fields, level: "info" }, code)
        assert.isNumber(of(code)["remotePort"], code)
      }
      for (const [code, field] of [
        ["CONTAINER_STARTED", "createMs"],
        ["CONTAINER_STARTED", "startMs"],
        ["PROGRAM_ENDED", "durationMs"],
        ["CONTAINER_REMOVED", "removeMs"],
        ["CONNECTION_CLOSED", "durationMs"]
      ] as const) {
        assert.isNumber(of(code)[field], `${code} ${field}`)
      }
      assert.strictEqual(of("ENGINE_FOUND")["address"], engine().host)
      assert.notMatch(server.text(), /secret-in/u)
      assert.notInclude(server.text(), server.publicKey.split(" ")[1] ?? "?")
    })
  )
})
