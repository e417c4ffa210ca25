/** A wire between client and server that a test can cut. */
import { createServer, connect, type Socket } from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { HarnessError, harnessError } from "./HarnessError.ts"

export interface TcpProxy {
  readonly port: number
  /** Resets every connection on both sides, without a word of SSH. */
  readonly cut: Effect.Effect<void>
  /** Goes on holding the connections, and forwards nothing any more: what a pulled cable looks like. */
  readonly freeze: Effect.Effect<void>
}

/** Forwards connections on loopback to a port on loopback. Ends with the Scope. */
export const tcpProxy = (port: number): Effect.Effect<TcpProxy, HarnessError, Scope.Scope> =>
  Effect.gen(function* () {
    const sockets = new Set<Socket>()
    const join = (from: Socket, to: Socket) => {
      sockets.add(from)
      // The other side is told of an end, and an error is one, too.
      from.on("error", () => to.destroy())
      from.on("close", () => {
        sockets.delete(from)
        to.destroy()
      })
      from.pipe(to)
    }
    const server = yield* Effect.acquireRelease(
      Effect.callback<ReturnType<typeof createServer>, HarnessError>((resume) => {
        const listening = createServer((client) => {
          const target = connect(port, "127.0.0.1")
          join(client, target)
          join(target, client)
        })
        listening.once("error", (cause) => resume(Effect.fail(harnessError("the proxy")(cause))))
        listening.listen(0, "127.0.0.1", () => resume(Effect.succeed(listening)))
      }),
      (listening) =>
        Effect.sync(() => {
          listening.close()
          for (const socket of sockets) socket.destroy()
        })
    )
    const address = server.address()
    if (typeof address !== "object" || address === null) {
      return yield* new HarnessError({ operation: "the proxy", detail: "it has no port" })
    }
    return {
      port: address.port,
      cut: Effect.sync(() => {
        for (const socket of sockets) socket.resetAndDestroy()
      }),
      freeze: Effect.sync(() => {
        for (const socket of sockets) socket.unpipe().pause()
      })
    }
  })
