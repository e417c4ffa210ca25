/**
 * The section `dockerrun` of the configuration, as a service.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type { DockerRunSettings } from "../schema/DockerRunConfig.ts"

/**
 * The section `dockerrun` of the configuration.
 *
 * @since 0.1.0
 * @category services
 */
export class DockerRunConfig extends Context.Service<DockerRunConfig, DockerRunSettings>()(
  "dockerrun/services/DockerRunConfig"
) {}
