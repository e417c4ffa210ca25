/**
 * Host keys in files.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import { HostKeyError } from "../../schema/HostKeyError.ts"
import type { HostKey } from "../../services/HostKeys.ts"
import * as HostKeyText from "./HostKeyText.ts"

const othersMayAccess = 0o077

/** No private key is nearly as long. */
const maximumBytes = 65_536n

/** Who runs this process; undefined where files have no owner by number (Windows). */
const ownUser = process.getuid?.()

const fileFault = (path: string) => (cause: PlatformError) =>
  cause.reason._tag === "NotFound"
    ? new HostKeyError({
        path,
        problem: "there is no such file",
        remedy: `make one (ssh-keygen -t ed25519 -N '' -f ${path}), or leave ssh.hostkeys empty to have keys made`,
        cause
      })
    : new HostKeyError({
        path,
        problem: `the file cannot be read (${cause.reason._tag})`,
        remedy: "let the user that runs the server read it, and nobody else",
        cause
      })

/** Reads a private key from a file that nobody but its owner can read. */
export const read = Effect.fnUntraced(function* (
  path: string
): Effect.fn.Return<HostKey, HostKeyError, FileSystem.FileSystem> {
  const fileSystem = yield* FileSystem.FileSystem
  const info = yield* fileSystem.stat(path).pipe(Effect.mapError(fileFault(path)))
  if (info.type === "Directory" || info.size > maximumBytes) {
    return yield* new HostKeyError({
      path,
      problem: "this is not a key, but a directory or a large file",
      remedy: "name the file of a private key"
    })
  }
  // As sshd does it: the owner can mend the permissions, so they must be right. A file of somebody else's, such as a
  // secret that is mounted for a group, is that person's decision.
  const own = ownUser !== undefined && Option.getOrUndefined(info.uid) === ownUser
  if (own && (info.mode & othersMayAccess) !== 0) {
    const mode = (info.mode & 0o777).toString(8).padStart(4, "0")
    return yield* new HostKeyError({
      path,
      problem: `others than its owner can get at the private key (permissions ${mode})`,
      remedy: `run: chmod 600 ${path}`
    })
  }
  const text = yield* fileSystem.readFileString(path).pipe(Effect.mapError(fileFault(path)))
  return yield* Effect.fromResult(HostKeyText.parse(text, path))
})
