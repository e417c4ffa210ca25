/**
 * The key `engine` of the configuration.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * What containers run on: an engine with Docker's API, or the one inside of this program, whose containers are virtual.
 *
 * @since 0.1.0
 * @category schemas
 */
export const EngineKind = Schema.Literals(["docker", "embedded"])

/**
 * @since 0.1.0
 * @category models
 */
export type EngineKind = typeof EngineKind.Type
