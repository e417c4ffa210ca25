/**
 * The engine and the registry for a whole test run.
 *
 * - `DOCKERRUN_TEST_ENGINE` set: that engine is used as it is (`eval "$(scripts/test-engine start)"` sets it);
 *   `none` means to do without.
 * - otherwise, where the programs for it are installed and we are root: started for this run and stopped at its end.
 * - otherwise the tests that need it are skipped, with a line that says so, or, with `DOCKERRUN_TEST_REQUIRE_ENGINE=1`,
 *   the run fails.
 *
 * At the end nothing may be left on the engine: no container, no volume. What is left fails the run.
 */
import { spawnSync } from "node:child_process"
import { join } from "node:path"
import { tmpdir } from "node:os"
import * as Effect from "effect/Effect"
import type { TestProject } from "vitest/node"
import { connectionLabel, listContainers, listVolumes } from "./EngineApi.ts"

export interface TestEngine {
  /** The engine's URL, such as `unix:///tmp/…/docker.sock`. */
  readonly host: string
  /** The registry's `host:port`; it holds dockerrun-test/tiny:1, dockerrun-test/tiny:latest and dockerrun-test/sftp:1. */
  readonly registry: string
}

declare module "vitest" {
  interface ProvidedContext {
    readonly engine: TestEngine | null
  }
}

const script = join(import.meta.dirname, "../../scripts/test-engine")

interface Started {
  readonly engine: TestEngine
  readonly stop: () => void
}

const startOwn = (): Started | string => {
  const directory = join(tmpdir(), `dockerrun-test-${process.getuid?.() ?? 0}-${process.pid}`)
  const env = { ...process.env, DOCKERRUN_TEST_DIR: directory, DOCKERRUN_TEST_OWNER: String(process.pid) }
  const started = spawnSync(script, ["start"], { env, encoding: "utf8", timeout: 120_000 })
  const value = (name: string) => new RegExp(`^export ${name}=(.+)$`, "m").exec(started.stdout)?.[1]
  const host = value("DOCKERRUN_TEST_ENGINE")
  const registry = value("DOCKERRUN_TEST_REGISTRY")
  const stop = () => {
    const stopped = spawnSync(script, ["stop"], { env, encoding: "utf8", timeout: 120_000 })
    if (stopped.status !== 0) throw new Error(`the test engine did not stop: ${stopped.stderr.trim()}`)
  }
  if (started.status === 0 && host !== undefined && registry !== undefined) return { engine: { host, registry }, stop }
  return started.error?.message ?? started.stderr.trim()
}

const left = async (host: string): Promise<ReadonlyArray<string>> => {
  const [containers, volumes] = await Effect.runPromise(Effect.all([listContainers(host), listVolumes(host)]))
  return [
    ...containers.map(
      (container) =>
        `container ${container.Id.slice(0, 12)} ${container.Names.join(",")} (${container.Image}, ${container.State}, ` +
        `connection ${container.Labels[connectionLabel] ?? "none"})`
    ),
    ...volumes.map((volume) => `volume ${volume}`)
  ]
}

/** The program is started hundreds of times in a run: what Node has compiled once it need not compile again. */
const keepCompiledCode = () => {
  process.env["NODE_COMPILE_CACHE"] ??= join(import.meta.dirname, "../../node_modules/.cache/node-compile-cache")
}

export const setup = async (project: TestProject): Promise<(() => Promise<void>) | undefined> => {
  keepCompiledCode()
  const named = process.env["DOCKERRUN_TEST_ENGINE"]
  const required = process.env["DOCKERRUN_TEST_REQUIRE_ENGINE"] === "1"

  const started: Started | string =
    named === "none"
      ? "DOCKERRUN_TEST_ENGINE is none"
      : named !== undefined && named !== ""
        ? {
            engine: { host: named, registry: process.env["DOCKERRUN_TEST_REGISTRY"] ?? "" },
            stop: () => undefined
          }
        : startOwn()

  if (typeof started === "string") {
    if (required) throw new Error(`these tests need a container engine, and there is none: ${started}`)
    process.stderr.write(`tests that need a container engine are skipped: ${started}\n`)
    project.provide("engine", null)
    return undefined
  }

  const { engine, stop } = started
  // An engine that somebody else started may have containers of its own: they are no concern of this run.
  const before = new Set(await left(engine.host))
  project.provide("engine", engine)
  return async () => {
    try {
      const leftovers = (await left(engine.host)).filter((one) => !before.has(one))
      if (leftovers.length > 0) throw new Error(`left behind on the engine:\n  ${leftovers.join("\n  ")}`)
    } finally {
      stop()
    }
  }
}
