/**
 * The key `engine` of the configuration, as a reference: whoever says nothing has `docker`.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type { EngineKind } from "../schema/EngineConfig.ts"

/**
 * What containers run on.
 *
 * @since 0.1.0
 * @category references
 */
export const EngineConfig = Context.Reference<EngineKind>("dockerrun/services/EngineConfig", {
  defaultValue: () => "docker"
})
