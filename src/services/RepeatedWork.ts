/**
 * Work that is done again and again.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"

/**
 * Does the work at once, and then again after each pause, until it is interrupted. A failure is told once, until the
 * work succeeds again.
 *
 * @internal
 */
export const run = Effect.fnUntraced(function* <A, E, R>(
  work: Effect.Effect<A, E, R>,
  options: { readonly pause: Duration.Duration; readonly failed: (cause: E) => Effect.Effect<void> }
): Effect.fn.Return<void, never, R> {
  let isLogged = false
  yield* work.pipe(
    Effect.matchEffect({
      onSuccess: () =>
        Effect.sync(() => {
          isLogged = false
        }),
      onFailure: (cause) => {
        if (isLogged) return Effect.void
        isLogged = true
        return options.failed(cause)
      }
    }),
    Effect.repeat(Schedule.spaced(options.pause))
  )
})
