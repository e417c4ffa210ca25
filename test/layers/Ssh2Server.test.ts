import { connect } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { Authenticator } from "../../src/services/Authenticator.ts"
import { within } from "../support/Deadline.ts"
import { listening, loginlessServer } from "../support/LoginlessServer.ts"

/** A client that has heard the server's identification, and said `greeting`; waits until the server lets go of it. */
const client = Effect.fnUntraced(function* (port: number, greeting: string) {
  const socket = yield* Effect.acquireRelease(
    Effect.sync(() => connect(port, "127.0.0.1")),
    (socket) => Effect.sync(() => socket.destroy())
  )
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()))
  yield* Effect.promise(() => new Promise<void>((resolve) => socket.once("data", () => resolve())))
  socket.write(greeting)
  return { isOpen: () => !socket.closed, closed: Effect.promise(() => closed) }
})

describe("a client that does not log in", () => {
  it.effect.each([
    ["says nothing at all", ""],
    ["stops in its identification", "SSH-2.0-half"],
    ["stops after it", "SSH-2.0-silent\r\n"]
  ] as const)("and %s is turned away after two minutes", ([, greeting]) =>
    Effect.gen(function* () {
      const port = yield* listening
      const { closed, isOpen } = yield* client(port, greeting)
      yield* TestClock.adjust("119 seconds")
      assert.isTrue(isOpen())
      yield* TestClock.adjust("2 seconds")
      yield* within(closed, 10_000, () => "the server to close the connection")
    }).pipe(Effect.provide(loginlessServer({}, Authenticator.layerDenyAll)))
  )
})
