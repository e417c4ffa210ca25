/**
 * How much time a server that ends may take.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"

/**
 * What is known of an end that has begun.
 *
 * @since 0.1.0
 * @category references
 */
export const Shutdown = Context.Reference<{
  /** Waits until programs have no time left, whatever the grace period says. */
  readonly hurry: Effect.Effect<void>
}>("dockerrun/services/Shutdown", { defaultValue: () => ({ hurry: Effect.never }) })

/**
 * Ends the process at once. Only an executable can do that, and gives it; without one nothing happens.
 *
 * @since 0.1.0
 * @category references
 */
export const ProcessExit = Context.Reference<(code: number) => void>("dockerrun/services/ProcessExit", {
  defaultValue: () => () => {}
})
