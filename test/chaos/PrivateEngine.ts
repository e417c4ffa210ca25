/** An engine and a registry of one's own, which may be killed, halted and made to hang. */
import { readFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { HarnessError } from "../support/HarnessError.ts"
import { output } from "../support/Program.ts"

const script = join(import.meta.dirname, "../../scripts/test-engine")

export interface PrivateEngine {
  readonly directory: string
  /** The engine's URL. */
  readonly host: string
  readonly registry: string
  /** Ends `dockerd`, at once or as an operator would; what ran on it ends then, or when it is back. */
  readonly halt: (how: "KILL" | "TERM") => Effect.Effect<void, HarnessError>
  readonly resume: Effect.Effect<void, HarnessError>
  /** The registry does not answer between `SIGSTOP` and `SIGCONT`. */
  readonly signalRegistry: (signal: "SIGSTOP" | "SIGCONT") => Effect.Effect<void>
  /** Runs Docker's own client. */
  readonly docker: (...args: ReadonlyArray<string>) => Effect.Effect<string, HarnessError>
}

/**
 * Starts one, which goes with the Scope.
 *
 * @param directory one that runs already, and stays
 */
export const privateEngine = Effect.fnUntraced(function* (
  directory?: string
): Effect.fn.Return<PrivateEngine, HarnessError, Scope.Scope> {
  const own = join(tmpdir(), `dockerrun-test-${process.getuid?.() ?? 0}-chaos-${process.pid}`)
  const env = {
    DOCKERRUN_TEST_DIR: directory ?? own,
    ...(directory === undefined ? { DOCKERRUN_TEST_OWNER: String(process.pid) } : {})
  }
  const tell = (...args: ReadonlyArray<string>) => output(script, args, { env, deadline: 180_000 })
  if (directory === undefined) yield* Effect.addFinalizer(() => Effect.ignore(tell("stop")))
  const printed = yield* tell(directory === undefined ? "start" : "status")
  const value = (name: string) => new RegExp(`^export ${name}=(.+)$`, "mu").exec(printed)?.[1]
  const [host, registry] = [value("DOCKERRUN_TEST_ENGINE"), value("DOCKERRUN_TEST_REGISTRY")]
  if (host === undefined || registry === undefined) {
    return yield* new HarnessError({ operation: "starting the engine", detail: printed })
  }
  return {
    directory: env.DOCKERRUN_TEST_DIR,
    host,
    registry,
    halt: (how) => Effect.asVoid(tell("halt", how)),
    resume: Effect.asVoid(tell("resume")),
    signalRegistry: (signal) =>
      Effect.sync(() => {
        const [pid = ""] = readFileSync(join(env.DOCKERRUN_TEST_DIR, "registry.id"), "utf8").split(" ")
        process.kill(Number(pid), signal)
      }),
    docker: (...args) => output("docker", args, { env: { DOCKER_HOST: host }, deadline: 60_000 })
  }
})
