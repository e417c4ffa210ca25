import { assert, it } from "@effect/vitest"
import { connect, createServer, type Socket } from "node:net"
import * as Effect from "effect/Effect"
import { waitFor } from "../support/Deadline.ts"
import { describeEngine, engine, waitForContainers } from "../support/Engine.ts"
import { HarnessError, harnessError } from "../support/HarnessError.ts"
import { startSsh } from "../support/OpenSsh.ts"
import { output } from "../support/Program.ts"
import { startServer } from "../support/Server.ts"

const user = "keepalive"

/** The engine, over TCP on loopback; gives the port. */
const tcpEngine = Effect.gen(function* () {
  const path = engine().host.slice("unix://".length)
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect({ path, allowHalfOpen: true })
    for (const [from, to] of [
      [client, upstream],
      [upstream, client]
    ] as const) {
      sockets.add(from)
      from.on("error", () => to.destroy())
      from.on("close", () => to.destroy())
      from.pipe(to)
    }
  })
  yield* Effect.acquireRelease(
    Effect.callback<void, HarnessError>((resume) => {
      server.once("error", (cause) => resume(Effect.fail(harnessError("the engine over TCP")(cause))))
      server.listen(0, "127.0.0.1", () => resume(Effect.void))
    }),
    () =>
      Effect.sync(() => {
        server.close()
        for (const socket of sockets) socket.destroy()
      })
  )
  const address = server.address()
  return typeof address === "object" && address !== null
    ? address.port
    : yield* new HarnessError({ operation: "the engine over TCP", detail: "it has no port" })
})

describeEngine("the streams of a container on an engine that is reached over TCP", () => {
  it.live(
    "are probed when they are silent, so that one whose other side has vanished is found out",
    () =>
      Effect.gen(function* () {
        const port = yield* tcpEngine
        const server = yield* startServer({ user, dockerrun: { host: `tcp://127.0.0.1:${port}` } })
        const client = yield* startSsh({ ...server.target, command: "cat" })
        yield* server.waitForEvent("PROGRAM_STARTED")
        // The container's own stream and that of the program, each with up to 15 s to its next probe. The connections of
        // the pool, which Node probes every second, do not count.
        yield* waitFor(
          "two streams with a keepalive timer",
          Effect.map(
            output("ss", ["-Htnpo", "state", "established", "dst", `127.0.0.1:${port}`]),
            (listing) =>
              listing
                .split("\n")
                .filter(
                  (line) => line.includes(`pid=${server.pid},`) && /timer:\(keepalive,(?:[5-9]|1[0-5])sec/u.test(line)
                ).length >= 2
          )
        )
        client.stdin.end()
        assert.strictEqual((yield* client.exit).status, 0)
        yield* waitForContainers(0, user)
      }),
    60_000
  )
})
