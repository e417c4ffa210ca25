/**
 * The section `lifecycle` of the configuration.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { optional, withDefault } from "./ConfigKey.ts"
import { GoDuration } from "./GoDuration.ts"
import { InstanceId } from "./InstanceId.ts"

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
  ),
  instance: optional(
    InstanceId,
    "Name of this server among those that share its engine. Left out: a name is made once and kept in stateDirectory."
  ),
  stateDirectory: withDefault(
    Schema.NonEmptyString.annotate({ message: "must name a directory" }),
    "./.dockerrun",
    "Directory in which the server keeps what it must know again after a restart: its name, and which of its runs are over."
  ),
  reapInterval: withDefault(
    GoDuration,
    "60s",
    "Time between two searches for containers of this server that belong to no connection any more. 0: no search."
  )
})

/**
 * @since 0.1.0
 * @category models
 */
export type LifecycleSettings = typeof LifecycleSettings.Type
