/**
 * The section `ssh` of the configuration, as a service.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type { SshSettings } from "../schema/SshConfig.ts"

/**
 * The section `ssh` of the configuration.
 *
 * @since 0.1.0
 * @category services
 */
export class SshConfig extends Context.Service<SshConfig, SshSettings>()("dockerrun/services/SshConfig") {}
