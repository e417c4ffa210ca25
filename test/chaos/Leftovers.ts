/** What a round must not leave behind. Everything on the engine is the round's: it is a private one. */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { listContainers, listVolumes } from "../support/EngineApi.ts"
import type { HarnessError } from "../support/HarnessError.ts"
import { childProcesses } from "../support/ProcessTable.ts"
import type { PrivateEngine } from "./PrivateEngine.ts"

export const containersLeft = (engine: PrivateEngine): Effect.Effect<ReadonlyArray<string>, HarnessError> =>
  Effect.map(listContainers(engine.host), (all) =>
    all.map(({ Id, Labels, Names, State }) => {
      const user = Labels["containerssh_username"] ?? "nobody"
      return `container ${Id.slice(0, 12)} ${Names.join(",")} (${State}, for ${user})`
    })
  )

const volumesLeft = (engine: PrivateEngine): Effect.Effect<ReadonlyArray<string>, HarnessError> =>
  Effect.map(listVolumes(engine.host), (all) => all.map((volume) => `volume ${volume}`))

/** What a server finds on the engine that another one has left. */
export const leftOnEngine = (engine: PrivateEngine): Effect.Effect<ReadonlyArray<string>, HarnessError> =>
  Effect.map(Effect.all([containersLeft(engine), volumesLeft(engine)]), (all) => all.flat())

/** Removes what a round that failed has left: the next one is to begin with nothing. */
export const sweep = (engine: PrivateEngine): Effect.Effect<void, HarnessError> =>
  Effect.gen(function* () {
    const containers = yield* listContainers(engine.host)
    if (containers.length > 0) yield* engine.docker("rm", "--force", "--volumes", ...containers.map(({ Id }) => Id))
    const volumes = yield* listVolumes(engine.host)
    if (volumes.length > 0) yield* engine.docker("volume", "rm", ...volumes)
  })

const commandLine = (pid: string): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ")
  } catch {
    // It has ended meanwhile.
    return ""
  }
}

/**
 * Processes that have the round's directory on their command line, and those that stand for a container of this engine:
 * a `shim` of which nothing runs any more is told apart.
 */
const processesLeft = (engine: PrivateEngine, directory: string): ReadonlyArray<string> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/u.test(name))
    .map((pid) => ({ pid, line: commandLine(pid) }))
    .filter(
      ({ line }) =>
        (line.includes("containerd-shim") && line.includes(`${engine.directory}/`)) || line.includes(`${directory}/`)
    )
    .map(({ line, pid }) => {
      const isEmpty =
        line.includes("containerd-shim") &&
        // A container that was made and not started waits as `runc init`: nothing of its image runs.
        childProcesses(Number(pid)).every((child) => /^(?:runc init ?)?$/u.test(commandLine(String(child))))
      return `${isEmpty ? "shim" : "process"} ${pid} ${line}`
    })

/** What lies in a directory that should be empty, or holds only what is kept there on purpose. */
const filesLeft = (directory: string, kept: RegExp): ReadonlyArray<string> =>
  readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((name) => !kept.test(name))
    .map((name) => `file ${join(directory, name)}`)

export interface Places {
  /** The server's TMPDIR. */
  readonly temporary: string
  readonly state: string
  /** Where its processes answer what they hold, each with its pid at the end. */
  readonly probe: string
}

/** A `dockerd` that was killed forgets these: no request to it says what they belonged to. */
export const isOfKilledEngine = (left: string): boolean => left.startsWith("shim ")

/** The status of a server that was killed is for the next one to remove. */
export const isOfKilledServer = (left: string): boolean => /^file .*\/status\/[0-9a-f]{16}\.json(?:\.new)?$/u.test(left)

/** Everything that is there and should not be, once there is no server any more. */
export const leftovers = (engine: PrivateEngine, places: Places): Effect.Effect<ReadonlyArray<string>, HarnessError> =>
  Effect.gen(function* () {
    return [
      ...(yield* leftOnEngine(engine)),
      ...processesLeft(engine, places.temporary),
      ...filesLeft(places.temporary, /^$/u),
      // The name of the server, and which of its runs are over: those are kept for ten minutes.
      ...filesLeft(places.state, /^(?:instance|boots|boots\/[0-9a-f]{16}\.json|status)$/u)
    ]
  })
