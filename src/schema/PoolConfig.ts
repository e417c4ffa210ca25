/**
 * The section `dockerrun.config.pool`: containers that are started before anybody needs them.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { withDefault } from "./ConfigKey.ts"
import { PositiveGoDuration } from "./GoDuration.ts"

/**
 * The section `dockerrun.config.pool`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const PoolConfig = Schema.Struct({
  size: withDefault(
    Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1000 }, { message: "must be from 0 to 1000" })),
    0,
    "How many started containers wait for connections. 0: none, each connection's container is started when it comes."
  ),
  maxAge: withDefault(
    PositiveGoDuration,
    "1h",
    "How long a container may wait before a new one takes its place; its image is looked for anew, as imagePullPolicy says."
  )
})

/**
 * @since 0.1.0
 * @category models
 */
export type PoolConfig = typeof PoolConfig.Type
