/** The engine of this test run, as the tests see it. */
import * as Effect from "effect/Effect"
import { describe, inject } from "vitest"
import { waitFor } from "./Deadline.ts"
import {
  connectionLabel,
  type EngineContainer,
  listContainers,
  listExecs,
  listProcesses,
  listVolumes
} from "./EngineApi.ts"
import type { TestEngine } from "./globalSetup.ts"
import { HarnessError } from "./HarnessError.ts"
import { socketInodes } from "./ProcessTable.ts"
import { output } from "./Program.ts"

// What runs without vitest has an engine of its own, and names it.
const provided = process.env["VITEST"] === undefined ? null : inject("engine")

/** A group of tests that need the engine: skipped where there is none (see globalSetup.ts for when that is an error). */
export const describeEngine = describe.runIf(provided !== null)

/** Whether there is an engine, for what is computed before the tests run. */
export const hasEngine = provided !== null

/** The engine and the registry. Only for tests inside {@link describeEngine}. */
export const engine = (): TestEngine => {
  if (provided === null) throw new HarnessError({ operation: "test engine", detail: "use describeEngine" })
  return provided
}

/** Runs Docker's own command-line client against the engine; what it printed, or its complaint as a failure. */
export const docker = (...args: ReadonlyArray<string>): Effect.Effect<string, HarnessError> =>
  Effect.suspend(() => output("docker", args, { env: { DOCKER_HOST: engine().host }, deadline: 60_000 }))

/** All containers, in any state; with a label (`name` or `name=value`) only those that carry it. */
export const containers = (label?: string): Effect.Effect<ReadonlyArray<EngineContainer>, HarnessError> =>
  Effect.suspend(() => listContainers(engine().host, label))

/** The containers of the product, of the connections of one user if named: tests in parallel use a user each. */
export const connectionContainers = (username?: string): Effect.Effect<ReadonlyArray<EngineContainer>, HarnessError> =>
  containers(username === undefined ? connectionLabel : `containerssh_username=${username}`)

/** The names of all volumes. */
export const volumes: Effect.Effect<ReadonlyArray<string>, HarnessError> = Effect.suspend(() =>
  listVolumes(engine().host)
)

/** The execs of a container that are running now. */
export const execs = (container: string) => Effect.suspend(() => listExecs(engine().host, container))

/** The command lines of what runs in a container now. */
export const processes = (container: string) => Effect.suspend(() => listProcesses(engine().host, container))

/** Waits until there are exactly so many containers of the product (of one user, if named), and returns them. */
export const waitForContainers = (count: number, username?: string, deadline = 15_000) =>
  waitFor(
    `${count} containers${username === undefined ? "" : ` of ${username}`}`,
    Effect.map(connectionContainers(username), (found) => (found.length === count ? found : undefined)),
    deadline
  )

/** Takes an image away from the engine; one that is not there is fine. */
export const removeImage = (reference: string): Effect.Effect<void, HarnessError> =>
  docker("rmi", "--force", reference).pipe(
    Effect.catchIf(
      (error) => /no such image/iu.test(error.detail),
      () => Effect.void
    ),
    Effect.asVoid
  )

/**
 * How many sockets a process has open to the engine's Unix socket. A client's end has no name of its own: it is known as
 * the peer of an end that carries the engine's path.
 */
export const engineSockets = (pid: number, host?: string): Effect.Effect<number, HarnessError> =>
  Effect.suspend(() => output("ss", ["--no-header", "--numeric", "--unix"])).pipe(
    Effect.map((listing) => {
      const path = (host ?? engine().host).slice("unix://".length)
      const own = socketInodes(pid)
      let count = 0
      for (const line of listing.split("\n")) {
        // Netid, State, Recv-Q, Send-Q, local path, local inode, peer path, peer inode.
        const [, , , , local, , , peer] = line.trim().split(/\s+/u)
        if (local === path && peer !== undefined && own.has(peer)) count += 1
      }
      return count
    })
  )
