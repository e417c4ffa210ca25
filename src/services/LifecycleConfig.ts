/**
 * The section `lifecycle` of the configuration, as a reference: whoever says nothing has the defaults.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import type { LifecycleSettings } from "../schema/LifecycleConfig.ts"

/**
 * How containers are kept from outliving their server.
 *
 * @since 0.1.0
 * @category references
 */
export const LifecycleConfig = Context.Reference<LifecycleSettings>("dockerrun/services/LifecycleConfig", {
  defaultValue: () => ({ deadMansSwitch: true, stateDirectory: ".dockerrun", reapInterval: Duration.seconds(60) })
})
