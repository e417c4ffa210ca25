/**
 * A server for SFTP over the files of a container, for images that bring none.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import type { ByteSink, ProgramOutput } from "./ByteSink.ts"
import { type ContainerFiles, FileError, isDirectory, isRegular, normalize, split } from "./ContainerFiles.ts"
import type { PathStat } from "./Docker.ts"
import * as SftpHandle from "./SftpHandle.ts"
import * as Sftp from "./SftpProtocol.ts"
import { Spool } from "./Spool.ts"

/** As many as OpenSSH's server has. */
const mostHandles = 100

/** Requests that wait, in bytes, before the client is asked to pause. */
const waitingLimit = 1_048_576

/** How much is read at once at the most: it has to fit into a packet, with its header. */
const longestRead = Sftp.longestPacket - 1_024

const notOpen = new FileError({ reason: "Failed", message: "no such handle" })
const notOffered = new FileError({ reason: "Failed", message: "the handle is not open for that" })

const codes = {
  NotFound: Sftp.status.noSuchFile,
  Exists: Sftp.status.failure,
  Denied: Sftp.status.permissionDenied,
  Unsupported: Sftp.status.unsupported,
  Failed: Sftp.status.failure
} as const

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
const typeLetters: Readonly<Record<number, string>> = {
  0o040000: "d",
  0o120000: "l",
  0o020000: "c",
  0o060000: "b",
  0o010000: "p",
  0o140000: "s"
}

const permissionLetters = (mode: number): string =>
  Array.from("rwxrwxrwx", (letter, index) => ((mode >> (8 - index)) & 1 ? letter : "-")).join("")

/** As `ls -l` has it; of owners the engine says nothing. The time is UTC's. */
const longnameOf = (name: string, { mode, mtime, size }: PathStat): string => {
  const date = new Date(mtime)
  const two = (value: number, fill: string) => String(value).padStart(2, fill)
  const day = `${months[date.getUTCMonth()] ?? ""} ${two(date.getUTCDate(), " ")}`
  const time = `${two(date.getUTCHours(), "0")}:${two(date.getUTCMinutes(), "0")}`
  const letters = `${typeLetters[mode & 0o170000] ?? "-"}${permissionLetters(mode)}`
  return `${letters}    1 ?        ?        ${String(size).padStart(12)} ${day} ${time} ${name}`
}

/**
 * Whose files a client makes, and where relative paths begin.
 *
 * @since 0.1.0
 * @category models
 */
export interface SftpOptions {
  readonly directory: string
  readonly uid: number
  readonly gid: number
}

interface Opened {
  readonly handle: SftpHandle.SftpHandle
  readonly scope: Scope.Closeable
}

/** Answers requests, one after the other. */
const makeAnswers = Effect.fnUntraced(function* (files: ContainerFiles, { directory, gid, uid }: SftpOptions) {
  const scope = yield* Effect.scope
  const spool = yield* Spool
  const handles = new Map<string, Opened>()
  let opened = 0

  const pathOf = (path: string) => normalize(path, directory)

  const find = (handle: string) =>
    Effect.suspend(() => {
      const found = handles.get(handle)
      return found === undefined ? Effect.fail(notOpen) : Effect.succeed(found)
    })
  const offered = <A>(what: A | undefined): Effect.Effect<A, FileError> =>
    what === undefined ? Effect.fail(notOffered) : Effect.succeed(what)

  const open = Effect.fnUntraced(function* (
    id: number,
    make: Effect.Effect<SftpHandle.SftpHandle, FileError, Scope.Scope>
  ): Effect.fn.Return<Sftp.Response, FileError> {
    if (handles.size >= mostHandles) {
      return yield* new FileError({ reason: "Failed", message: `no more than ${mostHandles} files may be open` })
    }
    const own = yield* Scope.fork(scope)
    const handle = yield* Scope.provide(make, own).pipe(
      Effect.onError((cause) => Scope.close(own, Exit.failCause(cause)))
    )
    opened += 1
    const name = String(opened)
    handles.set(name, { handle, scope: own })
    return { _tag: "Handle", id, handle: name }
  })

  const openFile = Effect.fnUntraced(function* (path: string, flags: Sftp.OpenFlags, attributes: Sftp.Attributes) {
    const found = yield* files.follow(path).pipe(
      Effect.asSome,
      Effect.catchIf(
        ({ reason }) => reason === "NotFound" && flags.write && flags.create,
        () => Effect.succeedNone
      )
    )
    if (Option.isSome(found)) {
      if (flags.create && flags.exclusive) return yield* new FileError({ reason: "Exists", message: "File exists" })
      if (!isRegular(found.value.stat)) {
        return yield* new FileError({ reason: "Failed", message: "not a regular file" })
      }
      if (!flags.write) return yield* SftpHandle.makeReader(files, found.value.path, found.value.stat)
    } else if (!isDirectory(yield* files.stat(split(path).directory))) {
      return yield* new FileError({ reason: "NotFound", message: "No such directory" })
    }
    return yield* SftpHandle.makeWriter(files, spool, {
      path: Option.match(found, { onNone: () => path, onSome: (there) => there.path }),
      existing: Option.getOrUndefined(Option.map(found, ({ stat }) => stat)),
      flags,
      attributes,
      uid,
      gid
    })
  })

  const openDirectory = Effect.fnUntraced(function* (path: string) {
    const { path: there, stat } = yield* files.follow(path)
    if (!isDirectory(stat)) return yield* new FileError({ reason: "Failed", message: "not a directory" })
    const all = yield* files.list(there)
    return SftpHandle.makeListing(
      stat,
      all.map(({ name, stat }) => ({
        filename: name,
        longname: longnameOf(name, stat),
        attributes: SftpHandle.attributesOf(stat)
      }))
    )
  })

  const ok = (id: number): Sftp.Response => ({ _tag: "Status", id, code: Sftp.status.ok, message: "Success" })
  const end = (id: number): Sftp.Response => ({
    _tag: "Status",
    id,
    code: Sftp.status.endOfFile,
    message: "End of file"
  })
  const attributes = (id: number, effect: Effect.Effect<Sftp.Attributes, FileError>) =>
    Effect.map(effect, (attributes): Sftp.Response => ({ _tag: "Attributes", id, attributes }))
  const done = (id: number, effect: Effect.Effect<void, FileError>) => Effect.as(effect, ok(id))
  const path = (id: number, filename: string): Sftp.Response => ({
    _tag: "Names",
    id,
    files: [{ filename, longname: filename, attributes: {} }]
  })

  const answer = (
    request: Exclude<Sftp.Request, { readonly _tag: "Init" }>
  ): Effect.Effect<Sftp.Response, FileError> => {
    const { id } = request
    switch (request._tag) {
      case "Open":
        return open(id, openFile(pathOf(request.path), request.flags, request.attributes))
      case "OpenDir":
        return open(id, openDirectory(pathOf(request.path)))
      case "Close":
        return Effect.flatMap(find(request.handle), ({ handle, scope }) => {
          handles.delete(request.handle)
          return done(id, Effect.ensuring(handle.close, Scope.close(scope, Exit.void)))
        })
      case "Read":
        return find(request.handle).pipe(
          Effect.flatMap(({ handle }) => offered(handle.read)),
          Effect.flatMap((read) => read(request.offset, Math.min(request.length, longestRead))),
          Effect.map((data) => (data.length === 0 && request.length > 0 ? end(id) : { _tag: "Data", id, data }))
        )
      case "Write":
        return find(request.handle).pipe(
          Effect.flatMap(({ handle }) => offered(handle.write)),
          Effect.flatMap((write) => done(id, write(request.offset, request.data)))
        )
      case "ReadDir":
        return find(request.handle).pipe(
          Effect.flatMap(({ handle }) => offered(handle.next)),
          Effect.map((next) => {
            const some = next()
            return some.length === 0 ? end(id) : { _tag: "Names", id, files: some }
          })
        )
      case "FStat":
        return Effect.flatMap(find(request.handle), ({ handle }) => attributes(id, handle.attributes))
      case "FSetStat":
        return Effect.flatMap(find(request.handle), ({ handle }) => done(id, handle.setAttributes(request.attributes)))
      case "LStat":
        return attributes(id, Effect.map(files.lstat(pathOf(request.path)), SftpHandle.attributesOf))
      case "Stat":
        return attributes(id, Effect.map(files.stat(pathOf(request.path)), SftpHandle.attributesOf))
      case "SetStat":
        return done(id, files.setAttributes(pathOf(request.path), request.attributes))
      case "Remove":
        return done(id, files.remove(pathOf(request.path)))
      case "MkDir": {
        const mode = (request.attributes.mode ?? 0o777) & 0o7777 & ~SftpHandle.umask
        return done(id, files.makeDirectory(pathOf(request.path), { mode, uid, gid }))
      }
      case "RmDir":
        return done(id, files.removeDirectory(pathOf(request.path)))
      case "RealPath":
        return Effect.succeed(path(id, pathOf(request.path)))
      case "ReadLink":
        return Effect.map(files.readLink(pathOf(request.path)), (target) => path(id, target))
      case "Rename":
        return done(id, files.rename(pathOf(request.from), pathOf(request.to), request.replace))
      case "SymLink":
        return done(id, files.makeLink(pathOf(request.path), request.target, { uid, gid }))
      case "Unsupported":
        return Effect.fail(new FileError({ reason: "Unsupported", message: "Operation unsupported" }))
      case "Malformed":
        return Effect.succeed({ _tag: "Status", id, code: Sftp.status.badMessage, message: "Bad message" })
    }
  }

  return {
    answer: (request: Sftp.Request): Effect.Effect<Sftp.Response> =>
      request._tag === "Init"
        ? Effect.succeed({ _tag: "Version" })
        : Effect.catch(answer(request), (error) =>
            Effect.as(
              error.cause === undefined || error.reason === "NotFound"
                ? Effect.void
                : Effect.logDebug(`SFTP: ${request._tag} failed`, error.cause),
              { _tag: "Status" as const, id: request.id, code: codes[error.reason], message: error.message }
            )
          ),
    /** Puts what was written and never closed where it belongs, as if each write had gone there at once. */
    closeAll: Effect.suspend(() =>
      Effect.forEach(handles.values(), ({ handle }) => Effect.ignore(handle.close, { log: "Debug" }), { discard: true })
    )
  }
})

/**
 * A server that runs: where the client's bytes go, and the end of it.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunningSftp {
  readonly stdin: ByteSink
  /** Waits for the end of the client's requests, and gives the exit status: 0, or 1 when they were no SFTP. */
  readonly exit: Effect.Effect<number>
}

/**
 * Starts to serve. It ends with the client's input, or with the Scope.
 *
 * @since 0.1.0
 * @category constructors
 */
export const start = Effect.fnUntraced(function* (
  files: ContainerFiles,
  options: SftpOptions,
  output: ProgramOutput
): Effect.fn.Return<RunningSftp, never, Scope.Scope> {
  const { answer, closeAll } = yield* makeAnswers(files, options)
  const queue = yield* Queue.unbounded<
    { readonly requests: ReadonlyArray<Sftp.Request>; readonly size: number },
    Cause.Done
  >()
  const decoder = Sftp.makeDecoder()
  let waiting = 0
  let isPaused = false
  let isBroken = false
  let resume = () => {}

  const stdin: ByteSink = {
    write: (chunk) => {
      if (isBroken) return true
      const requests = decoder.write(chunk)
      if (requests === undefined) {
        isBroken = true
        Queue.endUnsafe(queue)
        return true
      }
      waiting += chunk.length
      Queue.offerUnsafe(queue, { requests, size: chunk.length })
      isPaused = waiting > waitingLimit
      return !isPaused
    },
    end: () => {
      Queue.endUnsafe(queue)
    },
    onDrain: (callback) => {
      resume = callback
    }
  }

  const respond = (response: Sftp.Response) =>
    Effect.callback<void>((done) => {
      output.stdout.onDrain(() => done(Effect.void))
      if (output.stdout.write(Sftp.encode(response))) done(Effect.void)
    })

  const serve = Queue.take(queue).pipe(
    Effect.flatMap(({ requests, size }) =>
      Effect.tap(
        Effect.forEach(requests, (request) => Effect.flatMap(answer(request), respond), { discard: true }),
        () => {
          waiting -= size
          if (isPaused && waiting <= waitingLimit) {
            isPaused = false
            resume()
          }
          return Effect.void
        }
      )
    ),
    Effect.forever,
    Effect.catchTag("Done", () => Effect.void),
    Effect.andThen(closeAll)
  )
  const fiber = yield* Effect.forkScoped(serve)
  return {
    stdin,
    exit: Fiber.await(fiber).pipe(
      Effect.tap(() =>
        Effect.sync(() => {
          output.stdout.end()
          output.stderr.end()
        })
      ),
      Effect.map((exit) => (Exit.isSuccess(exit) && !isBroken ? 0 : 1))
    )
  }
})
