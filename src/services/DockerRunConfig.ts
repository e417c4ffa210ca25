/**
 * The section `dockerrun` of the configuration, as a service.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import { decodeConfig } from "../schema/ConfigDecoding.ts"
import type { ConfigError } from "../schema/ConfigError.ts"
import { dockerRunRule, DockerRunSettings } from "../schema/DockerRunConfig.ts"

const decode = decodeConfig(DockerRunSettings, [dockerRunRule])

/**
 * The section `dockerrun` of the configuration.
 *
 * @since 0.1.0
 * @category services
 */
export class DockerRunConfig extends Context.Service<DockerRunConfig, DockerRunSettings>()(
  "dockerrun/services/DockerRunConfig"
) {
  /**
   * Takes the section as a configuration file would spell it; what is left out has its default. Fails with every
   * problem that it has.
   *
   * @example
   * ```ts
   * DockerRunConfig.layer({
   *   config: { container: { Image: "busybox:1" }, shellCommand: ["/bin/sh"] }
   * })
   * ```
   */
  static readonly layer = (section: typeof DockerRunSettings.Encoded): Layer.Layer<DockerRunConfig, ConfigError> =>
    Layer.effect(DockerRunConfig, decode(section, { source: "DockerRunConfig.layer", section: "dockerrun" }))
}
