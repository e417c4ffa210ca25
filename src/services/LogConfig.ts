/**
 * The section `log` of the configuration, as a service.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type { LogSettings } from "../schema/LogConfig.ts"

/**
 * The section `log` of the configuration.
 *
 * @since 0.1.0
 * @category services
 */
export class LogConfig extends Context.Service<LogConfig, LogSettings>()("dockerrun/services/LogConfig") {}
