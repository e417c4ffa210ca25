/**
 * The section `log` of the configuration, as a service.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import { decodeConfig } from "../schema/ConfigDecoding.ts"
import type { ConfigError } from "../schema/ConfigError.ts"
import { LogSettings } from "../schema/LogConfig.ts"

const decode = decodeConfig(LogSettings, [])

/**
 * The section `log` of the configuration.
 *
 * @since 0.1.0
 * @category services
 */
export class LogConfig extends Context.Service<LogConfig, LogSettings>()("dockerrun/services/LogConfig") {
  /**
   * Takes the section as a configuration file would spell it; what is left out has its default. Fails with every
   * problem that it has.
   *
   * @example
   * ```ts
   * LogConfig.layer({ level: "debug" })
   * ```
   */
  static readonly layer = (section: typeof LogSettings.Encoded): Layer.Layer<LogConfig, ConfigError> =>
    Layer.effect(LogConfig, decode(section, { source: "LogConfig.layer", section: "log" }))
}
