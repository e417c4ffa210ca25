/**
 * Podman, behind its Docker-compatible socket, as the tests see it.
 *
 * - `DOCKERRUN_TEST_PODMAN` set: that one is used as it is (`eval "$(scripts/test-podman start)"` sets it); `none` means
 *   to do without.
 * - otherwise, where the programs for it are installed and we are root: started for the tests that use it.
 * - otherwise those tests are skipped, with a line that says so, or, with `DOCKERRUN_TEST_REQUIRE_PODMAN=1`, fail.
 */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { tmpdir } from "node:os"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { describe } from "vitest"
import { HarnessError } from "./HarnessError.ts"
import { output } from "./Program.ts"

const script = join(import.meta.dirname, "../../scripts/test-podman")
const named = process.env["DOCKERRUN_TEST_PODMAN"]
const required = process.env["DOCKERRUN_TEST_REQUIRE_PODMAN"] === "1"

const missing = (): string | undefined => {
  if (named === "none") return "DOCKERRUN_TEST_PODMAN is none"
  if (named !== undefined && named !== "") return undefined
  const checked = spawnSync(script, ["check"], { encoding: "utf8", timeout: 10_000 })
  return checked.status === 0 ? undefined : (checked.error?.message ?? checked.stderr.trim())
}

const reason = missing()
if (reason !== undefined) {
  if (required) throw new Error(`these tests need Podman, and there is none: ${reason}`)
  process.stderr.write(`tests that need Podman are skipped: ${reason}\n`)
}

/** A group of tests that need Podman. */
export const describePodman = describe.runIf(reason === undefined)

/** The URL of Podman's socket. One that is started here is stopped, with all of its containers, with the Scope. */
export const podman: Effect.Effect<string, HarnessError, Scope.Scope> = Effect.suspend(() => {
  if (named !== undefined && named !== "") return Effect.succeed(named)
  const options = {
    env: {
      DOCKERRUN_TEST_PODMAN_DIR: join(tmpdir(), `dockerrun-podman-${process.getuid?.() ?? 0}-${process.pid}`),
      DOCKERRUN_TEST_PODMAN_OWNER: String(process.pid)
    },
    deadline: 120_000
  }
  return Effect.acquireRelease(output(script, ["start"], options), () =>
    output(script, ["stop"], options).pipe(Effect.ignore({ log: "Error", message: "podman was not stopped" }))
  ).pipe(
    Effect.flatMap((printed) => {
      const url = /^export DOCKERRUN_TEST_PODMAN=(.+)$/mu.exec(printed)?.[1]
      return url === undefined
        ? Effect.fail(new HarnessError({ operation: "start podman", detail: printed }))
        : Effect.succeed(url)
    })
  )
})
