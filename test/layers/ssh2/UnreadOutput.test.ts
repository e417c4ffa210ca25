import { connect, createServer, type Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as UnreadOutput from "../../../src/layers/ssh2/UnreadOutput.ts"
import { pause, waitFor } from "../../support/Deadline.ts"

const mebibyte = 1024 * 1024

/** A server that answers each piece that it reads with a mebibyte, and a client. */
const connection = Effect.gen(function* () {
  let accepted: Socket | undefined
  let read = 0
  const listener = yield* Effect.acquireRelease(
    Effect.sync(() =>
      createServer((socket) => {
        socket.on("error", () => socket.destroy())
        socket.on("data", (chunk) => {
          read += chunk.length
          socket.write(Buffer.alloc(mebibyte))
        })
        UnreadOutput.limit(socket)
        accepted = socket
      }).listen(0, "127.0.0.1")
    ),
    (made) => Effect.sync(() => made.close())
  )
  const port = yield* waitFor(
    "the port",
    Effect.sync(() => {
      const address = listener.address()
      return typeof address === "object" && address !== null ? address.port : undefined
    })
  )
  const client = yield* Effect.acquireRelease(
    Effect.sync(() => connect({ port, host: "127.0.0.1", noDelay: true })),
    (made) => Effect.sync(() => made.destroy())
  )
  client.on("error", () => client.destroy())
  client.pause()
  const server = yield* waitFor(
    "the server's side",
    Effect.sync(() => accepted)
  )
  return { client, server, read: () => read }
})

describe("a client that sends and does not read", () => {
  it.effect("is not read from, so that what waits for it stays bounded, and is when it reads again", () =>
    Effect.gen(function* () {
      const { client, read, server } = yield* connection
      for (let sent = 0; sent < 500; sent += 1) {
        client.write("x")
        // Apart from one another, so that they are read one by one.
        yield* pause(1)
        if (server.isPaused()) break
      }
      assert.isTrue(server.isPaused())
      assert.isAtLeast(server.writableLength, 16 * mebibyte)
      assert.isBelow(server.writableLength, 18 * mebibyte)
      const before = read()
      client.write("more")
      yield* pause(50)
      assert.strictEqual(read(), before)
      client.resume()
      yield* waitFor(
        "what was not read",
        Effect.sync(() => read() >= before + 4)
      )
    })
  )
})
