/**
 * The files of a container, without a program of the image that serves them: the engine's archives carry what is in
 * them, and small programs of the image do what archives cannot.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Tar } from "effect/encoding"
import type { DockerError } from "../schema/DockerError.ts"
import type { ContainerId } from "../schema/Identifiers.ts"
import * as ContainerCommand from "./ContainerCommand.ts"
import { Docker, type PathStat } from "./Docker.ts"

/**
 * Why something cannot be done with a file. `message` may be shown to the client; `cause` is for the log.
 *
 * @since 0.1.0
 * @category errors
 */
export class FileError extends Schema.TaggedError<FileError>("dockerrun/FileError")("FileError", {
  reason: Schema.Literals(["NotFound", "Exists", "Denied", "Unsupported", "Failed"]),
  message: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {}

/**
 * A regular file, to be written as a whole.
 *
 * @since 0.1.0
 * @category models
 */
export interface FileContent {
  /** Bytes. */
  readonly size: number
  /** Permissions. */
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Milliseconds since the Unix epoch. */
  readonly mtime: number
  readonly body: Stream.Stream<Uint8Array, FileError>
}

const typeMask = 0o170000

/**
 * @since 0.1.0
 * @category guards
 */
export const isDirectory = ({ mode }: PathStat): boolean => (mode & typeMask) === 0o040000

/**
 * @since 0.1.0
 * @category guards
 */
export const isSymlink = ({ mode }: PathStat): boolean => (mode & typeMask) === 0o120000

/**
 * @since 0.1.0
 * @category guards
 */
export const isRegular = ({ mode }: PathStat): boolean => (mode & typeMask) === 0o100000

/**
 * An absolute path without `.`, `..` and empty parts, as if no part of it were a link.
 *
 * @since 0.1.0
 * @category paths
 */
export const normalize = (path: string, directory: string): string => {
  const parts: Array<string> = []
  for (const part of (path.startsWith("/") ? path : `${directory}/${path}`).split("/")) {
    if (part === "..") parts.pop()
    else if (part !== "" && part !== ".") parts.push(part)
  }
  return `/${parts.join("/")}`
}

/**
 * @since 0.1.0
 * @category paths
 */
export const split = (path: string): { readonly directory: string; readonly name: string } => {
  const slash = path.lastIndexOf("/")
  return { directory: slash <= 0 ? "/" : path.slice(0, slash), name: path.slice(slash + 1) }
}

const fromDocker = (error: DockerError): FileError => {
  const cause = error
  switch (error.reason._tag) {
    case "NotFound":
      return new FileError({ reason: "NotFound", message: "No such file", cause })
    case "Unauthorized":
      return new FileError({ reason: "Denied", message: "Permission denied", cause })
    default:
      return new FileError({ reason: "Failed", message: "Failure", cause })
  }
}

const fromTar = (cause: Tar.TarError) => new FileError({ reason: "Failed", message: "Failure", cause })

/*
 * Names, each with a NUL behind it, by builtins alone. A pattern without a match stays as it is, and is not there.
 * What "$1" leads to is listed: a link to a directory has a slash behind it for that.
 */
const listScript = `cd "$1/" || exit 2
for name in .* *; do
  if [ -e "$name" ] || [ -L "$name" ]; then printf '%s\\0' "$name"; fi
done`

/** Status of the script when it is no directory that may be listed. */
const notListed = 2

/** Names of one directory, in bytes all together. */
const listLimit = 16 * 1_048_576

/** Requests to the engine at a time about the files of one directory. */
const statConcurrency = 4

/**
 * What can be done with the files of a container.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (container: ContainerId, user: string | undefined) {
  const docker = yield* Docker

  const lstat = (path: string) => Effect.mapError(docker.statPath(container, path), fromDocker)

  /** What the path leads to, and where that is. */
  const follow = (path: string) =>
    Effect.flatMap(lstat(path), (stat) =>
      isSymlink(stat)
        ? Effect.map(lstat(stat.linkTarget ?? path), (target) => ({ path: stat.linkTarget ?? path, stat: target }))
        : Effect.succeed({ path, stat })
    )

  const run = (...command: readonly [string, ...ReadonlyArray<string>]) =>
    ContainerCommand.run(container, { command, user, limit: listLimit }).pipe(
      Effect.mapError((error) =>
        error.reason._tag === "ProgramNotStarted"
          ? new FileError({
              reason: "Unsupported",
              message: `the container's image has no program ${command[0]} for that`,
              cause: error
            })
          : fromDocker(error)
      ),
      Effect.provideService(Docker, docker)
    )

  const expectSuccess = (...command: readonly [string, ...ReadonlyArray<string>]) =>
    Effect.flatMap(run(...command), ({ exitStatus, stderr }) =>
      exitStatus === 0
        ? Effect.void
        : Effect.fail(
            new FileError({
              reason: /permission denied|not permitted|read-only/iu.test(stderr) ? "Denied" : "Failed",
              message: stderr.trim() || `${command[0]} ended with status ${exitStatus}`
            })
          )
    )

  const entries = (path: string) =>
    docker
      .getArchive(container, path)
      .pipe(Stream.mapError(fromDocker), (archive) =>
        Stream.pipeThroughChannel(archive, Tar.decode<FileError>()).pipe(
          Stream.catchTag("TarError", (error) => Stream.fail(fromTar(error)))
        )
      )

  /** The first entry of the archive, which is the path itself. */
  const head = (path: string) =>
    Effect.flatMap(
      Stream.runHead(Stream.map(entries(path), ({ header }) => header)),
      Option.match({
        onNone: () => Effect.fail(new FileError({ reason: "Failed", message: "Failure" })),
        onSome: (header) => Effect.succeed(header)
      })
    )

  /** Without a shell: the archive of the directory with all that is below it, of which only names are kept. */
  const namesByArchive = (path: string) =>
    entries(`${path}/.`).pipe(
      Stream.map(({ header }) => normalize(header.path, "/").split("/")),
      Stream.filter((parts) => parts.length === 2 && parts[1] !== ""),
      Stream.map(([, name = ""]) => name),
      Stream.runCollect
    )

  const names = Effect.fnUntraced(function* (path: string) {
    const listed = yield* run("/bin/sh", "-c", listScript, "sh", path).pipe(Effect.option)
    if (Option.isNone(listed)) return [".", "..", ...(yield* namesByArchive(path))]
    const { exitStatus, isCut, stderr, stdout } = listed.value
    if (exitStatus === notListed) {
      return yield* new FileError({ reason: "Denied", message: stderr.trim() || "Permission denied" })
    }
    if (exitStatus !== 0 || isCut) return yield* new FileError({ reason: "Failed", message: "Failure" })
    return new TextDecoder().decode(stdout).split("\0").slice(0, -1)
  })

  const put = (directory: string, entry: Tar.Entry<FileError>) =>
    Effect.gen(function* () {
      // The engine's contract has archives that do not fail: what this one fails with is kept for afterwards.
      let failure: FileError | undefined
      const archive = Stream.make(entry).pipe(
        Stream.pipeThroughChannel(Tar.encode<never, unknown, Tar.Entry<FileError>>()),
        Stream.catch((error) => {
          failure = error._tag === "TarError" ? fromTar(error) : error
          return Stream.empty
        })
      )
      const exit = yield* Effect.exit(docker.putArchive(container, directory, archive))
      if (failure !== undefined) return yield* failure
      return yield* Effect.mapError(exit, fromDocker)
    })

  return {
    lstat,
    follow,
    stat: (path: string) => Effect.map(follow(path), ({ stat }) => stat),
    /** The path that a symbolic link holds, as it was written. */
    readLink: (path: string) =>
      Effect.flatMap(head(path), ({ linkTarget }) =>
        linkTarget === undefined
          ? Effect.fail(new FileError({ reason: "Failed", message: "not a symbolic link" }))
          : Effect.succeed(linkTarget)
      ),
    /** Owner and permissions of what is at the path. */
    owner: (path: string) => Effect.map(head(path), ({ gid, mode, uid }) => ({ uid, gid, mode })),
    /** The bytes of a regular file. */
    read: (path: string): Stream.Stream<Uint8Array, FileError> =>
      entries(path).pipe(
        Stream.take(1),
        Stream.flatMap(({ body }) => Stream.catchTag(body, "TarError", (error) => Stream.fail(fromTar(error))))
      ),
    /** What is in a directory, with `.` and `..`. What has gone meanwhile is left out. */
    list: (path: string) =>
      Effect.flatMap(names(path), (all) =>
        Effect.forEach(
          all,
          (name) =>
            Effect.map(Effect.option(lstat(normalize(name, path))), (stat) =>
              Option.map(stat, (stat) => ({ name, stat }))
            ),
          { concurrency: statConcurrency }
        )
      ).pipe(Effect.map((all) => all.flatMap(Option.toArray))),
    /** Puts a regular file in the place of what is there. */
    write: (path: string, { body, ...content }: FileContent) => {
      const { directory, name } = split(path)
      const options = { mode: content.mode, uid: content.uid, gid: content.gid, mtime: new Date(content.mtime) }
      return put(directory, Tar.fileStream(name, content.size, body, options))
    },
    makeDirectory: Effect.fnUntraced(function* (
      path: string,
      options: { readonly mode: number; readonly uid: number; readonly gid: number }
    ) {
      const { directory, name } = split(path)
      const isThere = yield* Effect.option(lstat(path))
      if (name === "" || Option.isSome(isThere)) {
        return yield* new FileError({ reason: "Exists", message: "File exists" })
      }
      const mtime = new Date(yield* Clock.currentTimeMillis)
      return yield* put(directory, Tar.directory(name, { ...options, mtime }))
    }),
    makeLink: Effect.fnUntraced(function* (
      path: string,
      target: string,
      options: { readonly uid: number; readonly gid: number }
    ) {
      const { directory, name } = split(path)
      if (Option.isSome(yield* Effect.option(lstat(path)))) {
        return yield* new FileError({ reason: "Exists", message: "File exists" })
      }
      const mtime = new Date(yield* Clock.currentTimeMillis)
      return yield* put(directory, Tar.symlink(name, target, { ...options, mtime }))
    }),
    remove: Effect.fnUntraced(function* (path: string) {
      if (isDirectory(yield* lstat(path))) {
        return yield* new FileError({ reason: "Failed", message: "is a directory" })
      }
      return yield* expectSuccess("rm", "-f", path)
    }),
    removeDirectory: (path: string) => Effect.andThen(lstat(path), expectSuccess("rmdir", path)),
    rename: Effect.fnUntraced(function* (from: string, to: string, replace: boolean) {
      const source = yield* lstat(from)
      const target = yield* Effect.option(lstat(to))
      if (Option.isSome(target)) {
        if (!replace) return yield* new FileError({ reason: "Exists", message: "File exists" })
        // `mv` would put the source into the directory instead.
        if (isDirectory(target.value)) {
          if (!isDirectory(source)) return yield* new FileError({ reason: "Failed", message: "is a directory" })
          yield* expectSuccess("rmdir", to)
        }
      }
      return yield* expectSuccess("mv", "-f", from, to)
    }),
    /** Sets what is given. Links are followed. */
    setAttributes: (
      path: string,
      attributes: {
        readonly size?: number
        readonly mode?: number
        readonly uid?: number
        readonly gid?: number
        /** Seconds since the Unix epoch. */
        readonly mtime?: number
      }
    ) =>
      Effect.gen(function* () {
        yield* lstat(path)
        const { gid, mode, mtime, size, uid } = attributes
        if (size !== undefined) yield* expectSuccess("truncate", "-s", String(size), path)
        if (uid !== undefined && gid !== undefined) yield* expectSuccess("chown", `${uid}:${gid}`, path)
        if (mode !== undefined) yield* expectSuccess("chmod", (mode & 0o7777).toString(8), path)
        if (mtime !== undefined) yield* expectSuccess("touch", "-d", `@${mtime}`, path)
      })
  }
})

/**
 * @since 0.1.0
 * @category models
 */
export type ContainerFiles = Effect.Success<ReturnType<typeof make>>
