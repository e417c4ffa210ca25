/**
 * What a client of SFTP has open: a file that is read as the engine sends it, a file that waits until it is whole, or
 * the rest of a directory.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Pull from "effect/Pull"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ContainerFiles } from "./ContainerFiles.ts"
import { FileError } from "./ContainerFiles.ts"
import type { PathStat } from "./Docker.ts"
import type * as Sftp from "./SftpProtocol.ts"
import type { SpoolError, SpoolStore } from "./Spool.ts"

/**
 * Something open. Fails as files do; what it does not offer is absent.
 *
 * @since 0.1.0
 * @category models
 */
export interface SftpHandle {
  /** Bytes from an offset on, fewer than asked for only at the end of the file, none behind it. */
  readonly read?: (offset: number, length: number) => Effect.Effect<Uint8Array, FileError>
  readonly write?: (offset: number, data: Uint8Array) => Effect.Effect<void, FileError>
  /** The next files of a directory; none at the end. */
  readonly next?: () => ReadonlyArray<Sftp.NamedFile>
  readonly attributes: Effect.Effect<Sftp.Attributes, FileError>
  readonly setAttributes: (attributes: Sftp.Attributes) => Effect.Effect<void, FileError>
  /** Puts what was written where it belongs. */
  readonly close: Effect.Effect<void, FileError>
}

/**
 * @since 0.1.0
 * @category conversions
 */
export const attributesOf = ({ mode, mtime, size }: PathStat): Sftp.Attributes => ({
  size,
  mode,
  mtime: Math.floor(mtime / 1000)
})

const fromSpool = ({ cause, message }: SpoolError) =>
  new FileError({ reason: "Failed", message, ...(cause === undefined ? {} : { cause }) })

const empty: Uint8Array = new Uint8Array(0)

/**
 * A file that is only read: its bytes come from the engine as they are asked for, in order. A read further back begins
 * again, because an archive cannot be entered in its middle.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeReader = Effect.fnUntraced(function* (files: ContainerFiles, path: string, stat: PathStat) {
  const scope = yield* Effect.scope
  let position = 0
  let rest = empty
  let current:
    | { readonly pull: Pull.Pull<ReadonlyArray<Uint8Array>, FileError>; readonly scope: Scope.Closeable }
    | undefined

  // A chunk without bytes would look like the end.
  const bytesOf = (path: string) => Stream.filter(files.read(path), ({ length }) => length > 0)

  const begin = Effect.gen(function* () {
    if (current !== undefined) yield* Scope.close(current.scope, Exit.void)
    const opened = yield* Scope.fork(scope)
    const pull = yield* Scope.provide(Stream.toPull(bytesOf(path)), opened)
    position = 0
    rest = empty
    current = { pull, scope: opened }
    return current.pull
  })

  /** The bytes at the position; none at the end. */
  const more = (pull: Pull.Pull<ReadonlyArray<Uint8Array>, FileError>): Effect.Effect<Uint8Array, FileError> =>
    rest.length > 0
      ? Effect.sync(() => rest)
      : pull.pipe(
          Effect.map((chunks) => {
            const [chunk = empty, ...others] = chunks
            rest = others.length === 0 ? chunk : concat(chunks)
            return rest
          }),
          Pull.catchDone(() => Effect.succeed(empty))
        )

  const handle: SftpHandle = {
    read: Effect.fnUntraced(function* (offset, length) {
      const pull = current === undefined || offset < position ? yield* begin : current.pull
      while (position < offset) {
        const bytes = yield* more(pull)
        if (bytes.length === 0) return empty
        const skipped = Math.min(bytes.length, offset - position)
        rest = bytes.subarray(skipped)
        position += skipped
      }
      const parts: Array<Uint8Array> = []
      let missing = length
      while (missing > 0) {
        const bytes = yield* more(pull)
        if (bytes.length === 0) break
        const part = bytes.subarray(0, missing)
        rest = bytes.subarray(part.length)
        position += part.length
        missing -= part.length
        parts.push(part)
      }
      return concat(parts)
    }),
    attributes: Effect.succeed(attributesOf(stat)),
    setAttributes: (attributes) => files.setAttributes(path, attributes),
    close: Effect.void
  }
  return handle
})

const concat = (parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const [first = empty] = parts
  if (parts.length === 1) return first
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}

/** The permissions of a file whose creator said nothing of them. */
const defaultMode = 0o666

/**
 * What is taken away from the permissions that are asked for.
 *
 * @since 0.1.0
 * @category constants
 */
export const umask = 0o022

/** Bytes of one read from the place where a file waits. */
const copySize = 65_536

/**
 * A file that is written. An archive says the size of a file before its bytes, and SFTP never does: so the bytes wait
 * elsewhere until the client closes the file. What is there already is fetched first, unless it is to be replaced.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeWriter = Effect.fnUntraced(function* (
  files: ContainerFiles,
  spool: SpoolStore,
  options: {
    readonly path: string
    /** What is there already. */
    readonly existing: PathStat | undefined
    readonly flags: Sftp.OpenFlags
    readonly attributes: Sftp.Attributes
    readonly uid: number
    readonly gid: number
  }
) {
  const { existing, flags, path } = options
  const file = yield* Effect.mapError(spool.open, fromSpool)
  let { gid, uid } = options
  let mode = (options.attributes.mode ?? defaultMode) & 0o7777 & ~umask
  let mtime: number | undefined
  if (existing !== undefined) {
    // An archive replaces a file together with its owner and its permissions: they are to stay.
    ;({ gid, mode, uid } = yield* files.owner(path))
    if (!flags.truncate) {
      yield* Stream.runForEach(files.read(path), (chunk) => Effect.mapError(file.write(file.size(), chunk), fromSpool))
    }
  }
  // A new file is to be there, and one that was emptied is to be empty, also if nothing is ever written.
  let isChanged = existing === undefined || flags.truncate

  const body = Stream.unfold(0, (offset: number) =>
    offset >= file.size()
      ? Effect.succeed(undefined)
      : Effect.flatMap(Effect.mapError(file.read(offset, copySize), fromSpool), (bytes) =>
          bytes.length === 0
            ? Effect.fail(new FileError({ reason: "Failed", message: "what was written is not there any more" }))
            : Effect.succeed([bytes, offset + bytes.length] as const)
        )
  )

  const handle: SftpHandle = {
    ...(flags.read
      ? { read: (offset: number, length: number) => Effect.mapError(file.read(offset, length), fromSpool) }
      : {}),
    write: (offset, data) =>
      Effect.suspend(() => {
        isChanged = true
        return Effect.mapError(file.write(flags.append ? file.size() : offset, data), fromSpool)
      }),
    attributes: Effect.map(Clock.currentTimeMillis, (now) => ({
      size: file.size(),
      mode: 0o100000 | mode,
      mtime: mtime ?? Math.floor((isChanged ? now : (existing?.mtime ?? now)) / 1000)
    })),
    setAttributes: (attributes) =>
      Effect.suspend(() => {
        isChanged = true
        if (attributes.mode !== undefined) mode = attributes.mode & 0o7777
        if (attributes.uid !== undefined && attributes.gid !== undefined)
          ({ gid, uid } = { gid: attributes.gid, uid: attributes.uid })
        if (attributes.mtime !== undefined) mtime = attributes.mtime
        return attributes.size === undefined ? Effect.void : Effect.mapError(file.truncate(attributes.size), fromSpool)
      }),
    close: Effect.gen(function* () {
      if (!isChanged) return
      const now = yield* Clock.currentTimeMillis
      yield* files.write(path, {
        size: file.size(),
        mode,
        uid,
        gid,
        mtime: mtime === undefined ? now : mtime * 1000,
        body
      })
      isChanged = false
    })
  }
  return handle
})

/** Files in one answer to a client that reads a directory. */
const filesAtATime = 128

/**
 * The files of a directory, some at a time.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeListing = (stat: PathStat, all: ReadonlyArray<Sftp.NamedFile>): SftpHandle => {
  let at = 0
  return {
    next: () => {
      const some = all.slice(at, at + filesAtATime)
      at += some.length
      return some
    },
    attributes: Effect.succeed(attributesOf(stat)),
    setAttributes: () => Effect.fail(new FileError({ reason: "Unsupported", message: "not for an open directory" })),
    close: Effect.void
  }
}
