/**
 * The files of a container, as the engine's archives show them. Its programs do not see them: they are Effects.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Tar } from "effect/encoding"
import { BadRequest, NotFound } from "../../schema/DockerError.ts"
import type { PathStat } from "../../services/Docker.ts"
import type { SimulatedImage } from "./SimulatedImage.ts"

interface Attributes {
  readonly mode: number
  readonly uid: number
  readonly gid: number
  /** Milliseconds since the Unix epoch. */
  readonly mtime: number
}

type Node = Attributes &
  (
    | { readonly type: "Directory" }
    | { readonly type: "File"; readonly content: Uint8Array }
    | { readonly type: "Symlink"; readonly target: string }
  )

/**
 * @internal
 */
export interface Files {
  readonly stat: (path: string) => Effect.Effect<PathStat, NotFound>
  /** The archive's entries: the path and all that is below. */
  readonly get: (path: string) => Effect.Effect<ReadonlyArray<Tar.Entry>, NotFound>
  readonly put: (directory: string, archive: Stream.Stream<Uint8Array>) => Effect.Effect<void, NotFound | BadRequest>
}

const typeBits = { Directory: 0o040000, File: 0o100000, Symlink: 0o120000 } as const

/** An engine gives up on links that lead round in circles. */
const mostLinks = 40

const partsOf = (path: string): Array<string> => path.split("/").filter((part) => part !== "" && part !== ".")

const join = (parts: ReadonlyArray<string>): string => `/${parts.join("/")}`

const concat = (chunks: ReadonlyArray<Uint8Array>): Uint8Array => {
  const whole = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.length
  }
  return whole
}

/** What an image has from the start: a few directories, its programs and its files. */
const initial = (image: SimulatedImage): Map<string, Node> => {
  const attributes = { uid: 0, gid: 0, mtime: 0 }
  const nodes = new Map<string, Node>()
  const directory = (path: string) => {
    const parts = partsOf(path)
    for (let count = 0; count <= parts.length; count++) {
      nodes.set(join(parts.slice(0, count)), { ...attributes, type: "Directory", mode: 0o755 })
    }
  }
  const file = (path: string, content: Uint8Array, mode: number) => {
    directory(join(partsOf(path).slice(0, -1)))
    nodes.set(join(partsOf(path)), { ...attributes, type: "File", mode, content })
  }
  for (const path of ["/bin", "/etc", "/root", "/tmp", image.workingDirectory ?? "/"]) directory(path)
  const programs = [...Object.keys(image.programs ?? {}), ...(image.shell === false ? [] : ["/bin/sh"])]
  for (const program of programs) if (program.startsWith("/")) file(program, new Uint8Array(), 0o755)
  for (const [path, content] of Object.entries(image.files ?? {})) {
    file(path, typeof content === "string" ? new TextEncoder().encode(content) : content, 0o644)
  }
  return nodes
}

/**
 * @internal
 */
export const make = (image: SimulatedImage): Files => {
  const nodes = initial(image)

  const missing = (path: string) => new NotFound({ message: `Could not find the file ${path} in the container` })

  /** The path without links on the way; one at its end stays unless it is to be followed. */
  const resolve = (path: string, followLast: boolean): string | undefined => {
    let pending = partsOf(path)
    let links = 0
    const done: Array<string> = []
    for (let part = pending.shift(); part !== undefined; part = pending.shift()) {
      if (part === "..") {
        done.pop()
        continue
      }
      const node = nodes.get(join([...done, part]))
      if (node?.type !== "Symlink" || (pending.length === 0 && !followLast)) {
        done.push(part)
        continue
      }
      links += 1
      if (links > mostLinks) return undefined
      if (node.target.startsWith("/")) done.length = 0
      pending = [...partsOf(node.target), ...pending]
    }
    return join(done)
  }

  const find = (path: string, followLast: boolean) =>
    Effect.suspend(() => {
      const resolved = resolve(path, followLast)
      const node = resolved === undefined ? undefined : nodes.get(resolved)
      return resolved === undefined || node === undefined
        ? Effect.fail(missing(path))
        : Effect.succeed({ path: resolved, node })
    })

  const entryOf = (name: string, node: Node): Tar.Entry => {
    const options = { mode: node.mode, uid: node.uid, gid: node.gid, mtime: new Date(node.mtime) }
    switch (node.type) {
      case "Directory":
        return Tar.directory(name, options)
      case "File":
        return Tar.file(name, node.content, options)
      case "Symlink":
        return Tar.symlink(name, node.target, options)
    }
  }

  const take = Effect.fnUntraced(function* (directory: string, { body, header }: Tar.Entry<Tar.TarError>, now: number) {
    const path = resolve(`${directory}/${header.path}`, false) ?? directory
    const attributes = { mode: header.mode, uid: header.uid, gid: header.gid, mtime: header.mtime.getTime() || now }
    const there = nodes.get(path)
    if (there !== undefined && (there.type === "Directory") !== (header.type === "Directory")) {
      return yield* new BadRequest({ message: `cannot overwrite directory and non-directory: ${path}` })
    }
    switch (header.type) {
      case "Directory":
        nodes.set(path, { ...attributes, type: "Directory" })
        break
      case "File":
        nodes.set(path, { ...attributes, type: "File", content: concat(yield* Stream.runCollect(body)) })
        break
      case "Symlink":
        nodes.set(path, { ...attributes, type: "Symlink", target: header.linkTarget ?? "" })
        break
      default:
        return yield* new BadRequest({ message: `no such kind of entry here: ${header.type}` })
    }
    return undefined
  })

  return {
    stat: (path) =>
      Effect.map(find(path, false), (found) => ({
        name: partsOf(found.path).at(-1) ?? "/",
        size: found.node.type === "File" ? found.node.content.length : 0,
        mode: typeBits[found.node.type] + found.node.mode,
        mtime: found.node.mtime,
        ...(found.node.type === "Symlink" ? { linkTarget: resolve(path, true) ?? found.node.target } : {})
      })),
    get: (path) =>
      Effect.map(find(path, false), (found) => {
        const name = partsOf(path).at(-1) ?? ""
        const below = found.path === "/" ? "/" : `${found.path}/`
        return [
          entryOf(name === "" ? "./" : name, found.node),
          ...[...nodes]
            .filter(([at]) => at !== found.path && at.startsWith(below))
            .toSorted(([a], [b]) => (a < b ? -1 : 1))
            .map(([at, node]) => entryOf(`${name === "" ? "" : `${name}/`}${at.slice(below.length)}`, node))
        ]
      }),
    put: Effect.fnUntraced(function* (directory, archive) {
      const { node, path } = yield* find(directory, true)
      if (node.type !== "Directory") return yield* new BadRequest({ message: "extraction point is not a directory" })
      const now = yield* Clock.currentTimeMillis
      yield* archive.pipe(
        Stream.pipeThroughChannel(Tar.decode()),
        Stream.runForEach((entry) => take(path, entry, now)),
        Effect.catchTag("TarError", (error) => Effect.fail(new BadRequest({ message: error.message })))
      )
      return undefined
    })
  }
}
