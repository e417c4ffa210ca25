/**
 * The names of signals.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The signals of RFC 4254, section 6.10, by the names used there (without `SIG`).
 *
 * @since 0.1.0
 * @category schemas
 */
export const SignalName = Schema.Literals([
  "ABRT",
  "ALRM",
  "FPE",
  "HUP",
  "ILL",
  "INT",
  "KILL",
  "PIPE",
  "QUIT",
  "SEGV",
  "TERM",
  "USR1",
  "USR2"
])

/**
 * @since 0.1.0
 * @category models
 */
export type SignalName = typeof SignalName.Type
