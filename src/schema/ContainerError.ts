/**
 * Why a connection gets no container.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ConnectionId } from "./Identifiers.ts"

const image = { image: Schema.String }

/**
 * The engine does not answer.
 *
 * @since 0.1.0
 * @category reasons
 */
export class EngineUnreachable extends Schema.TaggedError<EngineUnreachable>("dockerrun/EngineUnreachable")(
  "EngineUnreachable",
  {}
) {
  readonly code = "DOCKERRUN_ENGINE_UNREACHABLE"
  override get message(): string {
    return "the container engine does not answer"
  }
}

/**
 * The engine answers, but with failures of its own.
 *
 * @since 0.1.0
 * @category reasons
 */
export class EngineFailed extends Schema.TaggedError<EngineFailed>("dockerrun/EngineFailed")("EngineFailed", {}) {
  readonly code = "DOCKERRUN_ENGINE_FAILED"
  override get message(): string {
    return "the container engine reported an internal error"
  }
}

/**
 * The engine's disk is full.
 *
 * @since 0.1.0
 * @category reasons
 */
export class EngineFull extends Schema.TaggedError<EngineFull>("dockerrun/EngineFull")("EngineFull", {}) {
  readonly code = "DOCKERRUN_ENGINE_FULL"
  override get message(): string {
    return "the container engine has no space left on its disk"
  }
}

/**
 * As many connections as may wait for the engine wait already.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ServerBusy extends Schema.TaggedError<ServerBusy>("dockerrun/ServerBusy")("ServerBusy", {}) {
  readonly code = "DOCKERRUN_BUSY"
  override get message(): string {
    return "the server is busy; try again in a moment"
  }
}

/**
 * The pull policy is `Never` and the image is not on the engine.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ImageMissing extends Schema.TaggedError<ImageMissing>("dockerrun/ImageMissing")("ImageMissing", image) {
  readonly code = "DOCKERRUN_IMAGE_MISSING"
  override get message(): string {
    return `the image ${this.image} is not on this engine and the pull policy is Never`
  }
}

/**
 * The registry has no such image, or does not show it without credentials.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ImageNotFound extends Schema.TaggedError<ImageNotFound>("dockerrun/ImageNotFound")(
  "ImageNotFound",
  image
) {
  readonly code = "DOCKERRUN_IMAGE_NOT_FOUND"
  override get message(): string {
    return `the image ${this.image} was not found in its registry`
  }
}

/**
 * The text is not a reference to an image.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ImageReferenceInvalid extends Schema.TaggedError<ImageReferenceInvalid>("dockerrun/ImageReferenceInvalid")(
  "ImageReferenceInvalid",
  image
) {
  readonly code = "DOCKERRUN_IMAGE_REFERENCE_INVALID"
  override get message(): string {
    return `${JSON.stringify(this.image)} is not a valid image reference`
  }
}

/**
 * The registry refuses the engine's credentials.
 *
 * @since 0.1.0
 * @category reasons
 */
export class RegistryDenied extends Schema.TaggedError<RegistryDenied>("dockerrun/RegistryDenied")(
  "RegistryDenied",
  image
) {
  readonly code = "DOCKERRUN_REGISTRY_DENIED"
  override get message(): string {
    return `the registry of the image ${this.image} denied access`
  }
}

/**
 * The engine cannot reach the registry.
 *
 * @since 0.1.0
 * @category reasons
 */
export class RegistryDown extends Schema.TaggedError<RegistryDown>("dockerrun/RegistryDown")("RegistryDown", image) {
  readonly code = "DOCKERRUN_REGISTRY_UNREACHABLE"
  override get message(): string {
    return `the registry of the image ${this.image} cannot be reached`
  }
}

/**
 * The pull failed for a reason that is none of the others.
 *
 * @since 0.1.0
 * @category reasons
 */
export class PullFailed extends Schema.TaggedError<PullFailed>("dockerrun/PullFailed")("PullFailed", image) {
  readonly code = "DOCKERRUN_PULL_FAILED"
  override get message(): string {
    return `the image ${this.image} could not be pulled`
  }
}

/**
 * A container of the configured name is there already.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ContainerNameTaken extends Schema.TaggedError<ContainerNameTaken>("dockerrun/ContainerNameTaken")(
  "ContainerNameTaken",
  { name: Schema.String }
) {
  readonly code = "DOCKERRUN_CONTAINER_NAME_TAKEN"
  override get message(): string {
    return `a container named ${this.name} exists already; only one connection at a time can have it`
  }
}

/**
 * The name of the user's container belongs to a container that this server did not make for that user.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ContainerForeign extends Schema.TaggedError<ContainerForeign>("dockerrun/ContainerForeign")(
  "ContainerForeign",
  { name: Schema.String }
) {
  readonly code = "DOCKERRUN_CONTAINER_FOREIGN"
  override get message(): string {
    return `there is a container named ${this.name} that was not made for this user`
  }
}

/**
 * The engine refuses the container's configuration.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ContainerRejected extends Schema.TaggedError<ContainerRejected>("dockerrun/ContainerRejected")(
  "ContainerRejected",
  {}
) {
  readonly code = "DOCKERRUN_CONTAINER_REJECTED"
  override get message(): string {
    return "the container engine refused the configuration of the container"
  }
}

/**
 * The container was made but could not be started, for example because the idle command is not in the image.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ContainerNotStarted extends Schema.TaggedError<ContainerNotStarted>("dockerrun/ContainerNotStarted")(
  "ContainerNotStarted",
  {}
) {
  readonly code = "DOCKERRUN_CONTAINER_NOT_STARTED"
  override get message(): string {
    return "the container could not be started"
  }
}

/**
 * The time given by `timeout` ran out.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ContainerTimedOut extends Schema.TaggedError<ContainerTimedOut>("dockerrun/ContainerTimedOut")(
  "ContainerTimedOut",
  { step: Schema.Literals(["inspect", "pull", "create", "start"]), seconds: Schema.Finite }
) {
  readonly code = "DOCKERRUN_TIMEOUT"
  override get message(): string {
    const doing = {
      inspect: "asking the engine for the image",
      pull: "pulling the image",
      create: "creating the container",
      start: "starting the container"
    }
    return `${doing[this.step]} took longer than ${this.seconds} s`
  }
}

/**
 * Why there is no container. Each has a stable `code` and a `message` that may be shown to the client.
 *
 * @since 0.1.0
 * @category reasons
 */
export const ContainerErrorReason = Schema.Union([
  EngineUnreachable,
  EngineFailed,
  EngineFull,
  ServerBusy,
  ImageMissing,
  ImageNotFound,
  ImageReferenceInvalid,
  RegistryDenied,
  RegistryDown,
  PullFailed,
  ContainerNameTaken,
  ContainerForeign,
  ContainerRejected,
  ContainerNotStarted,
  ContainerTimedOut
])

/**
 * @since 0.1.0
 * @category reasons
 */
export type ContainerErrorReason = typeof ContainerErrorReason.Type

/**
 * A connection gets no container. `cause` is what the engine said; it is for the log, not for the client.
 *
 * @since 0.1.0
 * @category errors
 */
export class ContainerError extends Schema.TaggedError<ContainerError>("dockerrun/ContainerError")("ContainerError", {
  connectionId: ConnectionId,
  reason: ContainerErrorReason,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  /** The stable code, such as `DOCKERRUN_IMAGE_MISSING`. */
  get code(): string {
    return this.reason.code
  }

  override get message(): string {
    return this.reason.message
  }

  /** What the client may be told. */
  get clientMessage(): string {
    return `${this.reason.message} [${this.code}, connection ${this.connectionId}]`
  }
}
