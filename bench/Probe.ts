/**
 * Loaded into a server that is measured (`node --import`): at each SIGUSR2 it writes to the file that
 * `BENCH_PROBE_FILE` names what only the process itself knows, and begins to measure anew.
 */
import { renameSync, writeFileSync } from "node:fs"
import { monitorEventLoopDelay } from "node:perf_hooks"

const file = process.env["BENCH_PROBE_FILE"]
const resolution = 5
const delays = monitorEventLoopDelay({ resolution })
delays.enable()
let cpu = process.cpuUsage()

/** The histogram holds the whole interval of its timer. */
const milliseconds = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - resolution)

if (file !== undefined) {
  process.on("SIGUSR2", () => {
    // There with `node --expose-gc`: what is left is what is held.
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
      delayMax: milliseconds(delays.max)
    }
    writeFileSync(`${file}.new`, JSON.stringify(reading))
    renameSync(`${file}.new`, file)
    delays.reset()
    cpu = process.cpuUsage()
  })
}
