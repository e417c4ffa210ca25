/**
 * What a key or a certificate takes away from whoever logs in with it (sshd(8), AUTHORIZED_KEYS FILE FORMAT;
 * ssh-keygen(1), CERTIFICATES).
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Whatever is left out is permitted, as far as the configuration permits it.
 *
 * @since 0.1.0
 * @category models
 */
export const Permissions = Schema.Struct({
  /** A terminal. */
  pty: Schema.optionalKey(Schema.Boolean),
  /** Both ways: connections that the client opens, and those that it receives. */
  portForwarding: Schema.optionalKey(Schema.Boolean),
  agentForwarding: Schema.optionalKey(Schema.Boolean),
  /** The only targets, `host:port`, the port may be `*`; `permitopen`. */
  permitOpen: Schema.optionalKey(Schema.Array(Schema.String)),
  /** The only ports to listen on, `port` or `host:port`, either may be `*`; `permitlisten`. */
  permitListen: Schema.optionalKey(Schema.Array(Schema.String))
})

/**
 * @since 0.1.0
 * @category models
 */
export type Permissions = typeof Permissions.Type
