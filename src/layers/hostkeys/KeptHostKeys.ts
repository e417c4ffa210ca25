/**
 * The host key that the server makes for itself, once, and keeps.
 */
import { generateKeyPair, randomUUID } from "node:crypto"
import { join } from "node:path"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { PlatformError } from "effect/PlatformError"
import { HostKeyError } from "../../schema/HostKeyError.ts"
import type { HostKey } from "../../services/HostKeys.ts"
import { Logger } from "../../services/Logger.ts"
import * as HostKeyFile from "./HostKeyFile.ts"
import * as OpenSshPrivateKey from "./OpenSshPrivateKey.ts"

const generate = promisify(generateKeyPair)

const comment = "dockerrun"

const ed25519 = async (): Promise<string> => {
  const { privateKey } = await generate("ed25519")
  return OpenSshPrivateKey.encodeEd25519(privateKey, comment)
}

const directoryFault = (path: string) => (cause: PlatformError) =>
  new HostKeyError({
    path,
    problem: `the key cannot be kept there (${cause.reason._tag})`,
    remedy:
      "set ssh.hostkeyDirectory to a directory that the server can write to, on a file system with hard links, or name your own keys in ssh.hostkeys",
    cause
  })

/** Writes a file in one step: it is there as a whole or not at all. Returns whether it is there because of this call. */
const create = Effect.fnUntraced(function* (path: string, text: string, mode: number) {
  const fileSystem = yield* FileSystem.FileSystem
  const draft = `${path}.${randomUUID()}.new`
  return yield* Effect.acquireRelease(fileSystem.open(draft, { flag: "wx", mode }), () =>
    fileSystem.remove(draft).pipe(Effect.ignore({ log: "Warn", message: `${draft} could not be removed` }))
  ).pipe(
    Effect.flatMap((file) => Effect.andThen(file.writeAll(new TextEncoder().encode(text)), file.sync)),
    // A link fails when the name is taken, where a rename would put this key in the place of one that another server,
    // starting at the same moment, has begun to use.
    Effect.andThen(fileSystem.link(draft, path)),
    Effect.as(true),
    Effect.catchReason("PlatformError", "AlreadyExists", () => Effect.succeed(false)),
    Effect.scoped
  )
})

const keep = Effect.fnUntraced(function* (path: string, make: () => Promise<string>) {
  const fileSystem = yield* FileSystem.FileSystem
  const logger = yield* Logger
  if (yield* fileSystem.exists(path).pipe(Effect.mapError(directoryFault(path)))) return yield* HostKeyFile.read(path)
  const text = yield* Effect.tryPromise({
    try: make,
    catch: (cause) =>
      new HostKeyError({
        path,
        problem: "the key could not be made",
        remedy: "name your own keys in ssh.hostkeys",
        cause
      })
  })
  const isOurs = yield* create(path, text, 0o600).pipe(Effect.mapError(directoryFault(path)))
  const key = yield* HostKeyFile.read(path)
  if (isOurs) {
    yield* create(`${path}.pub`, `${key.publicKey} ${comment}\n`, 0o644).pipe(Effect.mapError(directoryFault(path)))
    yield* logger.log({
      level: "notice",
      code: "HOST_KEY_MADE",
      message: `made the host key ${path} (${key.algorithm}, ${key.fingerprint})`,
      fields: { path, algorithm: key.algorithm, fingerprint: key.fingerprint }
    })
  }
  return key
})

/** The name of the file in which a server keeps the key that it made. */
export const file = "ssh_host_ed25519_key"

/** The key kept in a directory; made, directory and all, if it is not there. Every client of today knows Ed25519. */
export const inDirectory = Effect.fnUntraced(function* (
  directory: string
): Effect.fn.Return<readonly [HostKey], HostKeyError, FileSystem.FileSystem | Logger> {
  const fileSystem = yield* FileSystem.FileSystem
  yield* fileSystem
    .makeDirectory(directory, { recursive: true, mode: 0o700 })
    .pipe(Effect.mapError(directoryFault(directory)))
  return [yield* keep(join(directory, file), ed25519)]
})
