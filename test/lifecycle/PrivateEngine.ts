/** An engine of a test's own, which may be killed, stopped and started again. */
import { existsSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { waitFor } from "../support/Deadline.ts"
import { type HarnessError, harnessError } from "../support/HarnessError.ts"
import { output } from "../support/Program.ts"

const script = join(import.meta.dirname, "../../scripts/test-engine")

export interface PrivateEngine {
  readonly host: string
  /** Where everything of it is: its data in `data`. */
  readonly directory: string
  readonly docker: (...args: ReadonlyArray<string>) => Effect.Effect<string, HarnessError>
  /** To the engine alone: what it has started goes on, as when an engine crashes. */
  readonly signal: (name: NodeJS.Signals) => Effect.Effect<void, HarnessError>
  /** Starts the engine again after it was killed, with further flags if given, and waits until it answers. */
  readonly restart: (...flags: ReadonlyArray<string>) => Effect.Effect<void, HarnessError>
  /** Takes the socket away, as a careless person would. */
  readonly unlinkSocket: Effect.Effect<void>
}

/** Starts the engine. It is stopped, and everything of it removed, when the Scope closes. */
export const privateEngine = (name: string): Effect.Effect<PrivateEngine, HarnessError, Scope.Scope> =>
  Effect.gen(function* () {
    const uid = process.getuid?.() ?? 0
    const directory = join(tmpdir(), `dockerrun-test-${uid}-${name}-${process.pid}`)
    const env = { DOCKERRUN_TEST_DIR: directory, DOCKERRUN_TEST_OWNER: String(process.pid) }
    yield* Effect.acquireRelease(output(script, ["start"], { env, deadline: 120_000 }), () =>
      Effect.ignore(output(script, ["stop"], { env, deadline: 60_000 }), { log: "Error" })
    )
    const socket = join(directory, "docker.sock")
    const host = `unix://${socket}`
    const docker = (...args: ReadonlyArray<string>) =>
      output("docker", args, { env: { DOCKER_HOST: host }, deadline: 60_000 })
    const pid = () => Number.parseInt(readFileSync(join(directory, "dockerd.id"), "latin1"), 10)
    const isGone = (one: number) => Effect.sync(() => !existsSync(`/proc/${one}`))
    const signal = (name: NodeJS.Signals) =>
      Effect.flatMap(
        Effect.try({
          try: () => {
            const one = pid()
            process.kill(one, name)
            return one
          },
          catch: harnessError("the engine")
        }),
        // The next one does not start while this one is there.
        (one) => (name === "SIGKILL" ? Effect.asVoid(waitFor("the engine's end", isGone(one))) : Effect.void)
      )
    return {
      host,
      directory,
      docker,
      signal,
      restart: (...flags) => Effect.asVoid(output(script, ["resume", ...flags], { env, deadline: 120_000 })),
      unlinkSocket: Effect.sync(() => rmSync(socket))
    }
  })
