import { assert, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { within } from "../support/Deadline.ts"
import { connectionContainers, describeEngine, waitForContainers } from "../support/Engine.ts"
import { controlMaster, sftp, ssh } from "../support/OpenSsh.ts"
import { SharedServer, startServer } from "../support/Server.ts"
import { openTerminal } from "../support/Terminal.ts"

const words = "dockerrun: the image demo/missing:1 is not on this engine and the pull policy is Never"

const complaint = new RegExp(`^${words} \\[DOCKERRUN_IMAGE_MISSING, connection ([0-9a-f]{32})\\]\n$`, "u")

describeEngine("a container that cannot start", () => {
  layer(SharedServer.start({ user: "refusal", image: "demo/missing:1" }))("because its image is missing", (it) => {
    it.effect("is explained on stderr, with status 125, and the log has the connection", () =>
      Effect.gen(function* () {
        const server = yield* SharedServer
        const result = yield* ssh({ ...server.target, command: "echo never" })
        assert.deepStrictEqual([result.stdout, result.status], ["", 125])
        assert.match(result.stderr, complaint)
        const connectionId = complaint.exec(result.stderr)?.[1]
        const event = yield* server.waitForEvent(
          "DOCKERRUN_IMAGE_MISSING",
          (candidate) => candidate["connectionId"] === connectionId
        )
        assert.strictEqual(event["level"], "error")
        assert.strictEqual(event["username"], "refusal")
        assert.deepStrictEqual(yield* connectionContainers("refusal"), [])
      })
    )

    it.effect("is explained to a person at a terminal, on a line of its own", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedServer
        const terminal = yield* openTerminal(target)
        yield* terminal.expect(/dockerrun: the image [^\r\n]* connection [0-9a-f]{32}\]\r\n/u)
        assert.strictEqual((yield* terminal.exit()).status, 125)
        assert.match(terminal.output(), new RegExp(`^${words}`, "u"))
      })
    )

    it.effect("is explained to a subsystem", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedServer
        const result = yield* sftp({ ...target, batch: ["ls"] })
        assert.notStrictEqual(result.status, 0)
        assert.include(result.stderr, words)
      })
    )

    it.effect("ends the connection, also one that is kept for more channels", () =>
      Effect.gen(function* () {
        const server = yield* SharedServer
        const { master, target } = yield* controlMaster(server.target)
        const one = yield* ssh({ ...target, command: "true" })
        assert.strictEqual(one.status, 125)
        assert.match(one.stderr, complaint)
        const exit = yield* within(master.exit, 15_000, () => "waiting for the connection to end")
        assert.strictEqual(exit.status, 255)
      })
    )
  })

  it.effect("because the engine refuses it is explained without internals, which are in the log", () =>
    Effect.gen(function* () {
      const user = "refusal-engine"
      const server = yield* startServer({ user, backend: { host: { NetworkMode: "no-such-network" } } })
      const result = yield* ssh({ ...server.target, command: "true" })
      assert.deepStrictEqual([result.stdout, result.status], ["", 125])
      assert.match(result.stderr, /^dockerrun: [^\n]* \[DOCKERRUN_[A-Z_]+, connection [0-9a-f]{32}\]\n$/u)
      assert.notInclude(result.stderr, "no-such-network")
      const code = /DOCKERRUN_[A-Z_]+/u.exec(result.stderr)?.[0] ?? ""
      const event = yield* server.waitForEvent(code)
      assert.include(String(event["cause"]), "no-such-network")
      yield* waitForContainers(0, user)
    })
  )

  it.effect("because its first process is missing is explained, and nothing stays", () =>
    Effect.gen(function* () {
      const user = "refusal-idle"
      const server = yield* startServer({
        user,
        backend: { idleCommand: ["/no/such/idle"], shellCommand: ["/bin/busybox", "sh"] }
      })
      const result = yield* ssh({ ...server.target, command: "true" })
      assert.strictEqual(result.status, 125)
      assert.match(
        result.stderr,
        /^dockerrun: the container could not be started \[DOCKERRUN_CONTAINER_NOT_STARTED, connection [0-9a-f]{32}\]\n$/u
      )
      yield* waitForContainers(0, user)
    })
  )

  it.effect("because there is no engine is explained when the time is up", () =>
    Effect.gen(function* () {
      const server = yield* startServer({
        user: "refusal-away",
        dockerrun: { host: "unix:///nonexistent/docker.sock" },
        backend: { timeout: "1s" }
      })
      const result = yield* ssh({ ...server.target, command: "true" })
      assert.strictEqual(result.status, 125)
      assert.match(
        result.stderr,
        /^dockerrun: the container engine does not answer \[DOCKERRUN_ENGINE_UNREACHABLE, connection [0-9a-f]{32}\]\n$/u
      )
      yield* server.waitForEvent("ENGINE_UNREACHABLE")
    })
  )

  it.effect("because its name is taken is explained to the second, and the first goes on", () =>
    Effect.gen(function* () {
      const user = "refusal-name"
      const server = yield* startServer({ user, backend: { containername: "refusal-name" } })
      const first = yield* controlMaster(server.target)
      assert.strictEqual((yield* ssh({ ...first.target, command: "true" })).status, 0)
      const second = yield* ssh({ ...server.target, command: "true" })
      assert.strictEqual(second.status, 125)
      assert.match(second.stderr, /a container named refusal-name exists already[^\n]*DOCKERRUN_CONTAINER_NAME_TAKEN/u)
      assert.strictEqual((yield* ssh({ ...first.target, command: "echo on" })).stdout, "on\n")
    })
  )
})
