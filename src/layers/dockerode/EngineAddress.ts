/**
 * Where an engine listens.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import { BadRequest, DockerError } from "../../schema/DockerError.ts"

/**
 * What TLS to an engine needs, as PEM texts. `verify: false` accepts any certificate of the engine.
 *
 * @since 0.1.0
 * @category models
 */
export interface EngineTls {
  readonly ca?: string
  readonly cert?: string
  readonly key?: Redacted.Redacted<string>
  readonly verify: boolean
}

/** A socket in the file system (or a named pipe of Windows), or a TCP port with or without TLS. */
type Endpoint =
  | { readonly _tag: "Socket"; readonly path: string }
  | { readonly _tag: "Tcp"; readonly hostname: string; readonly port: number; readonly tls?: EngineTls }

/**
 * An endpoint, the connect URL that a person wrote for it, and where that URL was taken from.
 *
 * @since 0.1.0
 * @category models
 */
export interface EngineAddress {
  readonly url: string
  readonly origin: string
  readonly endpoint: Endpoint
}

/**
 * An address that cannot be used is a mistake in the configuration: `BadRequest`, which no retry can mend.
 *
 * @internal
 */
export const unusable = (message: string) =>
  new DockerError({ operation: "engine address", reason: new BadRequest({ message }) })

const socket = (path: string) => (path === "" ? undefined : ({ _tag: "Socket", path } as const))

/** Docker's registered ports: 2375 in the clear, 2376 under TLS. */
const defaultPort = (protocol: string, secure: boolean) => {
  if (protocol === "tcp:") return secure ? 2376 : 2375
  return secure ? 443 : 80
}

const tcp = (url: URL, tls: EngineTls | undefined): Endpoint | string => {
  if (url.username !== "" || url.password !== "") return "a user name or password has no place in it"
  if (url.pathname !== "" && url.pathname !== "/") return "a path behind the host is not supported"
  if (url.search !== "" || url.hash !== "") return "a query or fragment has no place in it"
  if (url.hostname === "") return "the host is missing"
  if (url.protocol === "http:" && tls !== undefined) return "http:// is not TLS: write tcp:// or https://"
  const secure = url.protocol === "https:" || tls !== undefined
  const port = url.port === "" ? defaultPort(url.protocol, secure) : Number(url.port)
  const hostname = url.hostname.startsWith("[") ? url.hostname.slice(1, -1) : url.hostname
  return { _tag: "Tcp", hostname, port, ...(secure ? { tls: tls ?? { verify: true } } : {}) }
}

const endpoint = (text: string, tls: EngineTls | undefined): Endpoint | string => {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//iu.exec(text)?.[1]?.toLowerCase()
  switch (scheme) {
    case "unix":
      return socket(text.slice("unix://".length)) ?? "the path of the socket is missing"
    case "npipe":
      // npipe:////./pipe/docker_engine names the pipe //./pipe/docker_engine
      return socket(text.slice("npipe://".length)) ?? "the name of the pipe is missing"
    case "tcp":
    case "http":
    case "https":
      return URL.canParse(text) ? tcp(new URL(text), tls) : "the host or the port is malformed"
    case "ssh":
      return "engines behind ssh:// are not supported; forward the socket (ssh -L) and use unix:// or tcp://"
    default:
      return "it begins with none of unix://, npipe://, tcp://, http://, https://"
  }
}

/**
 * Reads a connect URL. `tcp://` together with TLS material means TLS; port 2375 (2376 with TLS) unless told.
 *
 * @internal
 */
export const parse = (options: {
  readonly url: string
  readonly origin: string
  readonly tls?: EngineTls | undefined
}): Effect.Effect<EngineAddress, DockerError> => {
  const found = endpoint(options.url, options.tls)
  return typeof found === "string"
    ? Effect.fail(
        unusable(`the engine address ${JSON.stringify(withoutCredentials(options.url))} (${options.origin}): ${found}`)
      )
    : Effect.succeed({ url: options.url, origin: options.origin, endpoint: found })
}

/** Errors are logged, and a password in a URL must not be. */
const withoutCredentials = (url: string) => url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/]*@/iu, "$1…@")
