/**
 * Which engine to use when the configuration does not name one.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { access } from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import * as DockerContext from "./DockerContext.ts"
import { type EngineAddress, type EngineTls, parse, unusable } from "./EngineAddress.ts"

/**
 * The surroundings of this process.
 *
 * @internal
 */
export const surroundings = Effect.sync((): DockerContext.Surroundings => ({
  env: process.env,
  home: Os.homedir(),
  platform: process.platform,
  uid: process.getuid?.()
}))

/** A place where engines listen unless told otherwise, and whose it is. */
interface DefaultSocket {
  readonly url: string
  readonly origin: string
}

/**
 * Where engines listen by default: Docker's rootful socket first, then rootless ones, then Docker Desktop, then Podman.
 *
 * @internal
 */
export const defaultSockets = (from: DockerContext.Surroundings): ReadonlyArray<DefaultSocket> => {
  if (from.platform === "win32") {
    return [{ url: "npipe:////./pipe/docker_engine", origin: "default pipe of Docker" }]
  }
  const runtime = from.env["XDG_RUNTIME_DIR"] || (from.uid === undefined ? undefined : `/run/user/${from.uid}`)
  return [
    { url: "unix:///var/run/docker.sock", origin: "default socket of Docker" },
    ...(runtime === undefined
      ? []
      : [{ url: `unix://${Path.join(runtime, "docker.sock")}`, origin: "default socket of rootless Docker" }]),
    {
      url: `unix://${Path.join(from.home, ".docker", "run", "docker.sock")}`,
      origin: "default socket of Docker Desktop"
    },
    {
      url: `unix://${Path.join(from.home, ".docker", "desktop", "docker.sock")}`,
      origin: "default socket of Docker Desktop"
    },
    ...(runtime === undefined
      ? []
      : [
          {
            url: `unix://${Path.join(runtime, "podman", "podman.sock")}`,
            origin: "default socket of rootless Podman"
          }
        ]),
    { url: "unix:///run/podman/podman.sock", origin: "default socket of Podman" }
  ]
}

const isThere = ({ url }: DefaultSocket) =>
  Effect.promise(() =>
    access(url.slice(url.indexOf("://") + 3)).then(
      () => true,
      // A socket that is there and may not be opened is told from the error of the first request, in better words.
      (cause: unknown) => !(cause instanceof Error && "code" in cause && cause.code === "ENOENT")
    )
  )

/**
 * The first socket that exists. When there is none it is the first of the list: the engine may come up later.
 *
 * @internal
 */
export const firstPresent = Effect.fnUntraced(function* (sockets: ReadonlyArray<DefaultSocket>) {
  for (const socket of sockets) {
    if (yield* isThere(socket)) return socket
  }
  return sockets[0]
})

/** TLS as docker's own variables ask for it: `DOCKER_TLS_VERIFY` turns it on, `DOCKER_CERT_PATH` says where. */
const tlsFromEnvironment = Effect.fnUntraced(function* (from: DockerContext.Surroundings) {
  if (!from.env["DOCKER_TLS_VERIFY"]) return undefined
  const directory = from.env["DOCKER_CERT_PATH"] || Path.join(from.home, ".docker")
  return (yield* DockerContext.readTls(directory, true)) ?? { verify: true }
})

/**
 * Finds the engine: the host that was configured, then `DOCKER_HOST`, then the current docker context, then the default
 * sockets. Does not ask whether anybody listens there. Fails with `BadRequest` when what it finds cannot be used.
 *
 * @internal
 */
export const discover = Effect.fnUntraced(function* (
  configured: { readonly host?: string | undefined; readonly tls?: EngineTls | undefined },
  from: DockerContext.Surroundings
) {
  if (configured.host) return yield* parse({ url: configured.host, origin: "config", tls: configured.tls })
  const host = from.env["DOCKER_HOST"]
  if (host) {
    const tls = configured.tls ?? (yield* tlsFromEnvironment(from))
    // As docker does: a host without a scheme is a TCP host.
    return yield* parse({ url: host.includes("://") ? host : `tcp://${host}`, origin: "DOCKER_HOST", tls })
  }
  const context: EngineAddress | undefined = yield* DockerContext.current(from)
  if (context !== undefined) return context
  const socket = yield* firstPresent(defaultSockets(from))
  return socket === undefined ? yield* unusable("there is no default address of an engine") : yield* parse(socket)
})
