/**
 * What the shell's library is let do in a virtual container.
 *
 * @since 0.1.0
 */
import { type CommandName, getCommandNames } from "just-bash"

/** Runs a database in a thread of its own, outside of the container's limits. */
const leftOut: ReadonlySet<string> = new Set(["sqlite3"])
/** @internal */
export const commands: Array<CommandName> = getCommandNames().filter((name): name is CommandName => !leftOut.has(name))

/** @internal */
export const programNames: ReadonlyArray<string> = [
  ...commands,
  "hostname",
  "id",
  "stty",
  "tput",
  "tty",
  "uname",
  "whoami"
]

/** The library counts beyond what can be reached; endlessness itself confuses some of its commands. */
const unlimited = 1_000_000_000_000

/**
 * The library's limits, per run. Time is the engine's to watch, output is counted here, and a shell that runs for days
 * must not come to an end because of how much it has done.
 *
 * @internal
 */
export const executionLimits = {
  maxCommandCount: unlimited,
  maxExecutionTimeMs: unlimited,
  maxInputBytes: unlimited,
  maxOutputSize: unlimited,
  maxWorkUnits: unlimited,
  maxLoopIterations: 1_000_000,
  maxAwkIterations: 1_000_000,
  maxSedIterations: 1_000_000,
  maxJqIterations: 1_000_000,
  maxLiveBytes: 67_108_864,
  maxStringLength: 16_777_216,
  maxHeredocSize: 1_048_576,
  maxSourceBytes: 1_048_576,
  maxArrayElements: 1_000_000,
  maxArchiveBytes: 67_108_864,
  maxArchiveCompressedBytes: 33_554_432,
  maxArchiveEntryBytes: 33_554_432,
  maxArchiveEntries: 10_000
}
