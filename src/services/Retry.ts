/**
 * Which failures of an engine are tried again, and when.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { DockerError } from "../schema/DockerError.ts"
import { EngineState } from "./EngineState.ts"

/** How often an engine that answers with a failure of its own is asked again; one that is away is asked until the deadline. */
const serverErrorTries = 3

/**
 * The pauses: 100 ms, then twice as long each time up to 2 s, with jitter.
 *
 * @since 0.1.0
 * @category schedules
 */
export const backOff = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")]).pipe(
  Schedule.jittered
)

/** An engine that is known to be gone is not asked: whoever is told that it is back goes on after the pause. */
const waitingForEngine = <A, R>(effect: Effect.Effect<A, DockerError, R>): Effect.Effect<A, DockerError, R> =>
  Effect.tapError(effect, ({ reason }) =>
    reason._tag === "Unreachable" ? Effect.flatMap(EngineState, ({ found }) => found) : Effect.void
  )

/**
 * Tries again, after 100 ms, then twice as long each time up to 2 s, with jitter, for as long as the failure is one that
 * passes. There is no end to it while nothing answers: set a deadline around it.
 *
 * @since 0.1.0
 * @category combinators
 */
export const whileTransient = <A, R>(effect: Effect.Effect<A, DockerError, R>): Effect.Effect<A, DockerError, R> =>
  Effect.suspend(() => {
    let serverErrors = 0
    return Effect.retry(waitingForEngine(effect), {
      schedule: backOff,
      while: (error) => {
        if (error.reason._tag === "ServerError") serverErrors += 1
        return error.isTransient && serverErrors < serverErrorTries
      }
    })
  })

/**
 * The same, but an engine's own failures are tried again without end, too: for what must not be left undone.
 *
 * @since 0.1.0
 * @category combinators
 */
export const untilDone = <A, R>(effect: Effect.Effect<A, DockerError, R>): Effect.Effect<A, DockerError, R> =>
  Effect.retry(waitingForEngine(effect), { schedule: backOff, while: (error) => error.isTransient })
