/** What a process knows of itself: asked of the probe in it. */
import { existsSync, rmSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { waitFor } from "../test/support/Deadline.ts"
import { type HarnessError, harnessError } from "../test/support/HarnessError.ts"

const Reading = Schema.Struct({
  rss: Schema.Finite,
  heapUsed: Schema.Finite,
  external: Schema.Finite,
  cpuMilliseconds: Schema.Finite,
  delayMedian: Schema.Finite,
  delayP99: Schema.Finite,
  delayMax: Schema.Finite,
  fibers: Schema.Finite
})
export type Reading = typeof Reading.Type

const decodeReading = Schema.decodeUnknownEffect(Schema.fromJsonString(Reading))

/** The file to load with `node --import`. */
export const probeModule = join(import.meta.dirname, "Probe.ts")

/**
 * What the process knows of itself since the last time it was asked.
 *
 * @param file what its `BENCH_PROBE_FILE` is
 */
export const askProbe = Effect.fnUntraced(function* (
  pid: number,
  file: string
): Effect.fn.Return<Reading, HarnessError> {
  const own = `${file}.${pid}`
  yield* Effect.try({
    try: () => {
      rmSync(own, { force: true })
      process.kill(pid, "SIGUSR2")
    },
    catch: harnessError("asking the probe")
  })
  yield* waitFor(
    "the probe's answer",
    Effect.sync(() => existsSync(own)),
    30_000
  )
  const text = yield* Effect.tryPromise({
    try: () => readFile(own, "utf8"),
    catch: harnessError("reading the probe")
  })
  return yield* Effect.mapError(decodeReading(text), harnessError("reading the probe"))
})
