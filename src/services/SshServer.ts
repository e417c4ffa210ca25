/**
 * The SSH server, as a contract: an address, and a loop that serves whoever connects.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { SshServerError } from "../schema/SshServerError.ts"

/**
 * Where the server listens.
 *
 * @since 0.1.0
 * @category models
 */
export interface ServerAddress {
  readonly host: string
  readonly port: number
}

/**
 * Whether SSH encryption runs in native code, or, several times slower, in JavaScript.
 *
 * @since 0.1.0
 * @category models
 */
export type SshCrypto = "native" | "javascript"

/**
 * An SSH server that is bound to its address.
 *
 * @since 0.1.0
 * @category services
 */
export class SshServer extends Context.Service<
  SshServer,
  {
    readonly address: ServerAddress
    readonly crypto: SshCrypto
    /**
     * Serves connections until it is interrupted; then it accepts no more, gives running programs the grace period, and
     * ends when every connection is closed and every container removed.
     */
    readonly run: Effect.Effect<never, SshServerError>
  }
>()("dockerrun/services/SshServer") {}
