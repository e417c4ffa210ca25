/**
 * The section `auth` of the configuration, as a service.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import { decodeConfig } from "../schema/ConfigDecoding.ts"
import type { ConfigError } from "../schema/ConfigError.ts"
import { AuthSettings } from "../schema/AuthConfig.ts"

const decode = decodeConfig(AuthSettings, [])

/**
 * The section `auth` of the configuration.
 *
 * @since 0.1.0
 * @category services
 */
export class AuthConfig extends Context.Service<AuthConfig, AuthSettings>()("dockerrun/services/AuthConfig") {
  /**
   * Takes the section as a configuration file would spell it; what is left out has its default. Fails with every
   * problem that it has.
   *
   * @example
   * ```ts
   * AuthConfig.layer({ users: { alice: { authorizedKeys: ["ssh-ed25519 AAAA… alice"] } } })
   * ```
   */
  static readonly layer = (section: typeof AuthSettings.Encoded): Layer.Layer<AuthConfig, ConfigError> =>
    Layer.effect(AuthConfig, decode(section, { source: "AuthConfig.layer", section: "auth" }))
}
