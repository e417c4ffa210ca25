#!/usr/bin/env node
import cluster from "node:cluster"
import { createRequire } from "node:module"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Command } from "effect/cli"
import { outcome } from "./cli/outcome.ts"
import { withProcessExit } from "./cli/processExit.ts"
import { root } from "./cli/root.ts"

const { version } = Schema.decodeUnknownSync(Schema.Struct({ version: Schema.String }))(
  createRequire(import.meta.url)("../package.json")
)

// Whoever read our output may have gone (`dockerrun schema | head -1`): that is no reason to die of.
process.stdout.on("error", () => {})

const program = Command.run(root, { version }).pipe(
  Effect.provide(NodeServices.layer),
  withProcessExit((code) => process.exit(code))
)

NodeRuntime.runMain(program, {
  disableErrorReporting: true,
  teardown: (exit, onExit) => {
    const { exitCode, message } = outcome(exit)
    if (message !== undefined) process.stderr.write(`${message}\n`)
    onExit(exitCode)
  }
})

// A terminal sends Ctrl-C to a worker, too; but it is the primary process that tells its workers to end, and a second
// signal would mean that they are to hurry.
if (cluster.isWorker) {
  process.removeAllListeners("SIGINT")
  process.on("SIGINT", () => {})
  process.once("disconnect", () => process.kill(process.pid, "SIGTERM"))
}
