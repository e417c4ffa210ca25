/**
 * Requests to an engine: one dockerode client and one connection pool, an Effect for each exchange.
 *
 * @since 0.1.0
 */
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import Dockerode from "dockerode"
import * as Http from "node:http"
import * as Https from "node:https"
import type { Readable } from "node:stream"
import { inspect } from "node:util"
import * as Tls from "node:tls"
import { DockerError, type DockerErrorReason, UnexpectedAnswer } from "../../schema/DockerError.ts"
import { type EngineAddress, type EngineTls, unusable } from "./EngineAddress.ts"
import { ErrorAnswer } from "./EngineAnswers.ts"
import * as ErrorClassification from "./ErrorClassification.ts"

/**
 * @internal
 */
export interface EngineRequest {
  /** The operation of the `Docker` service on whose behalf it is sent; names it in errors. */
  readonly operation: string
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "DELETE"
  /** With the version of the API in front, without the query. */
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | boolean>>
  /** What is sent as JSON. */
  readonly body?: object
  /** A tar archive that is sent instead. It is read once, so such a request cannot be sent again. */
  readonly archive?: Readable
  /** The reason behind an answer with an HTTP status of 400 and above; by default what the status alone says. */
  readonly classify?: (status: number, message: string) => DockerErrorReason
}

/**
 * @internal
 */
export interface EngineClient {
  readonly address: EngineAddress
  /** The connection pool; a request sent through it needs `target` to find the engine. */
  readonly agent: Http.Agent
  readonly target: {
    readonly protocol: "http:" | "https:"
    readonly socketPath?: string
    readonly host?: string
    readonly port?: number
  }
  /** Sends a request and answers with the body, whose bytes nobody has read yet. It ends with the Scope. */
  readonly open: (request: EngineRequest) => Effect.Effect<Http.IncomingMessage, DockerError, Scope.Scope>
  /** Sends a request and answers with the whole body. */
  readonly send: (request: EngineRequest) => Effect.Effect<string, DockerError>
  /** The lines of an answer's body, as they come. Ending the stream early cuts the answer off. */
  readonly lines: <R>(
    operation: string,
    response: Effect.Effect<Http.IncomingMessage, DockerError, R>
  ) => Stream.Stream<string, DockerError, Exclude<R, Scope.Scope>>
  /** The error of a connection that broke while an operation was under way. */
  readonly broken: (operation: string, cause: unknown) => DockerError
  /** The error of an answer with an HTTP status of 400 and above. */
  readonly refused: (request: EngineRequest, response: Http.IncomingMessage) => Effect.Effect<DockerError>
}

/** The part of docker-modem, dockerode's transport, that is used here; dockerode's own types leave it open. */
interface Modem {
  readonly dial: (
    options: {
      readonly path: string
      readonly method: string
      readonly isStream: true
      readonly statusCodes: Readonly<Record<number, true>>
      readonly options: { readonly _query: object; readonly _body: object }
      readonly file?: Readable
      readonly abortSignal: AbortSignal
    },
    callback: (error: Error | null, result: unknown) => void
  ) => void
}

/** An idle connection is closed after this many milliseconds. */
const idleTimeout = 5_000
const idleConnections = 4

/** More than any answer but a stream has. */
const bodyLimit = 64 * 1024 * 1024

/** Every status is a result for docker-modem, so that the error in the body is ours to read. */
const everyStatus: Readonly<Record<number, true>> = Object.fromEntries(
  Array.from({ length: 500 }, (_, i) => [i + 100, true] as const)
)

/**
 * A request for which an idle connection was taken that the engine had closed a moment before: nothing of it was
 * received, so it can be sent again, once for each idle connection that there may be.
 *
 * @internal
 */
export const sendAgain = {
  times: idleConnections,
  while: ({ reason }: DockerError) => reason._tag === "Unreachable" && reason.errno === "EPIPE"
}

const decodeError = Schema.decodeUnknownOption(ErrorAnswer)

const secureContext = (tls: EngineTls) =>
  Effect.try({
    try: () =>
      Tls.createSecureContext({
        ...(tls.ca === undefined ? {} : { ca: tls.ca }),
        ...(tls.cert === undefined ? {} : { cert: tls.cert }),
        ...(tls.key === undefined ? {} : { key: Redacted.value(tls.key) })
      }),
    catch: (cause) =>
      // The message of OpenSSL names what is malformed, never the text itself.
      unusable(
        `the TLS certificate, key or CA for the engine cannot be used: ${cause instanceof Error ? cause.message : "malformed"}`
      )
  })

/** Streams are hijacked from the pool and waits occupy a connection for hours, so connections in use are not limited. */
const pool = { keepAlive: true, maxFreeSockets: idleConnections, timeout: idleTimeout, noDelay: true }

/**
 * docker-modem renders each request's options for a debug message that nobody asked for, the pool with all its sockets
 * included. With a thousand programs running that took the server all of its time; so the pool has a short name.
 */
const named = <Agent extends Http.Agent>(agent: Agent): Agent =>
  Object.assign(agent, { [inspect.custom]: () => "pool" })

const makeAgent = Effect.fnUntraced(function* ({ endpoint }: EngineAddress) {
  const tls = endpoint._tag === "Tcp" ? endpoint.tls : undefined
  if (tls === undefined) return named(new Http.Agent(pool))
  // The key goes into OpenSSL's context and stays there: neither dockerode nor the pool can print it.
  return named(new Https.Agent({ ...pool, secureContext: yield* secureContext(tls), rejectUnauthorized: tls.verify }))
})

const targetOf = ({ endpoint }: EngineAddress): EngineClient["target"] =>
  endpoint._tag === "Socket"
    ? { protocol: "http:", socketPath: endpoint.path }
    : { protocol: endpoint.tls === undefined ? "http:" : "https:", host: endpoint.hostname, port: endpoint.port }

/**
 * What is not given here docker-modem takes from the environment (`DOCKER_HOST` and others), which has been read already;
 * so everything is given.
 */
const makeModem = (address: EngineAddress, agent: Http.Agent) =>
  Effect.try({
    try: (): Modem => {
      const { endpoint } = address
      const secure = endpoint._tag === "Tcp" && endpoint.tls !== undefined
      const hostname = endpoint._tag === "Tcp" ? endpoint.hostname : ""
      const options = {
        agent,
        protocol: secure ? ("https" as const) : ("http" as const),
        host:
          endpoint._tag === "Tcp"
            ? `${secure ? "https" : "http"}://${hostname.includes(":") ? `[${hostname}]` : hostname}`
            : undefined,
        port: endpoint._tag === "Tcp" ? endpoint.port : undefined,
        socketPath: endpoint._tag === "Socket" ? endpoint.path : undefined,
        pathPrefix: "/",
        timeout: undefined,
        ca: undefined,
        cert: undefined,
        key: undefined
      }
      return new Dockerode(options).modem
    },
    catch: (cause) => unusable(`dockerode cannot be set up: ${cause instanceof Error ? cause.message : String(cause)}`)
  })

/**
 * Makes the client. Its connections close with the Scope. Nothing is sent yet, so the engine need not be there.
 *
 * @internal
 */
export const make = Effect.fnUntraced(function* (address: EngineAddress) {
  const agent = yield* Effect.acquireRelease(makeAgent(address), (agent) => Effect.sync(() => agent.destroy()))
  const modem = yield* makeModem(address, agent)

  const broken = (operation: string, cause: unknown) =>
    new DockerError({ operation, reason: ErrorClassification.fromBrokenConnection(cause, address.url) })

  const body = (operation: string, response: Http.IncomingMessage) =>
    NodeStream.toString(() => response, { onError: (cause) => broken(operation, cause), maxBytes: bodyLimit })

  const refused = Effect.fnUntraced(function* (request: EngineRequest, response: Http.IncomingMessage) {
    const status = response.statusCode ?? 0
    const text = yield* body(request.operation, response).pipe(Effect.catch((error) => Effect.succeed(error.message)))
    const { cause, message } = Option.getOrElse(decodeError(text), () => ({ cause: undefined, message: text.trim() }))
    const classify = request.classify ?? ErrorClassification.fromStatus
    return new DockerError({
      operation: request.operation,
      reason: classify(ErrorClassification.statusOf(status, cause), message)
    })
  })

  /** The answer, whatever its status. A response that has not been read to its end is cut off with the Scope. */
  const exchange = Effect.fnUntraced(function* (request: EngineRequest) {
    const state = yield* Effect.acquireRelease(
      Effect.sync((): { readonly controller: AbortController; response?: Http.IncomingMessage } => ({
        controller: new AbortController()
      })),
      ({ controller, response }) =>
        Effect.sync(() => {
          // A connection whose response was read to its end is back in the pool by now, or on its way there.
          if (response?.readableEnded !== true) controller.abort()
        })
    )
    return yield* Effect.callback<Http.IncomingMessage, DockerError>((resume) => {
      modem.dial(
        {
          // docker-modem puts the query behind a path that ends in a question mark.
          path: request.query === undefined ? request.path : `${request.path}?`,
          method: request.method,
          isStream: true,
          statusCodes: everyStatus,
          options: { _query: request.query ?? {}, _body: request.body ?? {} },
          ...(request.archive === undefined ? {} : { file: request.archive }),
          abortSignal: state.controller.signal
        },
        (error, result) => {
          if (result instanceof Http.IncomingMessage) {
            state.response = result
            resume(Effect.succeed(result))
          } else {
            resume(Effect.fail(broken(request.operation, error)))
          }
        }
      )
    })
  })

  const open = Effect.fnUntraced(function* (request: EngineRequest) {
    const response = yield* request.archive === undefined
      ? Effect.retry(exchange(request), sendAgain)
      : exchange(request)
    if ((response.statusCode ?? 0) >= 400) return yield* yield* refused(request, response)
    return response
  })

  const send = (request: EngineRequest) =>
    Effect.scoped(Effect.flatMap(open(request), (response) => body(request.operation, response)))

  const lines: EngineClient["lines"] = (operation, response) =>
    Stream.unwrap(
      Effect.map(response, (response) =>
        NodeStream.fromReadable<Uint8Array, DockerError>({
          evaluate: () => response,
          onError: (cause) => broken(operation, cause)
        }).pipe(
          Stream.decodeText,
          Stream.splitLines,
          Stream.filter((line) => line.trim() !== "")
        )
      )
    )

  const client: EngineClient = { address, agent, target: targetOf(address), open, send, lines, broken, refused }
  return client
})

/**
 * Reads an answer, or fails with `UnexpectedAnswer`.
 *
 * @internal
 */
export const decodeWith = <S extends Schema.ConstraintDecoder<unknown, never>>(schema: S) => {
  const decode = Schema.decodeUnknownEffect(schema)
  return (operation: string, text: string) =>
    decode(text).pipe(
      Effect.mapError(
        (error) => new DockerError({ operation, reason: new UnexpectedAnswer({ message: error.message }) })
      )
    )
}
