/**
 * Hides how long a refusal took to decide.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

const firstSlotMs = 8

/**
 * Delays the answers that turn somebody away to the next of a few moments: 8 ms after the question, or twice that, or
 * twice that again, whichever comes first. What is measured from outside is the slot, not the work done in it.
 */
export const hide =
  <A>(turnsAway: (answer: A) => boolean) =>
  <E, R>(decision: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.gen(function* () {
      // The monotonic clock: were the time of day set back meanwhile, the client would wait for hours.
      const start = yield* Clock.monotonicTimeNanos
      const answer = yield* decision
      if (!turnsAway(answer)) return answer
      const elapsedMs = Number((yield* Clock.monotonicTimeNanos) - start) / 1e6
      let slotMs = firstSlotMs
      while (slotMs < elapsedMs) slotMs *= 2
      yield* Effect.sleep(slotMs - elapsedMs)
      return answer
    })
