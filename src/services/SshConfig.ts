/**
 * The section `ssh` of the configuration, as a service.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import { decodeConfig } from "../schema/ConfigDecoding.ts"
import type { ConfigError } from "../schema/ConfigError.ts"
import { SshSettings } from "../schema/SshConfig.ts"

const decode = decodeConfig(SshSettings, [])

/**
 * The section `ssh` of the configuration.
 *
 * @since 0.1.0
 * @category services
 */
export class SshConfig extends Context.Service<SshConfig, SshSettings>()("dockerrun/services/SshConfig") {
  /**
   * Takes the section as a configuration file would spell it; what is left out has its default. Fails with every
   * problem that it has.
   *
   * @example
   * ```ts
   * SshConfig.layer({ listen: "127.0.0.1:0" })
   * ```
   */
  static readonly layer = (section: typeof SshSettings.Encoded): Layer.Layer<SshConfig, ConfigError> =>
    Layer.effect(SshConfig, decode(section, { source: "SshConfig.layer", section: "ssh" }))
}
