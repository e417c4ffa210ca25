/**
 * Why something is not forwarded.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * What can be forwarded: a connection to a port or a Unix socket of the container, a port or Unix socket of the container
 * that the client serves, the client's agent, its display.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ForwardingKind = Schema.Literals(["tcp", "socket", "tcp-listen", "socket-listen", "agent", "x11"])

/**
 * @since 0.1.0
 * @category models
 */
export type ForwardingKind = typeof ForwardingKind.Type

/**
 * The configuration, or the key that was used, does not permit it. `rule` names the setting that says so.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ForwardingNotAllowed extends Schema.TaggedError<ForwardingNotAllowed>("dockerrun/ForwardingNotAllowed")(
  "ForwardingNotAllowed",
  { rule: Schema.String }
) {
  readonly code = "DOCKERRUN_FORWARDING_NOT_ALLOWED"
  override get message(): string {
    return "forwarding is not permitted"
  }
}

/**
 * The target is no host name, address, port or path that can be used.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ForwardingTargetInvalid extends Schema.TaggedError<ForwardingTargetInvalid>(
  "dockerrun/ForwardingTargetInvalid"
)("ForwardingTargetInvalid", {}) {
  readonly code = "DOCKERRUN_FORWARDING_TARGET_INVALID"
  override get message(): string {
    return "the target is not a valid one"
  }
}

/**
 * As many are open on this connection as may be (`maxChannels`, `maxListeners`).
 *
 * @since 0.1.0
 * @category reasons
 */
export class ForwardingLimitReached extends Schema.TaggedError<ForwardingLimitReached>(
  "dockerrun/ForwardingLimitReached"
)("ForwardingLimitReached", { setting: Schema.Literals(["maxChannels", "maxListeners"]), limit: Schema.Int }) {
  readonly code = "DOCKERRUN_FORWARDING_LIMIT"
  override get message(): string {
    return `only ${this.limit} may be open at once`
  }
}

/**
 * The image has none of the programs that can do it.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ForwardingToolMissing extends Schema.TaggedError<ForwardingToolMissing>("dockerrun/ForwardingToolMissing")(
  "ForwardingToolMissing",
  { tools: Schema.String }
) {
  readonly code = "DOCKERRUN_FORWARDING_TOOL_MISSING"
  override get message(): string {
    return `the container has none of the programs that this takes: ${this.tools}`
  }
}

/**
 * The target did not take the connection, or could not be listened on. `detail` are the words of the program that tried.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ForwardingFailed extends Schema.TaggedError<ForwardingFailed>("dockerrun/ForwardingFailed")(
  "ForwardingFailed",
  { detail: Schema.String }
) {
  readonly code = "DOCKERRUN_FORWARDING_FAILED"
  override get message(): string {
    return this.detail
  }
}

/**
 * @since 0.1.0
 * @category reasons
 */
export const ForwardingErrorReason = Schema.Union([
  ForwardingNotAllowed,
  ForwardingTargetInvalid,
  ForwardingLimitReached,
  ForwardingToolMissing,
  ForwardingFailed
])

/**
 * @since 0.1.0
 * @category reasons
 */
export type ForwardingErrorReason = typeof ForwardingErrorReason.Type

/**
 * Something is not forwarded. `target` is what was asked for.
 *
 * @since 0.1.0
 * @category errors
 */
export class ForwardingError extends Schema.TaggedError<ForwardingError>("dockerrun/ForwardingError")(
  "ForwardingError",
  {
    kind: ForwardingKind,
    target: Schema.String,
    reason: ForwardingErrorReason,
    cause: Schema.optionalKey(Schema.Defect())
  }
) {
  /** The stable code, such as `DOCKERRUN_FORWARDING_NOT_ALLOWED`. */
  get code(): string {
    return this.reason.code
  }

  /** May be shown to the client. */
  override get message(): string {
    return this.reason.message
  }
}
