/**
 * The section `auth` of the configuration, as a service.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type { AuthSettings } from "../schema/AuthConfig.ts"

/**
 * The section `auth` of the configuration.
 *
 * @since 0.1.0
 * @category services
 */
export class AuthConfig extends Context.Service<AuthConfig, AuthSettings>()("dockerrun/services/AuthConfig") {}
