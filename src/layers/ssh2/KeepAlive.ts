/**
 * Clients are asked for a sign of life (`keepalive@openssh.com`): ssh2 does it, from the login on, and each packet of the
 * client's counts as one.
 */
import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import type { SshLimits } from "../../schema/SshLimits.ts"

/** The longest that a timer waits for: 24 days. */
const longestInterval = 2 ** 31 - 1

/** What ssh2 is told. It cannot be told to ask nobody, and takes 0 for its own default. */
export const options = ({
  clientAliveCountMax,
  clientAliveInterval
}: Pick<SshLimits, "clientAliveCountMax" | "clientAliveInterval">) => ({
  keepaliveInterval: Duration.isZero(clientAliveInterval)
    ? longestInterval
    : Math.max(1, Math.min(Math.ceil(Duration.toMillis(clientAliveInterval)), longestInterval)),
  keepaliveCountMax: clientAliveCountMax
})

/** Whether ssh2 gave a client up that did not answer. */
export const isTimeout = (cause: unknown): boolean =>
  Predicate.hasProperty(cause, "level") && cause.level === "client-timeout"
