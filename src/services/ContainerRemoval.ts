/**
 * The end of a container: it is removed, whatever state it is in.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { DockerError } from "../schema/DockerError.ts"
import type { ContainerId } from "../schema/Identifiers.ts"
import { Docker } from "./Docker.ts"
import { DockerRunConfig } from "./DockerRunConfig.ts"
import { Logger } from "./Logger.ts"
import * as Retry from "./Retry.ts"

/** How many removals without an answer fit into `timeout`. */
const removalAttempts = 3

/** Tries it within `timeout`; it gives whether the container is gone. */
const inTime = Effect.fnUntraced(function* (
  id: ContainerId,
  removal: Effect.Effect<boolean, DockerError>
): Effect.fn.Return<void, never, DockerRunConfig | Logger> {
  const logger = yield* Logger
  const { config } = yield* DockerRunConfig
  // A removal may be asked for any number of times, so an attempt without an answer does not use up all the time.
  const attempt = Duration.times(config.timeout, 1 / removalAttempts)
  const start = yield* Clock.currentTimeMillis
  yield* removal.pipe(
    Retry.untilDone,
    Effect.timeoutOption(attempt),
    Effect.repeat({ until: Option.isSome }),
    Effect.timeout(config.timeout),
    Effect.matchEffect({
      onSuccess: Effect.fnUntraced(function* (outcome) {
        if (!Option.getOrElse(outcome, () => false)) return
        const now = yield* Clock.currentTimeMillis
        yield* logger.log({
          level: "info",
          code: "CONTAINER_REMOVED",
          message: `container ${id.slice(0, 12)} removed`,
          fields: { containerId: id, removeMs: now - start }
        })
      }),
      onFailure: (cause) =>
        logger.log({
          level: "error",
          code: "CONTAINER_NOT_REMOVED",
          message: `container ${id.slice(0, 12)} could not be removed; remove it by hand`,
          fields: { containerId: id },
          cause
        })
    })
  )
})

/**
 * Removes a container by force, with its anonymous volumes, within `timeout`. One that is gone already counts as
 * removed; one whose removal is under way is waited for. What cannot be removed is logged as an error.
 *
 * @since 0.1.0
 * @category operations
 */
export const remove = Effect.fn("Container.remove")(function* (
  id: ContainerId
): Effect.fn.Return<void, never, Docker | DockerRunConfig | Logger> {
  const docker = yield* Docker
  const removal = docker.removeContainer(id).pipe(
    Effect.catchReason("DockerError", "NotFound", () => Effect.void),
    // "Removal already in progress": wait until it is done. The engine's own wait may answer 404, which is what we want.
    Effect.catchReason("DockerError", "Conflict", () =>
      docker.waitContainer(id, "removed").pipe(
        Effect.asVoid,
        Effect.catchReason("DockerError", "NotFound", () => Effect.void)
      )
    )
  )
  yield* inTime(id, Effect.as(removal, true))
})

/**
 * Removes a container that does not run, with its anonymous volumes, within `timeout`. One that somebody has started
 * meanwhile, or removes, is left to them.
 *
 * @since 0.1.0
 * @category operations
 */
export const removeStopped = Effect.fn("Container.removeStopped")(function* (
  id: ContainerId
): Effect.fn.Return<void, never, Docker | DockerRunConfig | Logger> {
  const docker = yield* Docker
  const removal = docker.removeContainer(id, { force: false }).pipe(
    Effect.as(true),
    Effect.catchReasons("DockerError", {
      NotFound: () => Effect.succeed(false),
      Conflict: () => Effect.succeed(false)
    })
  )
  yield* inTime(id, removal)
})
