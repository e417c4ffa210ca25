/**
 * What a server says of itself, kept in its state directory for as long as it runs.
 *
 * @since 0.1.0
 */
import cluster from "node:cluster"
import { rmSync } from "node:fs"
import { join } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { ServerStatus } from "../schema/ServerStatus.ts"
import { type Boots, type Identity, Instance } from "../services/Instance.ts"
import { LifecycleConfig } from "../services/LifecycleConfig.ts"
import { RunningServers } from "../services/RunningServers.ts"
import { type Board, StatusBoard } from "../services/StatusBoard.ts"
import * as BootRecords from "./instance/BootRecords.ts"

/** Between two writes. */
const interval = "1 second"

const extension = ".json"

const Text = Schema.fromJsonString(ServerStatus)
const encode = Schema.encodeEffect(Text)
const decode = Schema.decodeUnknownEffect(Text)

const directoryIn = (stateDirectory: string) => join(stateDirectory, "status")

/** What lies there: a file for each run, and what one has not finished writing. */
const filesIn = Effect.fnUntraced(function* (directory: string) {
  const fileSystem = yield* FileSystem.FileSystem
  const names = yield* Effect.orElseSucceed(fileSystem.readDirectory(directory), () => [])
  return names.map((name) => ({ path: join(directory, name), boot: name.split(".", 1)[0] ?? "", name }))
})

/** Removes what runs have left that were killed. */
const sweep = Effect.fnUntraced(function* (directory: string, boots: Boots) {
  const fileSystem = yield* FileSystem.FileSystem
  const known = yield* boots.known
  for (const { boot, path } of yield* filesIn(directory)) {
    const isOver = !known.includes(boot) || (yield* boots.state(boot)) === "over"
    if (isOver) yield* Effect.ignore(fileSystem.remove(path))
  }
})

/** Removes a file in the one step that a process has that ends at once. */
const removeNow = (file: string): void => {
  try {
    rmSync(file, { force: true })
  } catch {
    // The next server removes it.
  }
}

const keep = Effect.fnUntraced(function* ({ boot, boots }: Identity) {
  const fileSystem = yield* FileSystem.FileSystem
  const { stateDirectory } = yield* LifecycleConfig
  const directory = directoryIn(stateDirectory)
  const file = join(directory, `${boot}${extension}`)
  const changed = yield* Latch.make(true)
  const { worker } = cluster
  let status: ServerStatus = {
    pid: process.pid,
    ...(worker === undefined ? {} : { worker: worker.id }),
    since: yield* Clock.currentTimeMillis,
    engine: { _tag: "Answers" },
    containers: { running: 0, waiting: 0 },
    programs: { running: 0, waiting: 0 },
    connections: 0
  }
  const change = (part: Partial<ServerStatus>) => {
    status = { ...status, ...part }
    changed.openUnsafe()
  }
  const board: Board = {
    engine: (engine) => change({ engine }),
    queue: (kind, counts) => change({ [kind]: counts }),
    connections: (difference) => change({ connections: status.connections + difference })
  }

  const write = Effect.suspend(() => {
    changed.closeUnsafe()
    return encode(status)
  }).pipe(
    Effect.flatMap((text) => fileSystem.writeFileString(`${file}.new`, text, { mode: 0o600 })),
    Effect.andThen(fileSystem.rename(`${file}.new`, file)),
    Effect.uninterruptible,
    // It is for people who ask; a server does not end for it.
    Effect.ignore({ log: "Debug", message: "the status could not be written" })
  )
  yield* fileSystem
    .makeDirectory(directory, { recursive: true, mode: 0o700 })
    .pipe(Effect.andThen(sweep(directory, boots)), Effect.ignore({ log: "Debug" }))
  const remove = () => removeNow(file)
  process.once("exit", remove)
  yield* Effect.addFinalizer(() =>
    Effect.sync(() => {
      process.off("exit", remove)
      remove()
    })
  )
  yield* changed.await.pipe(
    Effect.andThen(write),
    Effect.andThen(Effect.sleep(interval)),
    Effect.forever,
    Effect.forkScoped
  )
  return board
})

/**
 * A board whose content is in a file of `status` in `lifecycle.stateDirectory`, named for the run: written anew, as a
 * whole, when something has changed, once a second at the most; removed when the Scope closes. A server without an
 * identity keeps nothing.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<never, never, FileSystem.FileSystem> = Layer.effect(
  StatusBoard,
  Effect.flatMap(Instance, (identity) => (identity === undefined ? Effect.service(StatusBoard) : keep(identity)))
)

/**
 * The servers that have such a file and are not known to be over.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerRunning: Layer.Layer<RunningServers, never, FileSystem.FileSystem> = Layer.effect(
  RunningServers,
  Effect.gen(function* () {
    const fileSystem = yield* FileSystem.FileSystem
    const { stateDirectory } = yield* LifecycleConfig
    const directory = directoryIn(stateDirectory)
    const { boots } = yield* BootRecords.make(stateDirectory)
    const read = Effect.fnUntraced(function* (boot: string, path: string) {
      if ((yield* boots.state(boot)) !== "running") return []
      return [yield* Effect.flatMap(fileSystem.readFileString(path), decode)]
    })
    const all = filesIn(directory).pipe(
      Effect.map((files) => files.filter(({ name }) => name.endsWith(extension))),
      // What has just gone, or cannot be read, is no server that runs.
      Effect.flatMap(Effect.forEach(({ boot, path }) => Effect.orElseSucceed(read(boot, path), () => []))),
      Effect.map((found) => found.flat().toSorted((one, other) => one.since - other.since)),
      Effect.provideService(FileSystem.FileSystem, fileSystem)
    )
    return { all }
  })
)
