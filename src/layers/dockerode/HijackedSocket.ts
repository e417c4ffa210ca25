/**
 * Turns a request into a raw, two-way connection: the engine answers `101 Switching Protocols` and from then on the
 * socket carries the program's bytes (Engine API, "Hijacking").
 *
 * Not sent through docker-modem, which would send an empty chunked body that an engine may take for input.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Http from "node:http"
import * as Https from "node:https"
import { Socket } from "node:net"
import { DockerError, UnexpectedAnswer } from "../../schema/DockerError.ts"
import { type EngineClient, type EngineRequest, sendAgain } from "./EngineClient.ts"
import * as SharedReads from "./SharedReads.ts"

/**
 * A hijacked socket. What the engine sent right behind its answer has been put back in front.
 *
 * @internal
 */
export interface HijackedSocket {
  readonly socket: Socket
  /** Reads that do not go through the socket's `data` event, if the socket is one that can do so. */
  readonly reads: SharedReads.SharedReads | undefined
  /** The error that broke the socket, once there is one. */
  readonly error: () => Error | undefined
}

const queryText = (query: EngineRequest["query"]) =>
  query === undefined
    ? ""
    : `?${new URLSearchParams(Object.entries(query).map(([name, value]): [string, string] => [name, String(value)])).toString()}`

/**
 * Keeps a failed write from taking the other direction with it. A program may end, and the engine close the connection,
 * with input still on its way; Node would destroy the socket at the first write that meets the closed end, together
 * with the output that it has not read yet. Here such input is dropped, and the end is found by reading.
 */
const separateDirections = (socket: Socket) => {
  let closed = false
  const settle = (callback: () => void) => (error?: Error | null) => {
    closed ||= error !== undefined && error !== null
    callback()
  }
  const write = socket._write.bind(socket)
  socket._write = (chunk, encoding, callback) => (closed ? callback() : write(chunk, encoding, settle(callback)))
  const writev = socket._writev?.bind(socket)
  if (writev !== undefined) {
    socket._writev = (chunks, callback) => (closed ? callback() : writev(chunks, settle(callback)))
  }
  const final = socket._final.bind(socket)
  socket._final = (callback) => (closed ? callback() : final(settle(callback)))
}

/** How long a connection may be silent before the other side is probed, in milliseconds. */
const keepAliveDelay = 15_000

const listen = (socket: Socket, head: Buffer, reads: SharedReads.SharedReads | undefined): HijackedSocket => {
  let broken: Error | undefined
  // At once: an error event without a listener ends the process.
  socket.on("error", (error) => {
    broken ??= error
  })
  separateDirections(socket)
  socket.setNoDelay(true)
  // A silent connection looks the same as one whose other side has vanished: probes tell them apart.
  socket.setKeepAlive(true, keepAliveDelay)
  // The pool's limit for idle connections is not for a program that thinks.
  socket.setTimeout(0)
  if (head.length > 0) socket.unshift(head)
  return { socket, reads, error: () => broken }
}

/** How much input may wait for the engine before its source is asked to pause. */
const inputLimit = 256 * 1024

/**
 * A connection of its own, whose bytes are read in large pieces. There is none with TLS, whose records are small, and on
 * Windows, where a read fills its buffer while others are under way.
 */
const ownConnection = (
  { target }: EngineClient,
  made: (socket: Socket) => void
): Pick<Http.RequestOptions, "createConnection"> & SharedReadsOf => {
  if (target.protocol === "https:" || process.platform === "win32") return {}
  const reads = SharedReads.make()
  const where =
    target.socketPath === undefined
      ? { host: target.host ?? "localhost", port: target.port ?? 80 }
      : { path: target.socketPath }
  return {
    reads,
    createConnection: () => {
      // Node passes the limit on to the stream that a socket is; its types do not know it.
      const options = { onread: reads.onread, writableHighWaterMark: inputLimit }
      const socket = new Socket(options).connect(where)
      reads.attach(socket)
      // Node takes one whose request was refused for one that the next request may have, and closes it for nobody.
      made(socket)
      return socket
    }
  }
}

interface SharedReadsOf {
  readonly reads?: SharedReads.SharedReads
}

/** Sends the request. What comes of it is destroyed when the Scope closes. */
const ask = Effect.fnUntraced(function* (client: EngineClient, request: EngineRequest) {
  const state = yield* Effect.acquireRelease(
    Effect.sync((): { request?: Http.ClientRequest; socket?: Socket } => ({})),
    ({ request, socket }) =>
      Effect.sync(() => {
        request?.destroy()
        socket?.destroy()
      })
  )
  const body = request.body === undefined ? "" : JSON.stringify(request.body)
  return yield* Effect.callback<HijackedSocket | Http.IncomingMessage, DockerError>((resume) => {
    const send = client.target.protocol === "https:" ? Https.request : Http.request
    const { createConnection, reads } = ownConnection(client, (socket) => {
      state.socket = socket
    })
    const sent = send({
      ...client.target,
      ...(createConnection === undefined ? { agent: client.agent } : { createConnection }),
      method: request.method,
      path: `${request.path}${queryText(request.query)}`,
      headers: {
        Connection: "Upgrade",
        Upgrade: "tcp",
        "Content-Length": Buffer.byteLength(body),
        ...(body === "" ? {} : { "Content-Type": "application/json" })
      }
    })
    state.request = sent
    sent.on("error", (cause) => resume(Effect.fail(client.broken(request.operation, cause))))
    sent.on("response", (response) => resume(Effect.succeed(response)))
    sent.on("upgrade", (_response, socket, head) => {
      state.socket = socket
      resume(Effect.succeed(listen(socket, head, reads)))
    })
    sent.end(body)
  })
})

/**
 * Opens a hijacked connection. It is destroyed when the Scope closes.
 *
 * @internal
 */
export const open = Effect.fnUntraced(function* (
  client: EngineClient,
  request: EngineRequest
): Effect.fn.Return<HijackedSocket, DockerError, Scope.Scope> {
  const answer = yield* Effect.retry(ask(client, request), sendAgain)
  if (!(answer instanceof Http.IncomingMessage)) return answer
  if ((answer.statusCode ?? 0) >= 400) return yield* yield* client.refused(request, answer)
  return yield* new DockerError({
    operation: request.operation,
    reason: new UnexpectedAnswer({
      message: `the engine answered with the HTTP status ${answer.statusCode} where it should have opened a stream`
    })
  })
})
