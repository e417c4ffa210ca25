/**
 * A wire between the server and the engine, on a Unix socket of its own, that holds a kind of request back, answers
 * another in the engine's place, and can be cut.
 */
import { connect, createServer, type Socket } from "node:net"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { engine } from "../support/Engine.ts"
import { type HarnessError, harnessError } from "../support/HarnessError.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"

export interface EngineProxy {
  /** The engine's URL, as the server should have it. */
  readonly host: string
  /** Begins to listen; before that nobody answers there. */
  readonly listen: Effect.Effect<void, HarnessError>
  /** How many requests are held back. */
  readonly held: () => number
  /** Sends on what was held back, whether or not the one who sent it is still there. */
  readonly release: Effect.Effect<void>
  /** Answers the next so many requests whose first line matches with the HTTP status 500, and no others. */
  readonly fail: (pattern: RegExp, times: number) => void
  /** How many of those have yet to come. */
  readonly failuresToCome: () => number
  /** Cuts all that goes through it at this moment. */
  readonly cut: Effect.Effect<void>
}

const body = JSON.stringify({ message: "it went wrong" })
const failure = `HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`

/** Holds back requests whose first line matches, and forwards all else until told otherwise. Ends with the Scope. */
export const engineProxy = (hold: RegExp): Effect.Effect<EngineProxy, HarnessError, Scope.Scope> =>
  Effect.gen(function* () {
    const path = join(yield* temporaryDirectory, "engine.sock")
    const target = engine().host.slice("unix://".length)
    const sockets = new Set<Socket>()
    const releases: Array<() => void> = []
    let failing: { readonly pattern: RegExp; times: number } | undefined
    const server = createServer({ allowHalfOpen: true }, (client) => {
      const upstream = connect({ path: target, allowHalfOpen: true })
      let isHolding = false
      let isAnswered = false
      for (const socket of [client, upstream]) {
        sockets.add(socket)
        socket.on("error", () => socket.destroy())
        socket.on("close", () => sockets.delete(socket))
      }
      upstream.on("close", () => client.destroy())
      upstream.pipe(client)
      // What is held back outlives its sender: an engine may have been asked by a server that is no more.
      client.on("close", () => (isHolding ? undefined : upstream.destroy()))
      client.on("end", () => (isHolding ? undefined : upstream.end()))
      client.on("data", (chunk: Buffer) => {
        // The rest of a request that needs no more of it.
        if (isAnswered) return
        const line = chunk.toString("latin1").split("\r\n", 1)[0] ?? ""
        if (failing !== undefined && failing.times > 0 && failing.pattern.test(line)) {
          failing.times -= 1
          isAnswered = true
          client.end(failure)
        } else if (hold.test(line)) {
          isHolding = true
          releases.push(() => upstream.write(chunk))
        } else upstream.write(chunk)
      })
    })
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        server.close()
        for (const socket of sockets) socket.destroy()
      })
    )
    return {
      host: `unix://${path}`,
      listen: Effect.callback<void, HarnessError>((resume) => {
        server.once("error", (cause) => resume(Effect.fail(harnessError("the engine's proxy")(cause))))
        server.listen(path, () => resume(Effect.void))
      }),
      held: () => releases.length,
      release: Effect.sync(() => {
        for (const release of releases.splice(0)) release()
      }),
      fail: (pattern, times) => {
        failing = { pattern, times }
      },
      failuresToCome: () => failing?.times ?? 0,
      cut: Effect.sync(() => {
        for (const socket of sockets) socket.destroy()
      })
    }
  })
