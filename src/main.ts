#!/usr/bin/env node
import { createRequire } from "node:module"
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import { CliError, Command } from "effect/cli"
import { root } from "./cli/root.ts"

const { version } = Schema.decodeUnknownSync(Schema.Struct({ version: Schema.String }))(
  createRequire(import.meta.url)("../package.json")
)

NodeRuntime.runMain(Command.run(root, { version }).pipe(Effect.provide(NodeServices.layer)), {
  disableErrorReporting: true,
  // A server that was asked to stop, and did, has succeeded.
  teardown: (exit, onExit) => {
    if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return onExit(0)
    const failure = Cause.squash(exit.cause)
    // What is wrong with the command line has been printed together with the help.
    if (!CliError.isCliError(failure)) {
      process.stderr.write(`dockerrun: ${failure instanceof Error ? failure.message : String(failure)}\n`)
    }
    onExit(1)
  }
})
