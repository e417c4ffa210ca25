/** An operator who is in a hurry, and an engine that hangs while the server is asked to end. */
import { connect } from "node:net"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { waitFor } from "../support/Deadline.ts"
import { describeEngine, waitForContainers } from "../support/Engine.ts"
import { startSsh } from "../support/OpenSsh.ts"
import { startServer, type TestServer } from "../support/Server.ts"
import { openTerminal } from "../support/Terminal.ts"
import { engineProxy } from "./EngineProxy.ts"

const removal = /^DELETE \S+\/containers\//u

/** The server has taken notice of the first signal. */
const stopsListening = ({ port }: TestServer) =>
  waitFor(
    "the port to close",
    Effect.callback<boolean>((resume) => {
      const socket = connect(port, "127.0.0.1")
      socket.once("connect", () => resume(Effect.succeed(false)))
      socket.once("error", () => resume(Effect.succeed(true)))
      return Effect.sync(() => socket.destroy())
    })
  )

const programStarted = (server: TestServer) => server.waitForEvent("PROGRAM_STARTED")

const stubborn = "trap '' TERM INT HUP; while :; do sleep 0.1; done"

describeEngine("a server that is asked to end", () => {
  it.effect(
    "ends in time with 0 when the engine hangs, people are told, and the containers go by themselves",
    () =>
      Effect.gen(function* () {
        const user = "signals-hang"
        const proxy = yield* engineProxy(removal)
        yield* proxy.listen
        const server = yield* startServer({
          user,
          dockerrun: { host: proxy.host },
          backend: { shellCommand: ["/bin/sh", "-i"] },
          ssh: { shutdownGracePeriod: "1s", shutdownTimeout: "2s" }
        })
        const terminal = yield* openTerminal(server.target)
        yield* terminal.expect(/\/ # /u)
        yield* server.kill("SIGTERM")
        yield* terminal.expect(/dockerrun: this server is shutting down/u)
        assert.strictEqual((yield* server.exit(20_000)).status, 0)
        assert.isAbove(proxy.held(), 0)
        yield* server.waitForEvent("SHUTDOWN_CUT_SHORT")
        yield* terminal.exit()
        yield* waitForContainers(0, user)
      }),
    90_000
  )

  it.effect(
    "twice gives programs no more time, and removes their containers",
    () =>
      Effect.gen(function* () {
        const user = "signals-twice"
        const server = yield* startServer({ user, ssh: { shutdownGracePeriod: "10m" } })
        yield* startSsh({ ...server.target, command: stubborn })
        yield* programStarted(server)
        yield* server.kill("SIGTERM")
        yield* stopsListening(server)
        yield* server.kill("SIGTERM")
        assert.strictEqual((yield* server.exit(20_000)).status, 0)
        yield* waitForContainers(0, user, 1_000)
      }),
    90_000
  )

  it.effect(
    "three times ends at once",
    () =>
      Effect.gen(function* () {
        const user = "signals-thrice"
        const proxy = yield* engineProxy(removal)
        yield* proxy.listen
        const server = yield* startServer({
          user,
          dockerrun: { host: proxy.host },
          ssh: { shutdownGracePeriod: "10m", shutdownTimeout: "10m" }
        })
        yield* startSsh({ ...server.target, command: stubborn })
        yield* programStarted(server)
        yield* server.kill("SIGTERM")
        yield* stopsListening(server)
        yield* server.kill("SIGINT")
        yield* waitFor(
          "the removal",
          Effect.sync(() => proxy.held() > 0)
        )
        yield* server.kill("SIGTERM")
        assert.strictEqual((yield* server.exit(10_000)).status, 1)
        yield* waitForContainers(0, user)
      }),
    90_000
  )
})
