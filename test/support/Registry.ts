/** Registries on loopback: more of the real one, and ones that misbehave in one particular way. */
import { randomBytes } from "node:crypto"
import { writeFile } from "node:fs/promises"
import { createServer as createHttpServer, type RequestListener } from "node:http"
import { connect, createServer, type Server, type Socket } from "node:net"
import { join } from "node:path"
import { Transform } from "node:stream"
import { hash } from "bcrypt"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { waitFor } from "./Deadline.ts"
import { docker, engine, removeImage } from "./Engine.ts"
import { HarnessError, harnessError } from "./HarnessError.ts"
import { output, type RunningProgram, start } from "./Program.ts"
import { temporaryDirectory } from "./TemporaryDirectory.ts"

export interface Credentials {
  readonly username: string
  readonly password: string
}

export interface Registry {
  /** `127.0.0.1:PORT` */
  readonly address: string
  /** The registry's process: kill it for a registry that is down. */
  readonly program: RunningProgram
}

/** Starts another docker-registry, empty, that asks for a name and password if given. It ends with the Scope. */
export const startRegistry = (
  options: { readonly credentials?: Credentials } = {}
): Effect.Effect<Registry, HarnessError, Scope.Scope> =>
  Effect.gen(function* () {
    const directory = yield* temporaryDirectory
    const { credentials } = options
    const config = {
      version: 0.1,
      log: { level: "info", accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: join(directory, "data") }, delete: { enabled: true } },
      http: { addr: "127.0.0.1:0" },
      ...(credentials === undefined ? {} : { auth: { htpasswd: { realm: "test", path: join(directory, "htpasswd") } } })
    }
    yield* Effect.tryPromise({
      try: async () => {
        // JSON is YAML.
        await writeFile(join(directory, "config.yml"), JSON.stringify(config))
        if (credentials !== undefined) {
          // docker-registry's bcrypt knows the prefix $2a$ only.
          const hashed = (await hash(credentials.password, 5)).replace(/^\$2b\$/u, "$2a$")
          await writeFile(join(directory, "htpasswd"), `${credentials.username}:${hashed}\n`)
        }
      },
      catch: harnessError("writing the registry's configuration")
    })
    const program = yield* start("docker-registry", ["serve", join(directory, "config.yml")])
    let log = ""
    const read = (chunk: Buffer): void => {
      log += chunk.toString()
    }
    program.stdout.on("data", read)
    program.stderr.on("data", read)
    const address = yield* waitFor(
      "the registry to listen",
      Effect.suspend(() => {
        if (program.hasExited()) return Effect.fail(new HarnessError({ operation: "docker-registry", detail: log }))
        return Effect.succeed(/listening on (127\.0\.0\.1:\d+)/u.exec(log)?.[1])
      })
    )
    return { address, program }
  })

const listen = (server: Server): Effect.Effect<string, HarnessError, Scope.Scope> => {
  const sockets = new Set<Socket>()
  server.on("connection", (socket) => {
    sockets.add(socket)
    // The engine hangs up when it has waited long enough: that is what these servers are for.
    socket.on("error", () => socket.destroy())
    socket.once("close", () => sockets.delete(socket))
  })
  return Effect.acquireRelease(
    Effect.callback<string, HarnessError>((resume) => {
      server.once("error", (cause) => resume(Effect.fail(harnessError("listening on loopback")(cause))))
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        resume(
          address === null || typeof address === "string"
            ? Effect.fail(new HarnessError({ operation: "listening on loopback", detail: "no port" }))
            : Effect.succeed(`127.0.0.1:${address.port}`)
        )
      })
    }),
    () =>
      Effect.callback<void>((resume) => {
        server.close(() => resume(Effect.void))
        for (const socket of sockets) socket.destroy()
      })
  )
}

/** Accepts connections and never says a word. Returns its address. */
export const hangingRegistry: Effect.Effect<string, HarnessError, Scope.Scope> = Effect.suspend(() =>
  listen(createServer((socket) => socket.resume()))
)

/** Answers as the test wants: 500s, rate limits, wrong manifests. Returns its address. */
export const scriptedRegistry = (answer: RequestListener): Effect.Effect<string, HarnessError, Scope.Scope> =>
  Effect.suspend(() => listen(createHttpServer(answer)))

/** An address on loopback at which nothing listens. */
export const closedAddress: Effect.Effect<string, HarnessError> = Effect.scoped(hangingRegistry)

/**
 * Passes everything on to a registry, but what comes back only at so many bytes per second: for pulls that take long
 * enough to be watched. Returns its address.
 */
export const slowRegistry = (
  registry: string,
  bytesPerSecond: number
): Effect.Effect<string, HarnessError, Scope.Scope> =>
  Effect.suspend(() =>
    listen(
      createServer((socket) => {
        const [host = "127.0.0.1", port = "0"] = registry.split(":")
        const upstream = connect(Number(port), host)
        const throttle = new Transform({
          highWaterMark: 16_384,
          transform(chunk: Buffer, _encoding, done) {
            setTimeout(() => done(null, chunk), (chunk.length / bytesPerSecond) * 1000)
          }
        })
        // Either side may hang up at any time. What the registry said before that still reaches the engine, slowly.
        upstream.on("error", () => throttle.end())
        socket.once("close", () => {
          upstream.destroy()
          throttle.destroy()
        })
        socket.pipe(upstream)
        upstream.pipe(throttle).pipe(socket)
      })
    )
  )

export interface PushOptions {
  /** `host:port`; the registry of the test run unless told. */
  readonly registry?: string
  /** Such as `demo/slow`. */
  readonly name: string
  /** `1` unless told. */
  readonly tag?: string
  /** The image that it is made of; dockerrun-test/tiny:1 unless told. */
  readonly from?: string
  /** So many random bytes come on top, in a layer that the engine has nowhere else and must therefore pull. */
  readonly bytes?: number
  readonly credentials?: Credentials
}

/**
 * Puts an image into a registry and takes it away from the engine, so that it must be pulled. Returns its reference;
 * the image is taken away from the engine again when the Scope closes.
 */
export const pushImage = (options: PushOptions): Effect.Effect<string, HarnessError, Scope.Scope> =>
  Effect.gen(function* () {
    const registry = options.registry ?? engine().registry
    const reference = `${registry}/${options.name}:${options.tag ?? "1"}`
    const from = options.from ?? "dockerrun-test/tiny:1"
    const directory = yield* temporaryDirectory
    yield* Effect.addFinalizer(() => Effect.ignore(removeImage(reference), { log: "Warn" }))

    const { bytes, credentials } = options
    if (bytes === undefined) yield* docker("tag", from, reference)
    else {
      const file = join(directory, "random")
      yield* Effect.tryPromise({ try: () => writeFile(file, randomBytes(bytes)), catch: harnessError("random bytes") })
      yield* Effect.acquireUseRelease(
        Effect.map(docker("create", from), (id) => id.trim()),
        (container) =>
          Effect.andThen(docker("cp", file, `${container}:/opt/random`), docker("commit", container, reference)),
        (container) => Effect.ignore(docker("rm", "--force", container), { log: "Warn" })
      )
    }
    const config = join(directory, "docker-config")
    if (credentials !== undefined) {
      yield* output(
        "docker",
        ["--config", config, "login", "--username", credentials.username, "--password-stdin", registry],
        { env: { DOCKER_HOST: engine().host }, stdin: { text: credentials.password } }
      )
    }
    yield* docker("--config", config, "push", "--quiet", reference)
    yield* removeImage(reference)
    return reference
  })
