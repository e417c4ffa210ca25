/**
 * The runs of a server, one file each: `boots/BOOT.json` in its state directory says which process a run is, and the
 * file's time of change is that process's last sign of life.
 */
import { join } from "node:path"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import * as Schema from "effect/Schema"
import type { BootId } from "../../schema/InstanceId.ts"
import type { Boots, BootState } from "../../services/Instance.ts"
import * as Process from "./Process.ts"

/** How often a run gives a sign of life. */
export const heartbeat = Duration.seconds(30)

/** A run that gave none for so long is over, unless its process can be seen to run. */
const silence = Duration.minutes(2)

/**
 * How long the record of a run that is over is kept: an engine may still be making a container that the run asked for
 * with its last breath.
 */
const retention = Duration.minutes(10)

const Record = Schema.fromJsonString(Process.ProcessIdentity)
const decode = Schema.decodeUnknownEffect(Record)
const encode = Schema.encodeEffect(Record)

const extension = ".json"

export const make = Effect.fnUntraced(function* (stateDirectory: string) {
  const fileSystem = yield* FileSystem.FileSystem
  const own = Process.own()
  const directory = join(stateDirectory, "boots")
  // The name comes from a container's label, which may be anything.
  const fileOf = (boot: string) =>
    /^[0-9a-f]{16}$/u.test(boot) ? Option.some(join(directory, `${boot}${extension}`)) : Option.none()

  const silentFor = Effect.fnUntraced(function* (file: string) {
    const now = yield* Clock.currentTimeMillis
    const { mtime } = yield* fileSystem.stat(file)
    return Duration.millis(
      Option.match(mtime, { onNone: () => 0, onSome: (time) => Math.max(0, now - time.getTime()) })
    )
  })

  const stateOf = Effect.fnUntraced(function* (
    file: string
  ): Effect.fn.Return<BootState, PlatformError | Schema.SchemaError> {
    const record = yield* Effect.flatMap(fileSystem.readFileString(file), decode)
    const seen = Process.state(record, own)
    if (seen === "elsewhere") return "unknown"
    if (seen !== "unsure") return seen
    return Duration.isGreaterThan(yield* silentFor(file), silence) ? "over" : "running"
  })

  const boots: Boots = {
    state: (boot) =>
      Option.match(fileOf(boot), {
        onNone: () => Effect.succeed("unknown"),
        // What cannot be read tells nothing.
        onSome: (file) => Effect.catch(stateOf(file), () => Effect.succeed("unknown"))
      }),
    known: fileSystem.readDirectory(directory).pipe(
      Effect.map((names) =>
        names.filter((name) => name.endsWith(extension)).map((name) => name.slice(0, -extension.length))
      ),
      Effect.catch(() => Effect.succeed([]))
    ),
    forget: (boot) =>
      Option.match(fileOf(boot), {
        onNone: () => Effect.void,
        onSome: (file) =>
          silentFor(file).pipe(
            Effect.flatMap((silent) =>
              Duration.isGreaterThan(silent, retention) ? fileSystem.remove(file) : Effect.void
            ),
            // It is tried again at the next turn.
            Effect.ignore({ log: "Debug" })
          )
      })
  }

  /** Gives a sign of life of the run that asks. */
  const signOfLife = Effect.fnUntraced(function* (boot: BootId) {
    const now = new Date(yield* Clock.currentTimeMillis)
    const file = join(directory, `${boot}${extension}`)
    yield* fileSystem.utimes(file, now, now).pipe(
      Effect.catchReason("PlatformError", "NotFound", () =>
        fileSystem.makeDirectory(directory, { recursive: true, mode: 0o700 }).pipe(
          Effect.andThen(encode(own)),
          Effect.flatMap((text) => fileSystem.writeFileString(`${file}.new`, text, { mode: 0o600 })),
          Effect.andThen(fileSystem.rename(`${file}.new`, file)),
          Effect.andThen(fileSystem.utimes(file, now, now))
        )
      )
    )
  })

  return { boots, signOfLife }
})
