/**
 * Why a server has no host keys.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A host key cannot be read, is not fit for use, or cannot be made. Quotes nothing of the key.
 *
 * @since 0.1.0
 * @category errors
 */
export class HostKeyError extends Schema.TaggedError<HostKeyError>("dockerrun/HostKeyError")("HostKeyError", {
  /** The file, or the place in the configuration (`ssh.hostkeys[0]`). */
  path: Schema.String,
  /** What is wrong with it. */
  problem: Schema.String,
  /** What to do about it, such as the command to run. */
  remedy: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  readonly code = "DOCKERRUN_HOST_KEY"
  override get message(): string {
    return `host key ${this.path}: ${this.problem}; ${this.remedy}`
  }
}
