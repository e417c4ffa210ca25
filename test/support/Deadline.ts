/**
 * Waiting for things, on the real clock: it works alike under `it.effect`, whose TestClock stands still, and `it.live`.
 */
import * as Effect from "effect/Effect"
import { HarnessError } from "./HarnessError.ts"

/** Lets real time pass. Tests use {@link waitFor}; this is for what has nothing to wait for. */
export const pause = (milliseconds: number): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const timer = setTimeout(() => resume(Effect.void), milliseconds)
    return Effect.sync(() => clearTimeout(timer))
  })

/**
 * Fails when the effect has not ended in time, and interrupts it then. `describe` runs only in that case, so that it can
 * say what had been seen by then.
 */
export const within = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  milliseconds: number,
  describe: () => string
): Effect.Effect<A, E | HarnessError, R> =>
  Effect.raceFirst(
    effect,
    Effect.flatMap(pause(milliseconds), () =>
      Effect.suspend(() =>
        Effect.fail(new HarnessError({ operation: describe(), detail: `not within ${milliseconds} ms` }))
      )
    )
  )

/**
 * Asks again and again until the condition gives something other than `false` and `undefined`, and returns that.
 *
 * @param description what is waited for; the failure says "…: not within N ms"
 * @param milliseconds the deadline, 10 000 unless told
 */
export const waitFor = <A, E, R>(
  description: string,
  condition: Effect.Effect<A, E, R>,
  milliseconds = 10_000
): Effect.Effect<Exclude<A, false | undefined>, E | HarnessError, R> => {
  const found = (value: A): value is Exclude<A, false | undefined> => value !== false && value !== undefined
  const ask: Effect.Effect<Exclude<A, false | undefined>, E, R> = Effect.gen(function* () {
    for (;;) {
      const value = yield* condition
      if (found(value)) return value
      yield* pause(20)
    }
  })
  return within(ask, milliseconds, () => `waiting for ${description}`)
}
