/**
 * Who uses persistent containers, as this server sees it, and what follows when nobody does.
 *
 * @since 0.1.0
 */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { DockerError } from "../schema/DockerError.ts"
import type { ContainerId } from "../schema/Identifiers.ts"
import { persistentLabel } from "./ContainerOwner.ts"
import { remove, removeStopped } from "./ContainerRemoval.ts"
import { type ContainerSummary, Docker } from "./Docker.ts"
import { DockerRunConfig } from "./DockerRunConfig.ts"
import { Logger } from "./Logger.ts"
import * as RepeatedWork from "./RepeatedWork.ts"

/** How long a container may take to stop on TERM before it is killed. */
const stopTime = "10 seconds"

/**
 * @since 0.1.0
 * @category models
 */
export interface PersistentUse {
  /** A connection uses the container of that name until the Scope closes. Waits while it is being stopped or removed. */
  readonly begin: (name: string) => Effect.Effect<void, never, Scope.Scope>
  /** Looks once for what nobody has used for long enough, and stops or removes it. */
  readonly sweep: Effect.Effect<void, DockerError | Cause.TimeoutError, Docker | DockerRunConfig | Logger>
  /** Does that again and again. */
  readonly run: Effect.Effect<void, never, Docker | DockerRunConfig | Logger>
}

/** Often enough to be in time, and no more often than it matters. */
const intervalOf = (idleTimeout: Duration.Duration): Duration.Duration => {
  const quarter = Duration.toMillis(idleTimeout) / 4
  return Duration.millis(quarter === 0 ? 30_000 : Math.min(Math.max(quarter, 1000), 30_000))
}

const stop = Effect.fnUntraced(function* (id: ContainerId) {
  const docker = yield* Docker
  const ended = docker.waitContainer(id, "not-running")
  yield* docker.killContainer(id, "SIGTERM").pipe(
    Effect.andThen(Effect.timeoutOption(ended, stopTime)),
    Effect.andThen((exit) =>
      exit._tag === "Some" ? Effect.void : Effect.andThen(docker.killContainer(id, "SIGKILL"), Effect.asVoid(ended))
    ),
    // It has ended, or is gone, by somebody else's hand.
    Effect.catchReasons("DockerError", { NotFound: () => Effect.void, Conflict: () => Effect.void })
  )
})

const runsPrograms = Effect.fnUntraced(function* (id: ContainerId) {
  const docker = yield* Docker
  const { execs } = yield* docker.inspectContainer(id)
  const running = yield* Effect.filter(execs, (exec) =>
    docker.inspectExec(exec).pipe(
      Effect.map((info) => info.running),
      Effect.catchReason("DockerError", "NotFound", () => Effect.succeed(false))
    )
  )
  return running.length > 0
})

/**
 * Nobody uses anything yet: whatever runs has been idle since now, as far as this server knows.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (): PersistentUse => {
  const users = new Map<string, number>()
  /** Milliseconds of the Clock since when nobody is known to use a container. */
  const idleSince = new Map<string, number>()
  const leaving = new Map<string, Deferred.Deferred<void>>()

  const begin: PersistentUse["begin"] = (name) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        users.set(name, (users.get(name) ?? 0) + 1)
        idleSince.delete(name)
      }),
      () =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          const left = (users.get(name) ?? 1) - 1
          if (left > 0) {
            users.set(name, left)
          } else {
            users.delete(name)
            idleSince.set(name, now)
          }
        })
    ).pipe(
      Effect.andThen(
        Effect.suspend(() => {
          const gone = leaving.get(name)
          return gone === undefined ? Effect.void : Deferred.await(gone)
        })
      )
    )

  /** Ends it, unless somebody has come in the meantime; who comes now waits until that is done. */
  const leave = <E, R>(name: string, end: Effect.Effect<void, E, R>) =>
    Effect.suspend(() => {
      if (users.has(name)) return Effect.void
      const gone = Deferred.makeUnsafe<void>()
      leaving.set(name, gone)
      return Effect.ensuring(
        end,
        Effect.sync(() => {
          leaving.delete(name)
          Deferred.doneUnsafe(gone, Effect.void)
        })
      )
    })

  const settle = Effect.fnUntraced(function* ({ created, id, names: [name = ""], status }: ContainerSummary) {
    const logger = yield* Logger
    const { idleTimeout, maxAge } = (yield* DockerRunConfig).config.persistent
    if (users.has(name)) return
    const now = yield* Clock.currentTimeMillis
    const isRunning = status === "running"
    const since = idleSince.get(name) ?? now
    // Who starts it is given idleTimeout anew, also by a server that does not know of it.
    if (isRunning) idleSince.set(name, since)
    else idleSince.delete(name)
    const neverStops = Duration.isZero(idleTimeout)
    const isIdle = !neverStops && now - since >= Duration.toMillis(idleTimeout)
    const isOld = !Duration.isZero(maxAge) && now - created * 1000 >= Duration.toMillis(maxAge)
    const mayGo = isOld && (!isRunning || neverStops)
    if (!mayGo && !(isRunning && isIdle)) return
    // Programs of another server's connections, or that outlived ours.
    if (isRunning && (yield* runsPrograms(id))) {
      idleSince.set(name, now)
      return
    }
    if (mayGo) {
      // Another server may be about to start one that has stopped, or is just making it.
      yield* leave(name, isRunning ? remove(id) : removeStopped(id))
      return
    }
    yield* leave(
      name,
      Effect.andThen(
        stop(id),
        logger.log({
          level: "info",
          code: "CONTAINER_STOPPED",
          message: `the container ${name} was stopped, because nobody used it`,
          fields: { containerId: id, name, idleMs: now - since }
        })
      )
    )
  })

  const sweep = Effect.gen(function* () {
    const docker = yield* Docker
    const { name } = (yield* DockerRunConfig).config.persistent
    const { timeout } = (yield* DockerRunConfig).config
    const all = yield* docker.listContainers([`${persistentLabel}=${name}`]).pipe(Effect.timeout(timeout))
    const there = new Set(all.flatMap(({ names }) => names))
    for (const known of idleSince.keys()) if (!there.has(known)) idleSince.delete(known)
    yield* Effect.forEach(all, (one) => Effect.timeout(settle(one), timeout), { discard: true })
  })

  const run = Effect.gen(function* () {
    const { config } = yield* DockerRunConfig
    const logger = yield* Logger
    yield* RepeatedWork.run(sweep, {
      pause: intervalOf(config.persistent.idleTimeout),
      failed: (cause) =>
        logger.log({
          level: "warning",
          code: "PERSISTENT_SWEEP_FAILED",
          message: "it could not be found out which persistent containers nobody uses; tried again",
          cause
        })
    })
  })

  return { begin, sweep, run }
}
