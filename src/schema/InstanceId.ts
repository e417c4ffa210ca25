/**
 * The ids that tell servers, and their runs, apart.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Names one server among those that share an engine, in the label `dockerrun_instance`.
 *
 * @since 0.1.0
 * @category identifiers
 */
export const InstanceId = Schema.String.check(
  Schema.isPattern(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$/u, {
    message: "is not a name of a server: up to 63 letters, digits, _, . or -, the first a letter or digit"
  })
).pipe(Schema.brand("InstanceId"))

/**
 * @since 0.1.0
 * @category identifiers
 */
export type InstanceId = typeof InstanceId.Type

/**
 * Names one run of a server, from its start to its end, in the label `dockerrun_boot`: hexadecimal digits.
 *
 * @since 0.1.0
 * @category identifiers
 */
export const BootId = Schema.String.check(
  Schema.isPattern(/^[0-9a-f]{16}$/u, { expected: "16 lower-case hexadecimal digits" })
).pipe(Schema.brand("BootId"))

/**
 * @since 0.1.0
 * @category identifiers
 */
export type BootId = typeof BootId.Type
