/**
 * Tells an engine which size a terminal has now.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import type { DockerError } from "../schema/DockerError.ts"
import type { TerminalSize } from "./Docker.ts"

/** An engine refuses the size of a program that it is still starting, so it is told again, for about two seconds. */
const again = Schedule.exponential("10 millis", 1.5).pipe(Schedule.upTo({ duration: "2 seconds" }))

/**
 * Sizes are sent one at a time, since of two requests an engine may serve the second one first; one that another has
 * overtaken is not sent any more.
 *
 * @internal
 */
export const make = (
  send: (size: TerminalSize) => Effect.Effect<void, DockerError>,
  isOver: () => boolean
): Effect.Effect<(size: TerminalSize) => Effect.Effect<void>> =>
  Effect.map(Semaphore.make(1), (sending) => {
    let last: TerminalSize | undefined
    return (size) =>
      Effect.suspend(() => {
        last = size
        const isWanted = () => last === size && !isOver()
        return sending.withPermit(
          Effect.suspend(() =>
            isWanted()
              ? send(size).pipe(
                  Effect.retry({ schedule: again, while: isWanted }),
                  Effect.ignore({ log: "Debug", message: "the size of a terminal could not be set" })
                )
              : Effect.void
          )
        )
      })
  })
