import { createServer } from "node:http"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as EngineAddress from "../../../src/layers/dockerode/EngineAddress.ts"
import * as EngineClient from "../../../src/layers/dockerode/EngineClient.ts"
import * as HijackedSocket from "../../../src/layers/dockerode/HijackedSocket.ts"
import { waitFor } from "../../support/Deadline.ts"
import { temporaryDirectory } from "../../support/TemporaryDirectory.ts"

/** An engine that refuses everything, and keeps the connection for the next request. */
const refusingEngine = Effect.gen(function* () {
  const path = join(yield* temporaryDirectory, "engine.sock")
  const connections = new Set<unknown>()
  const server = createServer((_request, response) => {
    response.writeHead(409, { "Content-Type": "application/json" }).end('{"message":"it does not run"}')
  })
  server.keepAliveTimeout = 0
  server.on("connection", (socket) => {
    connections.add(socket)
    socket.on("close", () => connections.delete(socket))
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => {
      server.listen(path, () => resume(Effect.void))
    }),
    () =>
      Effect.callback<void>((resume) => {
        server.closeAllConnections()
        server.close(() => resume(Effect.void))
      })
  )
  return { url: `unix://${path}`, connections }
})

it.live("a stream that the engine refuses leaves no connection", () =>
  Effect.gen(function* () {
    const { connections, url } = yield* refusingEngine
    const client = yield* EngineClient.make(yield* EngineAddress.parse({ url, origin: "config" }))
    const request = { operation: "start exec", method: "POST", path: "/exec/1/start", body: {} } as const
    const error = yield* Effect.flip(Effect.scoped(HijackedSocket.open(client, request)))
    assert.deepStrictEqual([error.reason._tag, error.reason.message], ["Conflict", "it does not run"])
    yield* waitFor(
      "the connection to be closed",
      Effect.sync(() => connections.size === 0)
    )
  })
)
