/**
 * What a server that runs says of itself, for those who ask from outside.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/** In a queue for the engine: what is being started, and what waits. */
const Queue = Schema.Struct({ running: Schema.Int, waiting: Schema.Int })

/**
 * What the server knows of its engine: nothing is wrong with it, or nobody has answered there since.
 *
 * @since 0.1.0
 * @category schemas
 */
export const EngineStatus = Schema.TaggedUnion({
  Answers: {},
  /** `since` in milliseconds since 1970; `reason` is what was said last. */
  Lost: { since: Schema.Int, reason: Schema.String }
})

/**
 * @since 0.1.0
 * @category models
 */
export type EngineStatus = typeof EngineStatus.Type

/**
 * One process that serves.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ServerStatus = Schema.Struct({
  pid: Schema.Int,
  /** Which worker of a server of several processes. */
  worker: Schema.optionalKey(Schema.Int),
  /** When the process began to serve, in milliseconds since 1970. */
  since: Schema.Int,
  engine: EngineStatus,
  containers: Queue,
  programs: Queue,
  /** Connections that have logged in. */
  connections: Schema.Int
})

/**
 * @since 0.1.0
 * @category models
 */
export type ServerStatus = typeof ServerStatus.Type
