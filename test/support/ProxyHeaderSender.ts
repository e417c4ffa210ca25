/** A load balancer: it forwards connections on loopback, each after a few bytes of its own. */
import { connect, createServer, type Socket } from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type HarnessError, harnessError } from "./HarnessError.ts"

/** Gives the port on which it listens. Ends with the Scope. */
export const proxyHeaderSender = (port: number, header: Uint8Array): Effect.Effect<number, HarnessError, Scope.Scope> =>
  Effect.gen(function* () {
    const sockets = new Set<Socket>()
    const join = (from: Socket, to: Socket) => {
      sockets.add(from)
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
          const target = connect({ port, host: "127.0.0.1", noDelay: true })
          // In two pieces, the second of which carries what the client says as well.
          target.write(header.subarray(0, 7), () => {
            target.write(header.subarray(7))
            join(client, target)
            join(target, client)
          })
          target.on("error", () => client.destroy())
        })
        listening.once("error", (cause) => resume(Effect.fail(harnessError("the load balancer")(cause))))
        listening.listen(0, "127.0.0.1", () => resume(Effect.succeed(listening)))
      }),
      (listening) =>
        Effect.sync(() => {
          listening.close()
          for (const socket of sockets) socket.destroy()
        })
    )
    const address = server.address()
    return typeof address === "object" && address !== null
      ? address.port
      : yield* harnessError("the load balancer")("it has no port")
  })
