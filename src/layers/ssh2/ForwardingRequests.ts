/**
 * The requests of a connection that are about forwarding: channels to the container's network and Unix sockets, and
 * global requests to listen there (RFC 4254, section 7; OpenSSH's PROTOCOL, section 2.4).
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { Channel, Connection as Ssh2Connection, ServerChannel, SocketBindInfo, TcpipBindInfo } from "ssh2"
import type { ForwardingError } from "../../schema/ForwardingError.ts"
import type { ConnectRequest, Forwarding, Incoming, ListenRequest } from "../../services/Forwarding.ts"
import { Logger } from "../../services/Logger.ts"
import * as ChannelRefusal from "./ChannelRefusal.ts"
import * as ForwardedChannel from "./ForwardedChannel.ts"

export interface ForwardingRequestsOptions {
  readonly client: Ssh2Connection
  /** Waits for the login, and for the backend to have taken on the connection. */
  readonly forwarding: Effect.Effect<Forwarding>
  /** Called for each chunk that passes. */
  readonly touch: () => void
  /** Starts an effect in a fiber that the connection owns. */
  readonly fork: (effect: Effect.Effect<void, never, Logger>) => void
}

/** Opens a channel to the client, as ssh2 does it. */
export type OpenChannel = (incoming: Incoming, opened: (error: Error | undefined, channel: Channel) => void) => void

/** The code with which a channel is refused. */
const reasonOf = ({ reason }: ForwardingError): number => {
  switch (reason._tag) {
    case "ForwardingNotAllowed":
      return ChannelRefusal.reasons.administrativelyProhibited
    case "ForwardingLimitReached":
      return ChannelRefusal.reasons.resourceShortage
    default:
      return ChannelRefusal.reasons.connectFailed
  }
}

/** Carries a connection that was accepted in the container over a new channel to the client, if the client wants it. */
export const receive = (
  incoming: Incoming,
  openChannel: OpenChannel,
  touch: () => void
): Effect.Effect<void, never, Logger> =>
  incoming.take.pipe(
    Effect.flatMap((link) =>
      Effect.flatten(openFor(incoming, openChannel, (channel) => ForwardedChannel.carry(channel, link, touch)))
    ),
    // Why it could not be taken was logged.
    Effect.ignore,
    Effect.scoped
  )

const openFor = (incoming: Incoming, openChannel: OpenChannel, carry: (channel: Channel) => Effect.Effect<void>) =>
  Effect.callback<Effect.Effect<void, never, Logger>>((resume) => {
    openChannel(incoming, (error, channel) =>
      // In this step, so that the channel has its listeners.
      resume(Effect.succeed(error === undefined ? carry(channel) : logDeclined(error)))
    )
  })

const logDeclined = ({ message }: Error) =>
  Logger.use((logger) => logger.log({ level: "info", code: "FORWARDING_DECLINED", message }))

/** Must be called in the step in which ssh2 reports the connection: what nobody listens for is refused. */
export const listen = ({ client, fork, forwarding, touch }: ForwardingRequestsOptions): void => {
  const listeners = new Map<string, Deferred.Deferred<void>>()

  const connect = (request: ConnectRequest, accept: () => ServerChannel | undefined, reject: () => void) =>
    fork(
      Effect.flatMap(forwarding, (forwarding) => forwarding.connect(request)).pipe(
        Effect.matchEffect({
          onFailure: (error) =>
            Effect.sync(() => ChannelRefusal.refuse(client, reject, reasonOf(error), error.message)),
          onSuccess: (link) => {
            const channel = accept()
            return channel === undefined ? Effect.void : ForwardedChannel.carry(channel, link, touch)
          }
        }),
        Effect.scoped
      )
    )

  /** Listens until the client takes its request back, or is gone. `openChannel` is told the place. */
  const startListening = (
    request: ListenRequest,
    openChannel: (place: string) => OpenChannel,
    keyOf: (place: string) => string,
    answer: { readonly accept: (place: string) => void; readonly reject: () => void }
  ) =>
    fork(
      Effect.gen(function* () {
        const { listen } = yield* forwarding
        const place = yield* Deferred.make<string>()
        const cancelled = yield* Deferred.make<void>()
        const listener = yield* listen(request, (incoming) =>
          fork(Effect.flatMap(Deferred.await(place), (place) => receive(incoming, openChannel(place), touch)))
        )
        yield* Deferred.succeed(place, listener.place)
        const key = keyOf(listener.place)
        listeners.set(key, cancelled)
        yield* Effect.addFinalizer(() => Effect.sync(() => listeners.delete(key)))
        answer.accept(listener.place)
        yield* Effect.raceFirst(listener.ended, Deferred.await(cancelled))
      }).pipe(
        Effect.catch(() => Effect.sync(answer.reject)),
        Effect.scoped
      )
    )

  const stopListening = (key: string, accept: (() => void) | undefined, reject: (() => void) | undefined) => {
    const cancelled = listeners.get(key)
    if (cancelled === undefined) {
      reject?.()
      return
    }
    listeners.delete(key)
    Deferred.doneUnsafe(cancelled, Effect.void)
    accept?.()
  }

  client.on("tcpip", (accept, reject, { destIP, destPort }) =>
    connect({ kind: "tcp", target: { host: destIP, port: destPort } }, accept, reject)
  )
  client.on("openssh.streamlocal", (accept, reject, { socketPath }) =>
    connect({ kind: "socket", path: socketPath }, accept, reject)
  )
  client.on(
    "request",
    (
      accept: ((port?: number) => void) | undefined,
      reject: (() => void) | undefined,
      name: string,
      info: TcpipBindInfo | SocketBindInfo
    ) => {
      if ("bindAddr" in info) {
        const { bindAddr, bindPort } = info
        const keyOf = (place: string) => `${bindAddr} ${place}`
        if (name !== "tcpip-forward") {
          stopListening(keyOf(String(bindPort)), accept, reject)
          return
        }
        startListening(
          { kind: "tcp-listen", target: { host: bindAddr, port: bindPort } },
          // The client knows its request by the address that it asked for.
          (place) => (incoming, opened) =>
            client.forwardOut(bindAddr, Number(place), incoming.host, incoming.port, opened),
          keyOf,
          { accept: (place) => accept?.(Number(place)), reject: () => reject?.() }
        )
      } else {
        const { socketPath } = info
        if (name !== "streamlocal-forward@openssh.com") {
          stopListening(socketPath, accept, reject)
          return
        }
        startListening(
          { kind: "socket-listen", path: socketPath },
          () => (_incoming, opened) => client.openssh_forwardOutStreamLocal(socketPath, opened),
          (place) => place,
          { accept: () => accept?.(), reject: () => reject?.() }
        )
      }
    }
  )
}
