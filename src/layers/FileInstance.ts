/**
 * The identity of a server, kept in a directory.
 *
 * @since 0.1.0
 */
import { randomBytes } from "node:crypto"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { BootId, InstanceId } from "../schema/InstanceId.ts"
import { type Boots, type Identity, Instance, make as makeIdentity } from "../services/Instance.ts"
import { LifecycleConfig } from "../services/LifecycleConfig.ts"
import { Logger } from "../services/Logger.ts"
import * as BootRecords from "./instance/BootRecords.ts"

const decodeId = Schema.decodeUnknownEffect(InstanceId)

/** The name in the directory; made, directory and all, when there is none. */
const keptId = Effect.fnUntraced(function* (directory: string) {
  const fileSystem = yield* FileSystem.FileSystem
  const logger = yield* Logger
  const file = join(directory, "instance")
  const read = Effect.flatMap(fileSystem.readFileString(file), (text) => decodeId(text.trim()))
  const make = Effect.gen(function* () {
    const id = InstanceId.make(randomBytes(8).toString("hex"))
    yield* fileSystem.makeDirectory(directory, { recursive: true, mode: 0o700 })
    const draft = `${file}.${randomBytes(8).toString("hex")}.new`
    yield* fileSystem.writeFileString(draft, `${id}\n`, { mode: 0o600 })
    // A link fails when the name is taken: of two servers that start at the same moment, one makes it and both read it.
    yield* fileSystem.link(draft, file).pipe(
      Effect.andThen(
        logger.log({
          level: "notice",
          code: "INSTANCE_MADE",
          message: `this server is ${id} from now on; the name is kept in ${file}`,
          fields: { instance: id, path: file }
        })
      ),
      Effect.catchReason("PlatformError", "AlreadyExists", () => Effect.void),
      Effect.ensuring(Effect.ignore(fileSystem.remove(draft)))
    )
    return yield* read
  })
  return yield* Effect.catchReason(read, "PlatformError", "NotFound", () => make)
})

const make = Effect.gen(function* (): Effect.fn.Return<
  Identity | undefined,
  never,
  FileSystem.FileSystem | Logger | Scope.Scope
> {
  const { instance, stateDirectory } = yield* LifecycleConfig
  const logger = yield* Logger
  const boot = BootId.make(randomBytes(8).toString("hex"))
  const { boots, signOfLife } = yield* BootRecords.make(stateDirectory)
  const kept = Effect.gen(function* () {
    const id = instance ?? (yield* keptId(stateDirectory))
    yield* signOfLife(boot)
    yield* signOfLife(boot).pipe(
      // One that is missed says nothing yet; the next may succeed.
      Effect.ignore({ log: "Debug", message: "no sign of life could be given" }),
      Effect.schedule(Schedule.spaced(BootRecords.heartbeat)),
      Effect.forkScoped
    )
    return makeIdentity({ id, boot, boots })
  })
  return yield* kept.pipe(
    Effect.catch((cause) =>
      Effect.as(
        logger.log({
          level: "warning",
          code: "INSTANCE_NOT_KEPT",
          message: `nothing can be kept in ${stateDirectory} (lifecycle.stateDirectory): containers that outlive this server will not be recognised by the next one`,
          cause
        }),
        // Without a record nobody can say that this run is over, so what bears its labels is left to people.
        instance === undefined ? undefined : makeIdentity({ id: instance, boot, boots })
      )
    )
  )
})

/**
 * What is known in the state directory of the runs of servers, for those who are none.
 *
 * @since 0.1.0
 * @category constructors
 */
export const knownBoots: Effect.Effect<Boots, never, FileSystem.FileSystem> = Effect.gen(function* () {
  const { stateDirectory } = yield* LifecycleConfig
  const { boots } = yield* BootRecords.make(stateDirectory)
  return boots
})

/**
 * The identity of this server: `lifecycle.instance`, or a name that is made once and kept in
 * `lifecycle.stateDirectory`. Servers may share both and run at once: each run leaves a record of itself there, and
 * gives a sign of life every 30 seconds. A directory that cannot be written to is logged; the server then has only the
 * name that is configured, if any.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<never, never, FileSystem.FileSystem | Logger> = Layer.effect(Instance, make)
