/** What a command that is over means for whoever started it. */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Runtime from "effect/Runtime"
import { CliError } from "effect/cli"
import { ConfigError } from "../schema/ConfigError.ts"

export interface Outcome {
  readonly exitCode: number
  /** For standard error. */
  readonly message?: string
}

/** A server that was asked to stop, and did, has succeeded. */
export const outcome = (exit: Exit.Exit<unknown, unknown>): Outcome => {
  if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return { exitCode: 0 }
  const failure = Cause.squash(exit.cause)
  // What is wrong with the command line has been printed together with the help.
  if (CliError.isCliError(failure)) return { exitCode: Runtime.getErrorExitCode(failure) }
  // The problems of a configuration file begin with their place in it.
  if (failure instanceof ConfigError) return { exitCode: 1, message: failure.message }
  return { exitCode: 1, message: `dockerrun: ${failure instanceof Error ? failure.message : String(failure)}` }
}
