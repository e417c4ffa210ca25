/**
 * Where bytes wait that can only be handed on when all of them are there.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"

/**
 * The bytes could not be kept: there is no more room, or the disk failed.
 *
 * @since 0.1.0
 * @category errors
 */
export class SpoolError extends Schema.TaggedError<SpoolError>("dockerrun/SpoolError")("SpoolError", {
  message: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {}

/**
 * Bytes that wait. Offsets and lengths are in bytes; what was never written reads as zeros.
 *
 * @since 0.1.0
 * @category models
 */
export interface SpoolFile {
  readonly size: () => number
  readonly write: (offset: number, data: Uint8Array) => Effect.Effect<void, SpoolError>
  /** Fewer bytes than `length` only at the end; none behind it. */
  readonly read: (offset: number, length: number) => Effect.Effect<Uint8Array, SpoolError>
  readonly truncate: (size: number) => Effect.Effect<void, SpoolError>
}

/**
 * @since 0.1.0
 * @category models
 */
export interface SpoolStore {
  /** An empty file, which is gone with its Scope. */
  readonly open: Effect.Effect<SpoolFile, SpoolError, Scope.Scope>
}

/** A file in memory is no longer than this, in bytes. */
const memoryLimit = 16 * 1_048_576

/**
 * Files in memory, up to 16 MiB each.
 *
 * @since 0.1.0
 * @category constructors
 */
export const inMemory: SpoolStore = {
  open: Effect.sync((): SpoolFile => {
    let bytes = new Uint8Array(0)
    let size = 0
    const grow = (wanted: number): Effect.Effect<void, SpoolError> => {
      if (wanted > memoryLimit) {
        return Effect.fail(new SpoolError({ message: `a file in memory holds no more than ${memoryLimit} bytes` }))
      }
      if (wanted > bytes.length) {
        const larger = new Uint8Array(Math.min(memoryLimit, Math.max(wanted, 2 * bytes.length)))
        larger.set(bytes)
        bytes = larger
      }
      size = Math.max(size, wanted)
      return Effect.void
    }
    return {
      size: () => size,
      write: (offset, data) =>
        Effect.suspend(() =>
          Effect.map(grow(offset + data.length), () => {
            bytes.set(data, offset)
          })
        ),
      read: (offset, length) => Effect.sync(() => bytes.slice(offset, Math.min(size, offset + length))),
      truncate: (wanted) =>
        Effect.suspend(() =>
          Effect.map(grow(wanted), () => {
            bytes.fill(0, wanted)
            size = wanted
          })
        )
    }
  })
}

/**
 * Where such bytes wait: in memory, unless a layer brings a disk.
 *
 * @since 0.1.0
 * @category services
 */
export class Spool extends Context.Reference<SpoolStore>("dockerrun/services/Spool", {
  defaultValue: () => inMemory
}) {}
