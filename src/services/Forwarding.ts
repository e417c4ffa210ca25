/**
 * What a connection has forwarded. All of it happens in the network of its container, by programs of the image.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { ContainerError } from "../schema/ContainerError.ts"
import {
  ForwardingError,
  type ForwardingErrorReason,
  ForwardingFailed,
  ForwardingLimitReached,
  ForwardingNotAllowed,
  ForwardingTargetInvalid,
  ForwardingToolMissing
} from "../schema/ForwardingError.ts"
import type { ProgramError } from "../schema/ProgramError.ts"
import * as ByteSink from "./ByteSink.ts"
import * as ForwardingPolicy from "./ForwardingPolicy.ts"
import { Logger } from "./Logger.ts"
import * as Relay from "./Relay.ts"
import * as RelayScripts from "./RelayScripts.ts"
import * as RelayTool from "./RelayTool.ts"
import { SecurityConfig } from "./SecurityConfig.ts"

/**
 * A connection to a port or a Unix socket of the container.
 *
 * @since 0.1.0
 * @category models
 */
export type ConnectRequest = Extract<ForwardingPolicy.ForwardingRequest, { readonly kind: "tcp" | "socket" }>

/**
 * A port, a Unix socket, or the socket of an agent, on which to listen in the container.
 *
 * @since 0.1.0
 * @category models
 */
export type ListenRequest = Extract<
  ForwardingPolicy.ForwardingRequest,
  { readonly kind: "tcp-listen" | "socket-listen" | "agent" }
>

/**
 * A connection that was accepted in the container. `take` fetches it; who does not loses it after half a minute.
 *
 * @since 0.1.0
 * @category models
 */
export interface Incoming {
  /** The other side, where it has an address. */
  readonly host: string
  readonly port: number
  readonly take: Effect.Effect<Relay.Link, ForwardingError, Scope.Scope>
}

/**
 * What one connection may have forwarded. A refusal is logged once, and nothing of it stays.
 *
 * @since 0.1.0
 * @category models
 */
export interface Forwarding {
  /** Connects, from inside of the container, and waits until the other side has taken the connection. */
  readonly connect: (request: ConnectRequest) => Effect.Effect<Relay.Link, ForwardingError, Scope.Scope>
  /** Listens in the container until the Scope closes. */
  readonly listen: (
    request: ListenRequest,
    onIncoming: (incoming: Incoming) => void
  ) => Effect.Effect<Relay.Listener, ForwardingError, Scope.Scope>
  /** Says no, in the log, to what nobody may have forwarded. */
  readonly refuse: (request: ForwardingPolicy.ForwardingRequest) => Effect.Effect<void>
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (
  user: ForwardingPolicy.ForwardingUser,
  run: Relay.Run
): Effect.fn.Return<Forwarding, never, Logger> {
  const logger = yield* Logger
  const { forwarding: settings } = yield* SecurityConfig
  const probing = yield* Semaphore.make(1)
  let tools: ReadonlyArray<RelayTool.RelayTool> | undefined
  let channels = 0
  let listeners = 0

  const fail = (request: ForwardingPolicy.ForwardingRequest, reason: ForwardingErrorReason, cause?: unknown) =>
    new ForwardingError({
      kind: request.kind,
      target: ForwardingPolicy.formatRequest(request),
      reason,
      ...(cause === undefined ? {} : { cause })
    })
  const failed = (request: ForwardingPolicy.ForwardingRequest) => (error: ContainerError | ProgramError) =>
    fail(request, new ForwardingFailed({ detail: error.message }), error)
  const refused = (request: ForwardingPolicy.ForwardingRequest, { words }: Relay.Refusal) =>
    fail(request, new ForwardingFailed({ detail: explain(words) }), words.trim())
  const logRefusal = (error: ForwardingError) =>
    logger.log({
      level: "info",
      code: error.code,
      message: `forwarding refused to ${user.username}: ${error.kind} ${error.target}: ${error.message}`,
      fields: {
        kind: error.kind,
        target: error.target,
        ...(error.reason._tag === "ForwardingNotAllowed" ? { rule: error.reason.rule } : {})
      },
      ...(error.cause === undefined ? {} : { cause: error.cause })
    })

  /** Also of what is wrong with it in itself. */
  const permit = (request: ForwardingPolicy.ForwardingRequest) =>
    Effect.suspend(() => {
      const rule = ForwardingPolicy.forbids(settings, user, request)
      if (rule !== undefined) return Effect.fail(fail(request, new ForwardingNotAllowed({ rule })))
      return isValid(request) ? Effect.void : Effect.fail(fail(request, new ForwardingTargetInvalid()))
    })

  const probe = Effect.gen(function* () {
    if (tools !== undefined) return tools
    const decoder = new TextDecoder()
    let names = ""
    const stdout: ByteSink.ByteSink = {
      ...ByteSink.discard,
      write: (chunk) => {
        names += decoder.decode(chunk, { stream: true })
        return true
      }
    }
    const program = yield* run(["/bin/sh", "-c", RelayScripts.probe], { stdout, stderr: ByteSink.discard })
    program.stdin.end()
    yield* program.exit
    const found = RelayTool.known.filter(({ name }) => names.split("\n").includes(name))
    tools = found
    yield* logger.log({
      level: "debug",
      code: "FORWARDING_TOOLS",
      message: `the container has ${found.map(({ name }) => name).join(", ") || "no program"} to forward connections with`
    })
    return found
  }).pipe(Effect.scoped, (probe) => probing.withPermit(probe))

  /** The first that can do it, and how. */
  const choose = <A>(
    request: ForwardingPolicy.ForwardingRequest,
    use: (tool: RelayTool.RelayTool) => A | undefined
  ): Effect.Effect<readonly [RelayTool.RelayTool, A], ForwardingError> =>
    Effect.gen(function* () {
      const [program, ...words] = settings.command
      const own =
        request.kind === "tcp" && program !== undefined ? [RelayTool.configured([program, ...words])] : undefined
      for (const tool of own ?? (yield* Effect.mapError(probe, failed(request)))) {
        const used = use(tool)
        if (used !== undefined) return [tool, used] as const
      }
      const able = RelayTool.known.filter((tool) => use(tool) !== undefined).map(({ name }) => name)
      return yield* fail(request, new ForwardingToolMissing({ tools: able.join(", ") }))
    })

  const dial = (request: ConnectRequest) =>
    Effect.gen(function* () {
      const mark = yield* randomName
      const [tool, command] = yield* choose(request, (tool) =>
        request.kind === "tcp" ? tool.connect(request.target, mark) : tool.connectSocket?.(request.path, mark)
      )
      const link = yield* Effect.mapError(
        Relay.connect(run, tool, command, mark, settings.connectTimeout),
        failed(request)
      )
      if (link._tag === "Refusal") return yield* refused(request, link)
      return { tool, link }
    })

  const counted = <A, R>(
    request: ForwardingPolicy.ForwardingRequest,
    setting: "maxChannels" | "maxListeners",
    effect: Effect.Effect<A, ForwardingError, R>
  ): Effect.Effect<A, ForwardingError, R | Scope.Scope> =>
    Effect.acquireRelease(
      Effect.suspend(() => {
        const limit = settings[setting]
        if ((setting === "maxChannels" ? channels : listeners) >= limit) {
          return Effect.fail(fail(request, new ForwardingLimitReached({ setting, limit })))
        }
        if (setting === "maxChannels") channels += 1
        else listeners += 1
        return Effect.void
      }),
      () =>
        Effect.sync(() => {
          if (setting === "maxChannels") channels -= 1
          else listeners -= 1
        })
    ).pipe(Effect.andThen(effect))

  const logStart = (request: ForwardingPolicy.ForwardingRequest, what: string, tool: RelayTool.RelayTool) =>
    logger.log({
      level: "info",
      code: "FORWARDING_STARTED",
      message: `${what} ${ForwardingPolicy.formatRequest(request)} in the container, by its ${tool.name}`,
      fields: { kind: request.kind, target: ForwardingPolicy.formatRequest(request), tool: tool.name }
    })

  return {
    connect: (request) =>
      permit(request).pipe(
        Effect.andThen(counted(request, "maxChannels", dial(request))),
        Effect.tap(({ tool }) => logStart(request, "connected to", tool)),
        Effect.map(({ link }) => link),
        Effect.tapError(logRefusal)
      ),
    listen: (request, onIncoming) =>
      Effect.gen(function* () {
        yield* permit(request)
        const name = yield* randomName
        const [tool, command] = yield* choose(request, (tool) =>
          request.kind === "tcp-listen"
            ? tool.listen?.({ ...request.target, host: listenAddress(request.target.host) }, name)
            : tool.listenSocket?.(request.kind === "agent" ? undefined : request.path, name)
        )
        const onAccepted = ({ host, path, port }: Relay.Accepted) =>
          onIncoming({
            host,
            port,
            take: counted(request, "maxChannels", dial({ kind: "socket", path })).pipe(
              Effect.map(({ link }) => link),
              Effect.tapError(logRefusal)
            )
          })
        const listener = yield* counted(
          request,
          "maxListeners",
          Effect.mapError(Relay.listen(run, tool, command, onAccepted), failed(request))
        )
        if (listener._tag === "Refusal") return yield* refused(request, listener)
        yield* logStart(request, "listening on", tool)
        // As the client wrote it, who will take it back by that.
        return request.kind === "socket-listen" ? { ...listener, place: request.path } : listener
      }).pipe(Effect.tapError(logRefusal)),
    refuse: (request) => Effect.ignore(Effect.tapError(permit(request), logRefusal))
  }
})

const isValid = (request: ForwardingPolicy.ForwardingRequest): boolean => {
  switch (request.kind) {
    case "tcp":
      return RelayTool.isHost(request.target.host) && RelayTool.isPort(request.target.port)
    case "tcp-listen":
      return (
        RelayTool.isHost(listenAddress(request.target.host)) &&
        (request.target.port === 0 || RelayTool.isPort(request.target.port))
      )
    case "socket":
    case "socket-listen":
      return RelayTool.isSocketPath(request.path)
    default:
      return true
  }
}

/** RFC 4254, section 7.1: an empty address is all of them, and so, by custom, is `*`. */
const listenAddress = (host: string): string => {
  if (host === "" || host === "*") return "0.0.0.0"
  return host === "localhost" ? "127.0.0.1" : host
}

/** A name that nobody else has. */
const randomName = Effect.map(Effect.replicateEffect(Random.nextIntBetween(0, 0xffff_ffff), 4), (parts) =>
  parts.map((part) => part.toString(16).padStart(8, "0")).join("")
)

/** What programs say in many words. */
const explanations: ReadonlyArray<readonly [RegExp, string]> = [
  [/refused/iu, "connection refused"],
  [/not known|bad address|unknown host|no address|name resolution|nodename/iu, "the host name cannot be resolved"],
  [/timed? ?out/iu, "connection timed out"],
  [/unreachable|no route/iu, "the network or the host cannot be reached"],
  [/no such file/iu, "there is no such socket"],
  [/in use/iu, "the address is in use"],
  [/cannot assign/iu, "the address is not one of the container"],
  [/permission denied|not permitted/iu, "permission denied"]
]

const explain = (words: string): string =>
  explanations.find(([pattern]) => pattern.test(words))?.[1] ?? "the connection could not be made"
