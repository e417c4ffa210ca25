/**
 * Why a server of several processes does not run.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The first worker ended before it listened. It has said why.
 *
 * @since 0.1.0
 * @category errors
 */
export class WorkersError extends Schema.TaggedError<WorkersError>("dockerrun/WorkersError")("WorkersError", {
  /** What it ended with. */
  exitCode: Schema.Int
}) {
  override get message(): string {
    return `the first worker ended before it listened, with status ${this.exitCode}`
  }
}
