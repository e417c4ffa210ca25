/**
 * Started containers that wait for connections.
 *
 * The pool acquires containers as a connection would, earlier: each in a Scope of its own, which is handed over to the
 * connection that takes it. Nothing goes back: one container, one connection.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import type { ContainerError } from "../schema/ContainerError.ts"
import type { ExecutionConfig } from "../schema/DockerRunConfig.ts"
import { ConnectionId } from "../schema/Identifiers.ts"
import * as Acquisition from "./Acquisition.ts"
import * as Container from "./Container.ts"
import * as ContainerImage from "./ContainerImage.ts"
import { type Client, ofPlace } from "./ContainerOwner.ts"
import { Docker } from "./Docker.ts"
import { DockerRunConfig } from "./DockerRunConfig.ts"
import { EnginePriority } from "./EnginePriority.ts"
import { Instance } from "./Instance.ts"
import { Logger } from "./Logger.ts"
import * as Retry from "./Retry.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface ContainerPool {
  /**
   * The container that has waited longest, or nothing: when none waits, or when those that wait are not what a
   * connection of this configuration would start. The engine is not asked. The container goes with the Scope.
   */
  readonly take: (
    client: Client,
    config: ExecutionConfig
  ) => Effect.Effect<Container.RunningContainer | undefined, never, Scope.Scope>
}

/** How long the engine is left to somebody who has just taken a container, while enough others wait. */
const courtesy = Duration.millis(500)

/** After a failure the next attempt waits a second, then twice as long each time, up to a minute. */
const backOff = (failures: number): Duration.Duration => Duration.seconds(Math.min(2 ** (failures - 1), 60))

interface Waiting {
  readonly place: ConnectionId
  readonly container: Container.RunningContainer
  readonly scope: Scope.Closeable
  readonly imageId: string
  /** Milliseconds of the Clock. */
  readonly since: number
  isExpired: boolean
  watcher?: Fiber.Fiber<void>
}

/** What has to be the same for a connection to take a container: all that the engine is asked for. */
const shapeOf = (config: ExecutionConfig): string => JSON.stringify(Container.specOf(config))

const makePlace = Effect.map(
  Effect.forEach([0, 1, 2, 3], () => Random.nextIntBetween(0, 2 ** 32)),
  (parts) => ConnectionId.make(parts.map((part) => part.toString(16).padStart(8, "0")).join(""))
)

/**
 * A pool of the configured size, which fills from now until the Scope closes and is then drained. Of size 0 it is
 * always empty and asks nothing of the engine.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.gen(function* (): Effect.fn.Return<
  ContainerPool,
  never,
  Docker | DockerRunConfig | Logger | Scope.Scope
> {
  const { config } = yield* DockerRunConfig
  const { maxAge, size } = config.pool
  if (size === 0) return { take: () => Effect.undefined }

  const docker = yield* Docker
  const logger = yield* Logger
  const instance = yield* Instance
  // All this closes from the last to the first: nothing is started or watched any more when the rest is drained, and what
  // was asked of the engine is waited for to the end.
  const poolScope = yield* Effect.scope
  const afterlife = yield* Scope.make()
  yield* Effect.addFinalizer((exit) => Scope.close(afterlife, exit))
  const shape = shapeOf(config)
  const image = config.container.Image
  /** In the order in which they came. */
  const waiting: Array<Waiting> = []
  const changed = yield* Latch.make(false)
  let lastTaken = Number.NEGATIVE_INFINITY
  let isDraining = false

  /** Whether this was still waiting, and so nobody else's. */
  const withdraw = (one: Waiting): boolean => {
    const index = waiting.indexOf(one)
    if (index === -1) return false
    waiting.splice(index, 1)
    changed.openUnsafe()
    return true
  }
  const remove = ({ scope }: Waiting) => Scope.close(scope, Exit.void)

  /** Sees to it that who waits neither dies unnoticed nor waits for ever. */
  const watch = Effect.fnUntraced(function* (one: Waiting) {
    const ended = yield* Effect.timeoutOption(one.container.ended, maxAge)
    if (Option.isNone(ended)) {
      one.isExpired = true
      changed.openUnsafe()
      yield* one.container.ended
    }
    yield* Effect.uninterruptible(lost(one))
  })
  const lost = Effect.fnUntraced(function* (one: Waiting) {
    if (!withdraw(one)) return
    yield* logger.log({
      level: "warning",
      code: "POOL_CONTAINER_LOST",
      message: `the waiting container ${one.container.id.slice(0, 12)} ended: it was killed or removed, or its engine is gone`,
      fields: { containerId: one.container.id, poolPlace: one.place }
    })
    yield* remove(one)
  })

  const replaceOthers = Effect.fnUntraced(function* (imageId: string) {
    const others = waiting.filter((one) => one.imageId !== imageId)
    for (const one of others) withdraw(one)
    if (others.length === 0) return
    yield* logger.log({
      level: "notice",
      code: "POOL_IMAGE_CHANGED",
      message: `${image} is another image now: ${others.length} waiting containers of the old one are replaced`,
      fields: { image, count: others.length }
    })
    for (const one of others) one.watcher?.interruptUnsafe()
    yield* Effect.forkIn(Effect.forEach(others, remove, { discard: true }), poolScope, { uninterruptible: true })
  }, Effect.uninterruptible)

  /** Starts one container, as a connection would. */
  const start = Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const place = yield* makePlace
      const started = Effect.gen(function* () {
        if (instance !== undefined) yield* instance.register(place)
        const acquisition = yield* Acquisition.make(place, () => Effect.void)
        const launched = yield* Effect.gen(function* () {
          const present = yield* ContainerImage.ensure(acquisition)
          yield* replaceOthers(present.id)
          const container = yield* Container.launch(ofPlace(place), present, acquisition, afterlife)
          return { imageId: present.id, container }
        }).pipe(acquisition.inTime)
        yield* launched.container.info.pipe(acquisition.during("inspect"))
        yield* launched.container.waiting.prepare
        return launched
      }).pipe(Scope.provide(scope))
      const { container, imageId } = yield* restore(started).pipe(Effect.onError(() => Scope.close(scope, Exit.void)))
      const since = yield* Clock.currentTimeMillis
      const one: Waiting = { place, container, scope, imageId, since, isExpired: false }
      waiting.push(one)
      one.watcher = yield* Effect.forkIn(watch(one), poolScope, { uninterruptible: false })
    })
  ).pipe(Effect.provideService(EnginePriority, "background"))

  const dismissExpired = Effect.suspend(() => {
    const expired = waiting.length > size ? waiting.find(({ isExpired }) => isExpired) : undefined
    if (expired === undefined || !withdraw(expired)) return Effect.void
    expired.watcher?.interruptUnsafe()
    return Effect.andThen(
      logger.log({
        level: "debug",
        code: "POOL_CONTAINER_EXPIRED",
        message: `the waiting container ${expired.container.id.slice(0, 12)} was replaced by a new one`,
        fields: { containerId: expired.container.id, poolPlace: expired.place }
      }),
      remove(expired)
    )
  }).pipe(Effect.uninterruptible)

  /** Waits until a container is wanted, and until nobody is kept waiting by its start. */
  const untilWanted = Effect.gen(function* () {
    while (waiting.filter(({ isExpired }) => !isExpired).length >= size) {
      changed.closeUnsafe()
      yield* changed.await
    }
    if (waiting.length < size / 2) return
    const left = lastTaken + Duration.toMillis(courtesy) - (yield* Clock.currentTimeMillis)
    if (left > 0) yield* Effect.sleep(left)
  })

  const fill = Effect.gen(function* () {
    let failures = 0
    let isFilled = false
    while (true) {
      yield* untilWanted
      const exit = yield* Effect.exit(start)
      if (Exit.isSuccess(exit)) {
        failures = 0
        yield* dismissExpired
        if (!isFilled && waiting.length >= size) {
          isFilled = true
          yield* logger.log({
            level: "notice",
            code: "POOL_FILLED",
            message: `${waiting.length} started containers of ${image} wait for connections`,
            fields: { image, count: waiting.length }
          })
        }
        continue
      }
      failures += 1
      isFilled = false
      if (failures === 1) yield* logFailure(exit.cause)
      yield* Effect.sleep(backOff(failures))
    }
  })
  const logFailure = (cause: Cause.Cause<ContainerError>) => {
    const error = Cause.squash(cause)
    return logger.log({
      level: "warning",
      code: "POOL_REFILL_FAILED",
      message: `no container can be started to wait for connections; tried again until it succeeds, more and more rarely: ${error instanceof Error ? error.message : "an unexpected failure"}`,
      cause: error
    })
  }

  const drain = Effect.suspend(() => {
    isDraining = true
    const rest = waiting.splice(0)
    return rest.length === 0
      ? Effect.void
      : Effect.andThen(
          Effect.forEach(rest, remove, { concurrency: "unbounded", discard: true }),
          logger.log({
            level: "info",
            code: "POOL_DRAINED",
            message: `${rest.length} containers that nobody had taken are gone`,
            fields: { count: rest.length }
          })
        )
  })

  yield* Effect.addFinalizer(() => drain)
  yield* Effect.forkScoped(fill)

  const rename = Effect.fnUntraced(function* (one: Waiting, { connectionId }: Client) {
    yield* Effect.sleep(courtesy)
    yield* docker.renameContainer(one.container.id, `dockerrun-${connectionId}`).pipe(
      Retry.whileTransient,
      Effect.timeout(config.timeout),
      Effect.catch((cause) =>
        logger.log({
          level: "debug",
          code: "POOL_CONTAINER_NOT_RENAMED",
          message: `container ${one.container.id.slice(0, 12)} keeps the name that it had in the pool`,
          fields: { containerId: one.container.id, poolPlace: one.place },
          cause
        })
      ),
      Effect.provideService(EnginePriority, "background")
    )
  })

  const take = Effect.fnUntraced(function* (client: Client, wanted: ExecutionConfig) {
    if (isDraining || (wanted !== config && shapeOf(wanted) !== shape)) return undefined
    lastTaken = yield* Clock.currentTimeMillis
    const one = waiting.shift()
    changed.openUnsafe()
    if (one === undefined) {
      yield* logger.log({
        level: "info",
        code: "POOL_EMPTY",
        message: "no started container waits: this connection's is started now"
      })
      return undefined
    }
    one.watcher?.interruptUnsafe()
    yield* Effect.addFinalizer((exit) => Scope.close(one.scope, exit))
    yield* logger.log({
      level: "info",
      code: "POOL_TAKEN",
      message: `container ${one.container.id.slice(0, 12)} was waiting for this connection`,
      fields: {
        containerId: one.container.id,
        poolPlace: one.place,
        waitedMs: lastTaken - one.since,
        left: waiting.length
      }
    })
    yield* Effect.forkScoped(rename(one, client))
    return one.container
  }, Effect.uninterruptible)

  return { take }
})
