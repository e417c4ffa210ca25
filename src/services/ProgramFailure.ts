/**
 * What an engine's failure means for the person who wants a program.
 *
 * @since 0.1.0
 */
import type { DockerError } from "../schema/DockerError.ts"
import {
  type ProgramErrorReason,
  ProgramLost,
  ProgramNotExecutable,
  ProgramNotFound,
  ProgramNotLaunched,
  ProgramNotQueued
} from "../schema/ProgramError.ts"

/**
 * Tells, for a failure of the engine, why a program does not run, or why it is lost.
 *
 * @since 0.1.0
 * @category classification
 */
export const reason = ({ reason }: DockerError, program: string): ProgramErrorReason => {
  switch (reason._tag) {
    case "ProgramNotStarted":
      return reason.exitCode === 127 ? new ProgramNotFound({ program }) : new ProgramNotExecutable({ program })
    // The container is gone (404) or does not run any more (409), or the engine that held it went away.
    case "NotFound":
    case "Conflict":
    case "Unreachable":
      return new ProgramLost()
    case "Overloaded":
      return new ProgramNotQueued()
    default:
      return new ProgramNotLaunched()
  }
}
