/** A small disk in memory, and what fills it. */
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type { HarnessError } from "../support/HarnessError.ts"
import { output } from "../support/Program.ts"

/** Mounts one; whoever owns the directory unmounts it. */
export const mountSmallDisk = (directory: string): Effect.Effect<void, HarnessError> =>
  Effect.suspend(() => {
    mkdirSync(directory)
    return Effect.asVoid(output("mount", ["-t", "tmpfs", "-o", "size=64m", "tmpfs", directory]))
  })

const isWritten = (descriptor: number, size: number): boolean => {
  try {
    return writeSync(descriptor, Buffer.alloc(size)) === size
  } catch {
    // No space left on the device.
    return false
  }
}

/** Runs the effect while the disk is full. */
export const whileFull = <A, E, R>(directory: string, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  const file = join(directory, "filler")
  return Effect.acquireUseRelease(
    Effect.sync(() => {
      const descriptor = openSync(file, "w")
      for (let size = 1 << 20; size > 0; size >>= 1) while (isWritten(descriptor, size));
      closeSync(descriptor)
    }),
    () => effect,
    () => Effect.sync(() => rmSync(file))
  )
}
