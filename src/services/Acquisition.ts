/**
 * The steps on the way to a container: each tried again while its failures pass, all within one deadline.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { ContainerError, type ContainerErrorReason, ContainerTimedOut } from "../schema/ContainerError.ts"
import type { DockerError } from "../schema/DockerError.ts"
import type { ConnectionId } from "../schema/Identifiers.ts"
import * as ContainerFailure from "./ContainerFailure.ts"
import { DockerRunConfig } from "./DockerRunConfig.ts"
import type { PullSummary } from "./ImagePull.ts"
import * as Retry from "./Retry.ts"

/**
 * What the acquisition of a container is doing.
 *
 * @since 0.1.0
 * @category models
 */
export type Step =
  | { readonly _tag: "Pulling"; readonly image: string; readonly summary: PullSummary }
  | { readonly _tag: "Creating" }
  | { readonly _tag: "Starting" }

/**
 * @since 0.1.0
 * @category models
 */
export interface Acquisition {
  /** An error about this connection. */
  readonly fail: (reason: ContainerErrorReason, cause?: unknown) => ContainerError
  /** A request to the engine as a part of the step: tried again while its failure is one that passes. */
  readonly during: (
    step: ContainerFailure.Step
  ) => <A, R>(request: Effect.Effect<A, DockerError, R>) => Effect.Effect<A, ContainerError, R>
  /** Tells whoever watches. */
  readonly onStep: (step: Step) => Effect.Effect<void>
  /** Sets the deadline for steps: `timeout` after the beginning of the acquisition, however many parts it has. */
  readonly inTime: <A, R>(steps: Effect.Effect<A, ContainerError, R>) => Effect.Effect<A, ContainerError, R>
}

/**
 * With the time that it took, in whole milliseconds, for the log.
 *
 * @since 0.1.0
 * @category combinators
 */
export const millis = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<readonly [number, A], E, R> =>
  Effect.map(Effect.timed(effect), ([duration, result]) => [Math.round(Duration.toMillis(duration)), result])

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (
  connectionId: ConnectionId,
  onStep: (step: Step) => Effect.Effect<void>
): Effect.fn.Return<Acquisition, never, DockerRunConfig> {
  const { config } = yield* DockerRunConfig
  const begin = yield* Clock.currentTimeMillis
  let current: ContainerFailure.Step = "inspect"
  let lastFailure: DockerError | undefined

  const fail: Acquisition["fail"] = (reason, cause) =>
    new ContainerError({ connectionId, reason, ...(cause === undefined ? {} : { cause }) })

  return {
    fail,
    onStep,
    during: (step) => (request) =>
      Effect.suspend(() => {
        current = step
        return request
      }).pipe(
        Effect.tapError((error) =>
          Effect.sync(() => {
            lastFailure = error
          })
        ),
        // What has passed explains nothing that comes later.
        Effect.tap(() => {
          lastFailure = undefined
          return Effect.void
        }),
        Retry.whileTransient,
        Effect.mapError((error) => fail(ContainerFailure.reason(step, error, config), error))
      ),
    inTime: (steps) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.timeoutOrElse(steps, {
          duration: Math.max(0, begin + Duration.toMillis(config.timeout) - now),
          // What the engine said last tells more than that time is up.
          orElse: () =>
            Effect.fail(
              lastFailure === undefined
                ? fail(new ContainerTimedOut({ step: current, seconds: Duration.toSeconds(config.timeout) }))
                : fail(ContainerFailure.reason(current, lastFailure, config), lastFailure)
            )
        })
      )
  }
})
