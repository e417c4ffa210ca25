/**
 * Puts Effect's diagnostics into the installed `tsc` (see the plugin in tsconfig.json), so that `tsc` alone finds
 * floating effects and the like. Runs from `prepare`; an installation without development dependencies has no compiler.
 */
import { spawnSync } from "node:child_process"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"

const { resolve } = createRequire(import.meta.url)

const locate = (): string | undefined => {
  try {
    return join(dirname(resolve("@effect/tsgo/package.json")), "dist", "effect-tsgo.cjs")
  } catch (cause) {
    console.log(`no compiler to prepare: ${cause instanceof Error ? cause.message.split("\n")[0] : String(cause)}`)
    return undefined
  }
}

const command = locate()
if (command !== undefined) {
  process.exitCode = spawnSync(process.execPath, [command, "patch", "--typescript"], { stdio: "inherit" }).status ?? 1
}
