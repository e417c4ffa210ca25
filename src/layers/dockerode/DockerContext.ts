/**
 * The contexts of the docker command line (`docker context use …`): which engine a person works with.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import * as Path from "node:path"
import type { DockerError } from "../../schema/DockerError.ts"
import { type EngineAddress, type EngineTls, parse, unusable } from "./EngineAddress.ts"

/**
 * What an address depends on besides the configuration: the environment, the user's home, the operating system.
 *
 * @since 0.1.0
 * @category models
 */
export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly home: string
  readonly platform: string
  /** The user's number, where the system has them. */
  readonly uid: number | undefined
}

const ConfigFile = Schema.fromJsonString(Schema.Struct({ currentContext: Schema.optionalKey(Schema.String) }))

const Metadata = Schema.fromJsonString(
  Schema.Struct({
    Endpoints: Schema.Struct({
      docker: Schema.Struct({ Host: Schema.String, SkipTLSVerify: Schema.optionalKey(Schema.Boolean) })
    })
  })
)

const decodeConfigFile = Schema.decodeUnknownEffect(ConfigFile)
const decodeMetadata = Schema.decodeUnknownEffect(Metadata)

/** Why a file could not be read: it is not there, or something else is in the way. */
const reading = (path: string) => (cause: unknown) => ({
  missing: cause instanceof Error && "code" in cause && cause.code === "ENOENT",
  error: unusable(`cannot read ${path}: ${String(cause)}`)
})

/** The text of a file, or nothing when there is no such file. */
const read = (path: string): Effect.Effect<string | undefined, DockerError> =>
  Effect.tryPromise({ try: (signal) => readFile(path, { encoding: "utf8", signal }), catch: reading(path) }).pipe(
    Effect.catch(({ missing, error }) => (missing ? Effect.succeed(undefined) : Effect.fail(error)))
  )

/**
 * The PEM files that docker keeps in one directory. Nothing when there is none of them.
 *
 * @internal
 */
export const readTls = Effect.fnUntraced(function* (directory: string, verify: boolean) {
  const ca = yield* read(Path.join(directory, "ca.pem"))
  const cert = yield* read(Path.join(directory, "cert.pem"))
  const key = yield* read(Path.join(directory, "key.pem"))
  if (ca === undefined && cert === undefined && key === undefined) return undefined
  const tls: EngineTls = {
    verify,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key: Redacted.make(key, { label: "TLS key" }) })
  }
  return tls
})

const configDirectory = ({ env, home }: Surroundings) => env["DOCKER_CONFIG"] || Path.join(home, ".docker")

const currentName = Effect.fnUntraced(function* (surroundings: Surroundings) {
  const named = surroundings.env["DOCKER_CONTEXT"]
  if (named) return named
  const path = Path.join(configDirectory(surroundings), "config.json")
  const text = yield* read(path)
  if (text === undefined) return undefined
  const file = yield* decodeConfigFile(text).pipe(
    Effect.mapError((error) => unusable(`${path} is not what docker writes: ${error.message}`))
  )
  return file.currentContext
})

/**
 * The engine of the current context: `DOCKER_CONTEXT`, otherwise `currentContext` of docker's `config.json`. Nothing
 * when there is no such setting, or when it is `default`, which is docker's word for "no context".
 *
 * @internal
 */
export const current = Effect.fnUntraced(function* (surroundings: Surroundings) {
  const name = yield* currentName(surroundings)
  if (name === undefined || name === "" || name === "default") return undefined
  const contexts = Path.join(configDirectory(surroundings), "contexts")
  // Docker names the directories of a context by the digest of its name.
  const id = createHash("sha256").update(name).digest("hex")
  const path = Path.join(contexts, "meta", id, "meta.json")
  const text = yield* read(path)
  if (text === undefined) return yield* unusable(`the docker context ${JSON.stringify(name)} does not exist`)
  const metadata = yield* decodeMetadata(text).pipe(
    Effect.mapError((error) => unusable(`${path} is not what docker writes: ${error.message}`))
  )
  const docker = metadata.Endpoints.docker
  const tls = yield* readTls(Path.join(contexts, "tls", id, "docker"), docker.SkipTLSVerify !== true)
  const address: EngineAddress = yield* parse({
    url: docker.Host,
    origin: `docker context ${JSON.stringify(name)}`,
    tls
  })
  return address
})
