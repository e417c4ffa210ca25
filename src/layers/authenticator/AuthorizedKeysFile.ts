/**
 * An authorized_keys file that is followed as it changes on disk.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import * as Ref from "effect/Ref"
import type { Logger } from "../../services/Logger.ts"
import * as AuthorizedKeys from "./AuthorizedKeys.ts"

/** Beyond this something else is lying there; it would be read into memory for each login. */
const maximumBytes = 1_048_576n

const groupOrWorldWritable = 0o022

/** What was seen last, so that each state of the file is told once, not with each login. */
interface Seen {
  readonly warning: string | undefined
  readonly text: string | undefined
  readonly list: AuthorizedKeys.AuthorizedKeys
}

const writableWarning = (path: string, mode: number): string | undefined =>
  (mode & groupOrWorldWritable) === 0 || process.platform === "win32"
    ? undefined
    : `${path} can be written by others than its owner, who can let themselves in; run: chmod go-w ${path}`

/**
 * The keys in the file at this moment. The file is read each time: it is small beside a key exchange, and a revoked key
 * is out at once, whatever the resolution of the file's times. A file that cannot be read lists nobody, with a warning.
 */
export const make = Effect.fnUntraced(function* (
  fileSystem: FileSystem.FileSystem,
  logger: Logger["Service"],
  path: string,
  consequence = "nobody gets in by it"
) {
  const seen = yield* Ref.make<Seen>({ warning: undefined, text: undefined, list: AuthorizedKeys.empty })

  const warn = (message: string) =>
    logger.log({
      level: "warning",
      code: "AUTHORIZED_KEYS_FILE",
      message,
      fields: { path }
    })

  const read = Effect.gen(function* () {
    const info = yield* fileSystem.stat(path)
    if (info.type === "Directory" || info.size > maximumBytes) {
      return {
        text: undefined,
        warning: `${path} is not a list of keys, ${consequence}: it is a directory or over 1 MiB`
      }
    }
    return { text: yield* fileSystem.readFileString(path), warning: writableWarning(path, info.mode) }
  }).pipe(
    Effect.catch((error) =>
      Effect.succeed({ text: undefined, warning: `${path} cannot be read, ${consequence}: ${error.reason._tag}` })
    )
  )

  const state = Effect.gen(function* () {
    const { text: found, warning } = yield* read
    const text = found ?? ""
    // One step, so that logins at the same moment do not tell the same thing twice.
    const { list, news } = yield* Ref.modify(seen, (last) => {
      const list = text === last.text ? last.list : AuthorizedKeys.parse(text, (line) => `${path} line ${line}`)
      const news = [
        ...(warning === undefined || warning === last.warning ? [] : [warning]),
        ...(list === last.list ? [] : list.problems)
      ]
      return [
        { list, news },
        { text, warning, list }
      ]
    })
    yield* Effect.forEach(news, warn, { discard: true })
    return { list, isReadable: found !== undefined }
  })

  return { current: Effect.map(state, ({ list }) => list), state }
})
