/**
 * The section `lifecycle` of the configuration.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { withDefault } from "./ConfigKey.ts"

/**
 * The section `lifecycle`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const LifecycleSettings = Schema.Struct({
  deadMansSwitch: withDefault(
    Schema.Boolean,
    true,
    "Tie each container to a stream that the server holds: when the server dies, the container ends and removes itself."
  )
})

/**
 * @since 0.1.0
 * @category models
 */
export type LifecycleSettings = typeof LifecycleSettings.Type
