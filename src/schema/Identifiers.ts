/**
 * The ids that name connections, channels, containers and programs.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Names one SSH connection, in logs, labels and messages: lower-case hexadecimal digits, 32 of them.
 *
 * @since 0.1.0
 * @category identifiers
 */
export const ConnectionId = Schema.String.check(
  Schema.isPattern(/^[0-9a-f]{8,64}$/u, { expected: "8 to 64 lower-case hexadecimal digits" })
).pipe(Schema.brand("ConnectionId"))

/**
 * @since 0.1.0
 * @category identifiers
 */
export type ConnectionId = typeof ConnectionId.Type

/**
 * Numbers the session channels of one connection, from 0, in the order in which they were opened.
 *
 * @since 0.1.0
 * @category identifiers
 */
export const ChannelId = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)).pipe(Schema.brand("ChannelId"))

/**
 * @since 0.1.0
 * @category identifiers
 */
export type ChannelId = typeof ChannelId.Type

/**
 * The id that the engine gave a container (Engine API, `POST /containers/create`).
 *
 * @since 0.1.0
 * @category identifiers
 */
export const ContainerId = Schema.NonEmptyString.pipe(Schema.brand("ContainerId"))

/**
 * @since 0.1.0
 * @category identifiers
 */
export type ContainerId = typeof ContainerId.Type

/**
 * The id that the engine gave an exec (Engine API, `POST /containers/{id}/exec`).
 *
 * @since 0.1.0
 * @category identifiers
 */
export const ExecId = Schema.NonEmptyString.pipe(Schema.brand("ExecId"))

/**
 * @since 0.1.0
 * @category identifiers
 */
export type ExecId = typeof ExecId.Type
