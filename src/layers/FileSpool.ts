/**
 * A place on disk for bytes that wait until all of them are there.
 *
 * @since 0.1.0
 */
import { randomBytes } from "node:crypto"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type { PlatformError } from "effect/PlatformError"
import { Spool, SpoolError, type SpoolFile } from "../services/Spool.ts"

const fail = (cause: PlatformError) => new SpoolError({ message: cause.message, cause })

/**
 * Opened, and taken out of the directory at once: whatever happens to the server, the disk gets its room back.
 */
const open = (fileSystem: FileSystem.FileSystem, directory: string, limit: number) =>
  Effect.gen(function* () {
    const path = join(directory, `dockerrun-${randomBytes(8).toString("hex")}`)
    const file = yield* fileSystem
      .open(path, { flag: "wx+", mode: 0o600 })
      .pipe(Effect.tap(fileSystem.remove(path)), Effect.mapError(fail))
    let size = 0
    const within = (wanted: number) =>
      wanted > limit
        ? Effect.fail(new SpoolError({ message: `a file may have no more than ${limit} bytes here` }))
        : Effect.void
    const spool: SpoolFile = {
      size: () => size,
      write: (offset, data) =>
        Effect.gen(function* () {
          yield* within(offset + data.length)
          yield* file.seek(BigInt(offset), "start").pipe(Effect.andThen(file.writeAll(data)), Effect.mapError(fail))
          size = Math.max(size, offset + data.length)
        }),
      read: (offset, length) =>
        Effect.gen(function* () {
          const bytes = new Uint8Array(Math.max(0, Math.min(length, size - offset)))
          yield* file.seek(BigInt(offset), "start")
          let filled = 0
          while (filled < bytes.length) {
            const count = yield* file.read(bytes.subarray(filled))
            if (count === 0) break
            filled += count
          }
          return bytes.subarray(0, filled)
        }).pipe(Effect.mapError(fail)),
      truncate: (wanted) =>
        within(wanted).pipe(
          Effect.andThen(Effect.mapError(file.truncate(wanted), fail)),
          Effect.map(() => {
            size = wanted
          })
        )
    }
    return spool
  })

/** 8 GiB. */
const defaultLimit = 8 * 2 ** 30

/**
 * Files in a directory, the system's for temporary files unless told, of at most `limit` bytes each (8 GiB unless told).
 * They have no name there, so that none is left when the server is killed.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (
  options: { readonly directory?: string; readonly limit?: number } = {}
): Layer.Layer<never, never, FileSystem.FileSystem> =>
  Layer.effect(
    Spool,
    Effect.map(FileSystem.FileSystem, (fileSystem) => ({
      open: open(fileSystem, options.directory ?? tmpdir(), options.limit ?? defaultLimit)
    }))
  )
