/**
 * Keys that the configuration lists, as lines of its own and as files of lines.
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type { PublicKeySource } from "../../schema/AuthConfig.ts"
import { CredentialsError } from "../../schema/AuthenticationError.ts"
import type { Logger } from "../../services/Logger.ts"
import * as AuthorizedKeys from "./AuthorizedKeys.ts"
import * as AuthorizedKeysFile from "./AuthorizedKeysFile.ts"

/** The keys at this moment. */
export interface KeyList {
  readonly keys: AuthorizedKeys.AuthorizedKeys
  /** Whether each file could be read, and each of its lines. */
  readonly isComplete: boolean
}

export interface KeyListOptions {
  readonly fileSystem: FileSystem.FileSystem
  readonly logger: Logger["Service"]
  readonly sources: ReadonlyArray<PublicKeySource>
  /** The key of the configuration. */
  readonly place: string
  /** What follows from a file that cannot be read. */
  readonly consequence: string
}

/** Fails when a line of the configuration is not a key. The files are read each time. */
export const make = Effect.fnUntraced(function* ({ consequence, fileSystem, logger, place, sources }: KeyListOptions) {
  const own = AuthorizedKeys.concat(
    sources.flatMap((source, index) =>
      source._tag === "Key" ? [AuthorizedKeys.parse(source.line, () => `${place}[${index}]`)] : []
    )
  )
  if (own.problems.length > 0) return yield* new CredentialsError({ problems: own.problems })
  const paths = sources.flatMap((source) => (source._tag === "File" ? [source.path] : []))
  const files = yield* Effect.forEach(paths, (path) => AuthorizedKeysFile.make(fileSystem, logger, path, consequence))
  const current = Effect.forEach(files, ({ state }) => state).pipe(
    Effect.map((states): KeyList => ({
      keys: AuthorizedKeys.concat([own, ...states.map(({ list }) => list)]),
      isComplete: states.every(({ isReadable, list }) => isReadable && list.problems.length === 0)
    }))
  )
  return { current }
})
