/**
 * What a container engine can answer instead of what was asked.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const detail = { message: Schema.String }

/**
 * The image, container or exec is not there (HTTP 404).
 *
 * @since 0.1.0
 * @category reasons
 */
export class NotFound extends Schema.TaggedError<NotFound>("dockerrun/NotFound")("NotFound", detail) {}

/**
 * The request collides with the state of the engine (HTTP 409): a name that is taken, a container that does not run, a
 * removal that is already under way.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Conflict extends Schema.TaggedError<Conflict>("dockerrun/Conflict")("Conflict", detail) {}

/**
 * The engine refuses the request as malformed (HTTP 400).
 *
 * @since 0.1.0
 * @category reasons
 */
export class BadRequest extends Schema.TaggedError<BadRequest>("dockerrun/BadRequest")("BadRequest", detail) {}

/**
 * The engine, or the registry behind it, refuses the credentials (HTTP 401 or 403, or a registry's `unauthorized` or
 * `denied` in a pull).
 *
 * @since 0.1.0
 * @category reasons
 */
export class Unauthorized extends Schema.TaggedError<Unauthorized>("dockerrun/Unauthorized")("Unauthorized", detail) {}

/**
 * Nothing answers at the engine's address, or the connection broke (an errno such as `ECONNREFUSED`).
 *
 * @since 0.1.0
 * @category reasons
 */
export class Unreachable extends Schema.TaggedError<Unreachable>("dockerrun/Unreachable")("Unreachable", {
  address: Schema.String,
  errno: Schema.optionalKey(Schema.String),
  message: Schema.String
}) {}

/**
 * The engine cannot reach the registry of an image.
 *
 * @since 0.1.0
 * @category reasons
 */
export class RegistryUnreachable extends Schema.TaggedError<RegistryUnreachable>("dockerrun/RegistryUnreachable")(
  "RegistryUnreachable",
  detail
) {}

/**
 * The engine failed at something that it accepted (HTTP 5xx, or an error inside the progress of a pull).
 *
 * @since 0.1.0
 * @category reasons
 */
export class ServerError extends Schema.TaggedError<ServerError>("dockerrun/ServerError")("ServerError", {
  status: Schema.optionalKey(Schema.Int),
  message: Schema.String
}) {}

/**
 * The engine has no space left for what it was asked to make (HTTP 500, and `no space left on device` in its words).
 *
 * @since 0.1.0
 * @category reasons
 */
export class NoSpace extends Schema.TaggedError<NoSpace>("dockerrun/NoSpace")("NoSpace", detail) {}

/**
 * The engine could not start a program in a container. `exitCode` is what a shell would give: 127 when there is no such
 * program, 126 when it is there and cannot be executed.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ProgramNotStarted extends Schema.TaggedError<ProgramNotStarted>("dockerrun/ProgramNotStarted")(
  "ProgramNotStarted",
  { exitCode: Schema.Literals([126, 127]), message: Schema.String }
) {}

/**
 * The engine's answer is not what its API promises.
 *
 * @since 0.1.0
 * @category reasons
 */
export class UnexpectedAnswer extends Schema.TaggedError<UnexpectedAnswer>("dockerrun/UnexpectedAnswer")(
  "UnexpectedAnswer",
  detail
) {}

/**
 * The engine was not asked: so many others wait for it already that this one would wait in vain.
 *
 * @since 0.1.0
 * @category reasons
 */
export class Overloaded extends Schema.TaggedError<Overloaded>("dockerrun/Overloaded")("Overloaded", detail) {}

/**
 * Why an engine did not do what it was asked.
 *
 * @since 0.1.0
 * @category reasons
 */
export const DockerErrorReason = Schema.Union([
  NotFound,
  Conflict,
  BadRequest,
  Unauthorized,
  Unreachable,
  RegistryUnreachable,
  ServerError,
  NoSpace,
  ProgramNotStarted,
  UnexpectedAnswer,
  Overloaded
])

/**
 * @since 0.1.0
 * @category reasons
 */
export type DockerErrorReason = typeof DockerErrorReason.Type

/**
 * The one error of the `Docker` service: the operation that failed and why. The reason is told from the HTTP status and
 * the errno; the engine's own words are kept in `reason.message` for the log.
 *
 * @since 0.1.0
 * @category errors
 */
export class DockerError extends Schema.TaggedError<DockerError>("dockerrun/DockerError")("DockerError", {
  operation: Schema.String,
  reason: DockerErrorReason
}) {
  override get message(): string {
    return `${this.operation}: ${this.reason.message}`
  }

  /** Whether the same request may succeed a moment later. */
  get isTransient(): boolean {
    switch (this.reason._tag) {
      case "Unreachable":
      case "RegistryUnreachable":
      case "ServerError":
        return true
      default:
        return false
    }
  }
}
