/**
 * What is known of an engine: that it answers, or that it is gone.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/**
 * @since 0.1.0
 * @category models
 */
export interface State {
  readonly isLost: () => boolean
  /** Waits until the engine answers; returns at once while it does. */
  readonly found: Effect.Effect<void>
}

/**
 * The state of the engine, as a reference: without `EngineCircuit.layer` nobody knows, and it counts as being there.
 *
 * @since 0.1.0
 * @category references
 */
export const EngineState = Context.Reference<State>("dockerrun/services/EngineState", {
  defaultValue: () => ({ isLost: () => false, found: Effect.void })
})
