/**
 * The SSH server on ssh2.
 *
 * @since 0.1.0
 */
import { type AddressInfo, createServer, type Socket } from "node:net"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import ssh2 from "ssh2"
import { SshServerError } from "../schema/SshServerError.ts"
import type { Authenticator } from "../services/Authenticator.ts"
import type { DockerRun } from "../services/DockerRun.ts"
import { HostKeys } from "../services/HostKeys.ts"
import { Logger } from "../services/Logger.ts"
import { SshConfig } from "../services/SshConfig.ts"
import { SshServer } from "../services/SshServer.ts"
import { algorithms } from "./ssh2/Algorithms.ts"
import { detectCrypto } from "./ssh2/NativeCrypto.ts"
import * as ServerSigAlgs from "./ssh2/ServerSigAlgs.ts"
import * as ServerConnection from "./ssh2/ServerConnection.ts"

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

const peer = (address: string | undefined, port: number | undefined): string => `${address ?? ""} ${port ?? 0}`

const make = Effect.gen(function* () {
  const context = yield* Effect.context<Authenticator | DockerRun | Logger>()
  const { banner, listen, shutdownGracePeriod } = yield* SshConfig
  const { keys } = yield* HostKeys
  const logger = yield* Logger
  const crypto = detectCrypto()
  const wanted = `${listen.host ?? ""}:${listen.port}`
  const toError = (cause: unknown): SshServerError => {
    const errno = errnoOf(cause)
    return new SshServerError({ address: wanted, cause, ...(errno === undefined ? {} : { errno }) })
  }

  // Sockets wait here until `run` serves them.
  let onSocket: ((socket: Socket) => void) | undefined
  const waiting = new Set<Socket>()
  const failed = yield* Deferred.make<never, SshServerError>()
  const listener = createServer({ noDelay: true }, (socket) => {
    // Without a listener for errors, a client that resets its connection would end the process.
    socket.on("error", ignore)
    if (onSocket === undefined) waiting.add(socket)
    else onSocket(socket)
  })
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      listener.close()
      for (const socket of waiting) socket.destroy()
    })
  )
  yield* Effect.callback<void, SshServerError>((resume) => {
    listener.once("error", (cause) => resume(Effect.fail(toError(cause))))
    listener.listen(listen, () => resume(Effect.void))
  })
  listener.on("error", (cause) => {
    Deferred.doneUnsafe(failed, Effect.fail(toError(cause)))
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
    const forkTimer = yield* FiberSet.runtime(yield* FiberSet.make<void, never>())()
    const sockets = new Map<string, { readonly socket: Socket; readonly silence: Fiber.Fiber<void> }>()

    const server = new ssh2.Server(
      {
        hostKeys: keys.map((key) => Redacted.value(key.pem)),
        algorithms,
        ...(banner === "" ? {} : { banner: banner.endsWith("\n") ? banner : `${banner}\n` }),
        ident: "dockerrun"
      },
      (client, { ip, port }) => {
        client.on("error", ignore)
        ServerSigAlgs.correct(client)
        const entry = sockets.get(peer(ip, port))
        if (entry === undefined) {
          client.end()
          return
        }
        entry.silence.interruptUnsafe()
        fork(
          ServerConnection.serve({
            client,
            socket: entry.socket,
            remoteAddress: ip,
            remotePort: port,
            shutdown: Deferred.await(shutdown)
          })
        )
      }
    )
    const serve = (socket: Socket) => {
      const key = peer(socket.remoteAddress, socket.remotePort)
      // ssh2 tells of a client that has sent its identification, and keeps one that never does for ever.
      const silence = forkTimer(
        Effect.andThen(
          Effect.sleep(ServerConnection.loginGraceTime),
          Effect.sync(() => socket.destroy())
        )
      )
      const entry = { socket, silence }
      sockets.set(key, entry)
      socket.once("close", () => {
        silence.interruptUnsafe()
        // The next socket from the same port may be here before this one has closed.
        if (sockets.get(key) === entry) sockets.delete(key)
      })
      server.injectSocket(socket)
    }
    yield* Effect.addFinalizer(() =>
      Effect.gen(function* () {
        onSocket = undefined
        listener.close()
        yield* Deferred.succeed(shutdown, shutdownGracePeriod)
        yield* FiberSet.awaitEmpty(fibers).pipe(
          Effect.timeoutOption(Duration.sum(shutdownGracePeriod, Duration.seconds(5)))
        )
        for (const { socket } of sockets.values()) socket.destroy()
      })
    )
    onSocket = serve
    for (const socket of waiting) serve(socket)
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

const isAddressInfo = (address: AddressInfo | string | null): address is AddressInfo =>
  typeof address === "object" && address !== null
