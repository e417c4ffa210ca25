/**
 * What happens to containers, as the engine tells it: one subscription for a whole server.
 *
 * A container that is killed, removed, or ends by itself is known to have ended at once, and why; so is one that ran out
 * of memory, or was paused. The subscription is made anew when it breaks, and what happened in between is asked for. It
 * is not the only way to learn of the end of a container, which its streams show, too: only the sooner and more telling.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ContainerId } from "../schema/Identifiers.ts"
import type { ContainerFate } from "../schema/ProgramError.ts"
import { connectionLabel, persistentLabel } from "./ContainerOwner.ts"
import { type ContainerEvent, Docker } from "./Docker.ts"
import { DockerRunConfig } from "./DockerRunConfig.ts"
import { EngineState } from "./EngineState.ts"
import { Instance, label } from "./Instance.ts"
import * as Retry from "./Retry.ts"

/** Why a stream has ended, the engine says a moment later than that it has. */
const patience = "500 millis"

/** A program that was killed with its container is heard of a moment before the container. */
const settling = "250 millis"

/** One whose first process was sent a signal may be about to end; an engine that ends them all takes longer to say so. */
const dying = "3 seconds"

/** Containers that are looked at at the same time after the engine was away. */
const concurrency = 4

/**
 * @since 0.1.0
 * @category models
 */
export interface Events {
  /** Remembers what happens to the container, from now on until the Scope closes. Several may follow one. */
  readonly follow: (id: ContainerId) => Effect.Effect<void, never, Scope.Scope>
  /** Waits for the end of a container that is followed. Of others nothing is ever known. */
  readonly ended: (id: ContainerId) => Effect.Effect<void>
  /** Waits a moment for news of a container that is followed: of its end, or of memory that ran out. */
  readonly settle: (id: ContainerId) => Effect.Effect<void>
  /** Why a container has ended, once it has; waits a moment for the engine to say so. */
  readonly fate: (id: ContainerId) => Effect.Effect<ContainerFate | undefined>
  /** Whether something in the container was killed because it ran out of memory. */
  readonly outOfMemory: (id: ContainerId) => Effect.Effect<boolean>
  readonly isPaused: (id: ContainerId) => boolean
  /** Calls back whenever the container is paused (`true`) and when it goes on, until the Scope closes. */
  readonly onPause: (id: ContainerId, callback: (isPaused: boolean) => void) => Effect.Effect<void, never, Scope.Scope>
}

/**
 * What is known of containers, as a reference: without its layer nothing is.
 *
 * @since 0.1.0
 * @category references
 */
export const ContainerEvents = Context.Reference<Events>("dockerrun/services/ContainerEvents", {
  defaultValue: () => ({
    follow: () => Effect.void,
    ended: () => Effect.never,
    settle: () => Effect.void,
    fate: () => Effect.succeed(undefined),
    outOfMemory: () => Effect.succeed(false),
    isPaused: () => false,
    onPause: () => Effect.void
  })
})

interface Followed {
  /** How many follow it. */
  count: number
  readonly fate: Deferred.Deferred<ContainerFate>
  readonly pauses: Set<(isPaused: boolean) => void>
  isKilled: boolean
  isOutOfMemory: boolean
  isPaused: boolean
}

const unharmed = (): Followed => ({
  count: 0,
  fate: Deferred.makeUnsafe(),
  pauses: new Set(),
  isKilled: false,
  isOutOfMemory: false,
  isPaused: false
})

const setPaused = (container: Followed, isPaused: boolean): void => {
  if (container.isPaused === isPaused) return
  container.isPaused = isPaused
  for (const callback of container.pauses) callback(isPaused)
}

/** Once it is known why a container has ended, nothing that comes later is a better reason. */
const take = (container: Followed, action: string): void => {
  switch (action) {
    case "kill":
      container.isKilled = true
      return
    case "oom":
      container.isOutOfMemory = true
      return
    case "pause":
      return setPaused(container, true)
    case "unpause":
      return setPaused(container, false)
    case "die":
      Deferred.doneUnsafe(
        container.fate,
        Effect.succeed(container.isKilled ? "killed" : container.isOutOfMemory ? "outOfMemory" : "ended")
      )
      return
    case "destroy":
      Deferred.doneUnsafe(container.fate, Effect.succeed("killed"))
      return
  }
}

const make = Effect.gen(function* () {
  const docker = yield* Docker
  const engine = yield* EngineState
  const instance = yield* Instance
  const { config } = yield* DockerRunConfig
  const followed = new Map<ContainerId, Followed>()
  let isSubscribed = true

  const handle = ({ action, containerId }: ContainerEvent) =>
    Effect.sync(() => {
      const container = followed.get(containerId)
      // Some actions carry more behind a colon.
      if (container !== undefined) take(container, action.split(":", 1)[0] ?? action)
    })

  /** What has ended while nobody listened went with the engine that was away. */
  const look = Effect.suspend(() =>
    Effect.forEach(
      [...followed],
      ([id, { fate }]) =>
        docker.inspectContainer(id).pipe(
          // One that is yet to be started has not ended.
          Effect.map(({ running, status }) => running || status === "created"),
          Effect.catchReason("DockerError", "NotFound", () => Effect.succeed(false)),
          Effect.flatMap((isRunning) => (isRunning ? Effect.void : Deferred.succeed(fate, "engine"))),
          // What is not known now is left to the container's own streams.
          Effect.ignore
        ),
      { concurrency, discard: true }
    )
  )

  const ofServer = instance === undefined ? connectionLabel : `${label.instance}=${instance.id}`
  const labels = [config.mode === "persistent" ? `${persistentLabel}=${config.persistent.name}` : ofServer]
  const subscribe = Effect.suspend(() => {
    isSubscribed = true
    return Stream.runForEach(docker.containerEvents(labels), handle)
  }).pipe(
    Effect.ignore,
    Effect.andThen(
      Effect.suspend(() => {
        isSubscribed = false
        return engine.found
      })
    )
  )
  yield* subscribe.pipe(
    Effect.andThen(Effect.sleep("1 second")),
    Effect.andThen(look),
    Effect.repeat(Retry.backOff),
    // At once: what is started next must not be missed.
    Effect.forkScoped({ startImmediately: true })
  )

  const events: Events = {
    follow: (id) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          const known = followed.get(id)
          // One that has ended meanwhile was started anew.
          const container = known === undefined || Deferred.isDoneUnsafe(known.fate) ? unharmed() : known
          container.count += 1
          followed.set(id, container)
          return container
        }),
        (container) =>
          Effect.sync(() => {
            container.count -= 1
            if (container.count === 0 && followed.get(id) === container) followed.delete(id)
          })
      ),
    ended: (id) => {
      const container = followed.get(id)
      return container === undefined ? Effect.never : Effect.asVoid(Deferred.await(container.fate))
    },
    settle: (id) =>
      Effect.suspend(() => {
        const container = followed.get(id)
        if (container === undefined) return Effect.void
        const news = (time: Duration.Input) => Effect.timeoutOption(Deferred.await(container.fate), time)
        return Effect.flatMap(news(settling), (fate) =>
          Option.isNone(fate) && container.isKilled ? Effect.asVoid(news(dying)) : Effect.void
        )
      }),
    fate: (id) =>
      Effect.suspend(() => {
        const container = followed.get(id)
        if (container === undefined) return Effect.succeed(undefined)
        return Effect.timeoutOrElse(Deferred.await(container.fate), {
          duration: patience,
          orElse: () => Effect.sync(() => (engine.isLost() || !isSubscribed ? "engine" : undefined))
        })
      }),
    outOfMemory: (id) => Effect.sync(() => followed.get(id)?.isOutOfMemory ?? false),
    isPaused: (id) => followed.get(id)?.isPaused ?? false,
    onPause: (id, callback) =>
      Effect.acquireRelease(
        Effect.sync(() => followed.get(id)?.pauses.add(callback)),
        () => Effect.sync(() => followed.get(id)?.pauses.delete(callback))
      )
  }
  return Context.make(ContainerEvents, events)
})

/**
 * Follows the containers of this server (`Instance`), or, without an identity, of all connections on the engine; in mode
 * `persistent`, those that bear the name that is configured.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<never, never, Docker | DockerRunConfig> = Layer.effectContext(make)
