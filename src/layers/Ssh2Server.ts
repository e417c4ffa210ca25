/**
 * The SSH server on ssh2.
 *
 * @since 0.1.0
 */
import { type AddressInfo, createServer, type Socket } from "node:net"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import ssh2 from "ssh2"
import { SshServerError } from "../schema/SshServerError.ts"
import type { Authenticator } from "../services/Authenticator.ts"
import type { DockerRun } from "../services/DockerRun.ts"
import { HostKeys } from "../services/HostKeys.ts"
import { Logger } from "../services/Logger.ts"
import { SecurityConfig } from "../services/SecurityConfig.ts"
import { SshConfig } from "../services/SshConfig.ts"
import { SshServer } from "../services/SshServer.ts"
import * as Algorithms from "./ssh2/Algorithms.ts"
import * as Arrivals from "./ssh2/Arrivals.ts"
import * as ChannelGuard from "./ssh2/ChannelGuard.ts"
import * as ClientReads from "./ssh2/ClientReads.ts"
import * as Disconnect from "./ssh2/Disconnect.ts"
import { isShortage } from "./ssh2/FileDescriptors.ts"
import * as HostKeyUpdate from "./ssh2/HostKeyUpdate.ts"
import * as KeepAlive from "./ssh2/KeepAlive.ts"
import * as HybridKeyExchange from "./ssh2/HybridKeyExchange.ts"
import { detectCrypto } from "./ssh2/NativeCrypto.ts"
import * as PromptAcknowledgement from "./ssh2/PromptAcknowledgement.ts"
import * as ServerSigAlgs from "./ssh2/ServerSigAlgs.ts"
import * as ServerConnection from "./ssh2/ServerConnection.ts"
import * as UnreadOutput from "./ssh2/UnreadOutput.ts"

export {
  /**
   * Tells whether SSH encryption runs in native code, or, several times slower, in JavaScript.
   *
   * @since 0.1.0
   * @category getters
   */
  detectCrypto
} from "./ssh2/NativeCrypto.ts"

const errnoOf = (cause: unknown): string | undefined =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : undefined

const ignore = () => {}

const make = Effect.gen(function* () {
  const context = yield* Effect.context<Authenticator | DockerRun | Logger>()
  const settings = yield* SshConfig
  const { banner, listen, reusePort, shutdownGracePeriod } = settings
  // Two sections may limit the sessions, and both mean it.
  const { maxSessions } = yield* SecurityConfig
  const limits = {
    ...settings,
    maxSessions: maxSessions < 0 ? settings.maxSessions : Math.min(settings.maxSessions, maxSessions)
  }
  const { keys } = yield* HostKeys
  const logger = yield* Logger
  const crypto = detectCrypto()
  const wanted = `${listen.host ?? ""}:${listen.port}`
  const toError = (cause: unknown): SshServerError => {
    const errno = errnoOf(cause)
    return new SshServerError({ address: wanted, cause, ...(errno === undefined ? {} : { errno }) })
  }

  if (Algorithms.keyExchanges(settings).length === 0) {
    return yield* toError(new Error(`ssh.kex names ${HybridKeyExchange.name} alone, and this Node.js does not have it`))
  }
  // Sockets wait here until `run` serves them.
  let arrivals: Arrivals.Arrivals | undefined
  const waiting = new Set<Socket>()
  const failed = yield* Deferred.make<never, SshServerError>()
  const listener = createServer({ noDelay: true }, (socket) => {
    // Without a listener for errors, a client that resets its connection would end the process.
    socket.on("error", ignore)
    ClientReads.share(socket)
    if (arrivals === undefined) waiting.add(socket)
    else arrivals.receive(socket)
  })
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      listener.close()
      for (const socket of waiting) socket.destroy()
    })
  )
  yield* Effect.callback<void, SshServerError>((resume) => {
    listener.once("error", (cause) => resume(Effect.fail(toError(cause))))
    listener.listen({ ...listen, reusePort }, () => resume(Effect.void))
  })
  listener.on("error", (cause) => {
    // Nothing is wrong with the listener: it goes on when there is room again.
    if (isShortage(errnoOf(cause))) arrivals?.shortage()
    else Deferred.doneUnsafe(failed, Effect.fail(toError(cause)))
  })
  const bound = listener.address()
  const address = isAddressInfo(bound)
    ? { host: bound.address, port: bound.port }
    : { host: listen.host ?? "::", port: listen.port }
  yield* logger.log({
    level: "notice",
    code: "SSH_LISTENING",
    message: `listening on ${address.host}:${address.port}, SSH encryption is ${crypto === "native" ? "native" : "in JavaScript (slow)"}`,
    fields: { address: address.host, port: address.port, crypto }
  })

  const run = Effect.gen(function* () {
    const shutdown = yield* Deferred.make<Duration.Duration>()
    const fibers = yield* FiberSet.make<void, never>()
    const fork = yield* FiberSet.runtime(fibers)<Authenticator | DockerRun | Logger>()
    const arrived = new Map<string, Arrivals.Arrival>()

    const announceHostKeys = HostKeyUpdate.make(keys)
    const server = new ssh2.Server(
      {
        hostKeys: keys.map((key) => Redacted.value(key.pem)),
        algorithms: Algorithms.make(settings),
        ...(banner === "" ? {} : { banner: banner.endsWith("\n") ? banner : `${banner}\n` }),
        ident: "dockerrun",
        ...KeepAlive.options(settings)
      },
      (client, { header, ip }) => {
        client.on("error", ignore)
        ServerSigAlgs.correct(client)
        Algorithms.offer(client, settings)
        HybridKeyExchange.teach(client)
        const arrival = arrived.get(ip)
        if (arrival === undefined) {
          client.end()
          return
        }
        PromptAcknowledgement.arrange(client, arrival.socket, header.versions.software)
        ChannelGuard.guard(client, (why) =>
          Disconnect.disconnect(client, arrival.socket, Disconnect.reasons.protocolError, why)
        )
        client.once("ready", () => announceHostKeys(client))
        fork(ServerConnection.serve({ client, arrival, limits, settings, shutdown: Deferred.await(shutdown) }))
      }
    )
    const { destroy, receive, shortage } = yield* Arrivals.make(settings, (arrival) => {
      const { connectionId, socket } = arrival
      arrived.set(connectionId, arrival)
      socket.once("close", () => arrived.delete(connectionId))
      // ssh2 tells of a client by what its socket says of the other side. That is not unique: two sockets, accepted on two
      // addresses of this machine, may have the same other side.
      Object.defineProperty(socket, "remoteAddress", { value: connectionId })
      server.injectSocket(socket)
      UnreadOutput.limit(socket)
    })
    yield* Effect.addFinalizer(() =>
      Effect.gen(function* () {
        // What the system has taken for this listener is reset when it goes: it is accepted first.
        yield* loopTurn
        yield* loopTurn
        arrivals = undefined
        listener.close()
        yield* Deferred.succeed(shutdown, shutdownGracePeriod)
        yield* FiberSet.awaitEmpty(fibers).pipe(
          Effect.timeoutOption(Duration.sum(shutdownGracePeriod, Duration.seconds(5)))
        )
        destroy()
      })
    )
    arrivals = { destroy, receive, shortage }
    for (const socket of waiting) receive(socket)
    waiting.clear()
    return yield* Deferred.await(failed)
  }).pipe(Effect.scoped, Effect.provideContext(context))

  return SshServer.of({ address, crypto, run })
})

/**
 * Listens as `ssh.listen` says, and fails with `SshServerError` when it cannot. Connections are served by
 * `SshServer.run`; those that come earlier wait for it.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<SshServer, SshServerError, Authenticator | DockerRun | HostKeys | Logger | SshConfig> =
  Layer.effect(SshServer, make)

/** Until Node has looked once for what there is to accept. */
const loopTurn = Effect.callback<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})

const isAddressInfo = (address: AddressInfo | string | null): address is AddressInfo =>
  typeof address === "object" && address !== null
