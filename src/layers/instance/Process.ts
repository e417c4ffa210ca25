/**
 * Which process a run of a server is, told so that another process, later or elsewhere, can say whether it still runs.
 */
import { readFileSync, readlinkSync } from "node:fs"
import { hostname } from "node:os"
import * as Schema from "effect/Schema"

/** What is written down about the process of a run. */
export const ProcessIdentity = Schema.Struct({
  pid: Schema.Int,
  /** When the process began, as the kernel counts it: a pid alone may be another's by now. */
  startTime: Schema.optionalKey(Schema.String),
  /** The processes among which the pid is unique. */
  pidNamespace: Schema.optionalKey(Schema.String),
  /** This run of the machine's kernel. */
  kernel: Schema.optionalKey(Schema.String),
  /** The machine, across restarts of it. */
  machine: Schema.String
})

export type ProcessIdentity = typeof ProcessIdentity.Type

/** What the kernel says, or nothing: another system has no such files, and an ended process has none any more. */
const said = (ask: () => string): string | undefined => {
  try {
    return ask().trim()
  } catch {
    return undefined
  }
}

const read = (path: string) => said(() => readFileSync(path, "utf8"))

/** When a process of this namespace began; undefined when it is not there or has ended and was not waited for yet. */
const startTime = (pid: number | "self"): string | undefined => {
  // Behind "pid (name) ", the state is the first field and the start time the twentieth (proc(5)).
  const fields = read(`/proc/${pid}/stat`)
    ?.replace(/^.*\) /su, "")
    .split(" ")
  return fields === undefined || /^[ZX]/u.test(fields[0] ?? "") ? undefined : fields[19]
}

/** The process that asks. */
export const own = (): ProcessIdentity => {
  const kernel = read("/proc/sys/kernel/random/boot_id")
  const pidNamespace = said(() => readlinkSync("/proc/self/ns/pid"))
  const began = startTime("self")
  return {
    pid: process.pid,
    machine: `${hostname()} ${read("/etc/machine-id") ?? ""}`.trim(),
    ...(kernel === undefined ? {} : { kernel }),
    ...(pidNamespace === undefined ? {} : { pidNamespace }),
    ...(began === undefined ? {} : { startTime: began })
  }
}

/**
 * Whether a process still runs, as far as this one can see: `unsure` where only a sign of life would tell (another
 * container on this machine, or a system that does not say enough), `elsewhere` on another machine.
 */
export const state = (asked: ProcessIdentity, asking: ProcessIdentity): "running" | "over" | "unsure" | "elsewhere" => {
  if (asked.kernel === undefined || asked.kernel !== asking.kernel) {
    return asked.machine === asking.machine ? "unsure" : "elsewhere"
  }
  if (asked.startTime === undefined || asked.pidNamespace !== asking.pidNamespace) return "unsure"
  return startTime(asked.pid) === asked.startTime ? "running" : "over"
}
