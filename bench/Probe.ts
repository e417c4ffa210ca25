/**
 * Loaded into a server that is measured (`node --import`), and into its workers: at each SIGUSR2 a process writes what
 * only it knows to the file that `BENCH_PROBE_FILE` names, with its pid at the end, and begins to measure anew.
 */
import { renameSync, writeFileSync } from "node:fs"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { queryObjects } from "node:v8"
import * as Effect from "effect/Effect"

const file = process.env["BENCH_PROBE_FILE"]
const resolution = 5
const delays = monitorEventLoopDelay({ resolution })
delays.enable()
let cpu = process.cpuUsage()

/** The histogram holds the whole interval of its timer. */
const milliseconds = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - resolution)

const { constructor: fiber } = Effect.runFork(Effect.void)

/** Those that run, and those that have ended and are held all the same. It goes over the whole heap. */
const countFibers = () => {
  const found = queryObjects(fiber)
  return typeof found === "number" ? found : found.length
}

if (file !== undefined) {
  const own = `${file}.${process.pid}`
  process.on("SIGUSR2", () => {
    // There with `node --expose-gc`: what is left is what is held.
    const isCollected = globalThis.gc !== undefined
    globalThis.gc?.()
    const { external, heapUsed, rss } = process.memoryUsage()
    const { system, user } = process.cpuUsage(cpu)
    const reading = {
      rss,
      heapUsed,
      external,
      cpuMilliseconds: (system + user) / 1000,
      delayMedian: milliseconds(delays.percentile(50)),
      delayP99: milliseconds(delays.percentile(99)),
      delayMax: milliseconds(delays.max),
      fibers: isCollected ? countFibers() : 0
    }
    writeFileSync(`${own}.new`, JSON.stringify(reading))
    renameSync(`${own}.new`, own)
    delays.reset()
    cpu = process.cpuUsage()
  })
}
