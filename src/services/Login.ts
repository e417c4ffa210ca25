/**
 * How somebody is logged in: what a connection's programs get, beyond what every container has.
 *
 * @since 0.1.0
 */
import type { Permissions } from "../schema/Permissions.ts"
import type { UserContainer } from "../schema/UserContainer.ts"

/**
 * A login. Whatever is left out leaves programs as they are without it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Login {
  /** The port that the client connects from. */
  readonly port?: number
  /** Where the client connected to. */
  readonly server?: { readonly address: string; readonly port: number }
  /** Command line that runs instead of whatever is asked for, unless the configuration forces another. */
  readonly forcedCommand?: string
  /** Variables that programs get whatever the client says. */
  readonly environment?: Readonly<Record<string, string>>
  /** What the key or the certificate takes away. */
  readonly permissions?: Permissions
  readonly container?: UserContainer
  /** Patterns of the variables that may be set. Default: any may. */
  readonly acceptEnv?: ReadonlyArray<string>
  /** What a person reads when a shell with a terminal begins. */
  readonly motd?: string
}
