/**
 * The section `security` of the configuration, as a reference: whoever says nothing allows all that SSH can ask for.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { decodeConfig } from "../schema/ConfigDecoding.ts"
import type { ConfigError } from "../schema/ConfigError.ts"
import { SecuritySettings } from "../schema/SecurityConfig.ts"

const decode = decodeConfig(SecuritySettings, [])

/**
 * What clients may ask for.
 *
 * @since 0.1.0
 * @category references
 */
export const SecurityConfig = Context.Reference<SecuritySettings>("dockerrun/services/SecurityConfig", {
  defaultValue: () => Schema.decodeSync(SecuritySettings)({})
})

/**
 * Takes the section as a configuration file would spell it; what is left out has its default. Fails with every problem
 * that it has.
 *
 * @example
 * ```ts
 * SecurityConfig.layer({ forceCommand: "/usr/bin/menu", tty: { mode: "disable" } })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (section: typeof SecuritySettings.Encoded): Layer.Layer<never, ConfigError> =>
  Layer.effect(SecurityConfig, decode(section, { source: "SecurityConfig.layer", section: "security" }))
