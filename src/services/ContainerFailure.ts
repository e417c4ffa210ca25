/**
 * What an engine's failure means for the person who wants a container.
 *
 * @since 0.1.0
 */
import {
  type ContainerErrorReason,
  ContainerNameTaken,
  ContainerNotStarted,
  ContainerRejected,
  EngineFailed,
  EngineFull,
  EngineUnreachable,
  ImageNotFound,
  ImageReferenceInvalid,
  PullFailed,
  RegistryDenied,
  RegistryDown,
  ServerBusy
} from "../schema/ContainerError.ts"
import type { DockerError } from "../schema/DockerError.ts"
import type { DockerRunConfig } from "./DockerRunConfig.ts"

/**
 * The steps in which an engine may fail.
 *
 * @since 0.1.0
 * @category models
 */
export type Step = "inspect" | "pull" | "create" | "start"

/**
 * Tells, for a failure of the engine in one of the steps, why there is no container.
 *
 * @since 0.1.0
 * @category classification
 */
export const reason = (
  step: Step,
  error: DockerError,
  config: DockerRunConfig["Service"]["config"]
): ContainerErrorReason => {
  if (error.reason._tag === "Unreachable") return new EngineUnreachable()
  if (error.reason._tag === "Overloaded") return new ServerBusy()
  if (error.reason._tag === "NoSpace") return new EngineFull()
  switch (step) {
    case "inspect":
      return error.reason._tag === "BadRequest"
        ? new ImageReferenceInvalid({ image: config.container.Image })
        : new EngineFailed()
    case "pull":
      return duringPull(error, config.container.Image)
    case "create":
      return duringCreate(error, config.containername)
    case "start":
      return error.reason._tag === "ServerError" ? new EngineFailed() : new ContainerNotStarted()
  }
}

const duringPull = ({ reason }: DockerError, image: string): ContainerErrorReason => {
  switch (reason._tag) {
    case "NotFound":
      return new ImageNotFound({ image })
    case "BadRequest":
      return new ImageReferenceInvalid({ image })
    case "Unauthorized":
      return new RegistryDenied({ image })
    case "RegistryUnreachable":
      return new RegistryDown({ image })
    default:
      return new PullFailed({ image })
  }
}

const duringCreate = ({ reason }: DockerError, name: string): ContainerErrorReason => {
  switch (reason._tag) {
    case "Conflict":
      return new ContainerNameTaken({ name })
    // What the configuration names is not there: a network, or an image that was removed a moment ago.
    case "NotFound":
    case "BadRequest":
      return new ContainerRejected()
    default:
      return new EngineFailed()
  }
}
