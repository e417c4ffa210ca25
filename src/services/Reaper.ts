/**
 * Removes containers that have outlived their connection: those of a run of this server that is over, and those of this
 * run whose connection has ended. So it does with anonymous volumes whose container is gone: an engine that ends while it
 * removes a container may leave those.
 *
 * The dead man's switch covers most of them, and sooner. What is left for the reaper: containers that were made and
 * never started, those without a switch, those whose engine was away or was restarted while they ran on.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { DockerError, Unreachable } from "../schema/DockerError.ts"
import type { ContainerId } from "../schema/Identifiers.ts"
import type { InstanceId } from "../schema/InstanceId.ts"
import * as AnonymousVolume from "./AnonymousVolume.ts"
import { channelLabel, connectionLabel } from "./ContainerOwner.ts"
import { type ContainerSummary, Docker, type VolumeSummary } from "./Docker.ts"
import { DockerRunConfig } from "./DockerRunConfig.ts"
import { type Boots, Instance, label } from "./Instance.ts"
import { LifecycleConfig } from "./LifecycleConfig.ts"
import { Logger } from "./Logger.ts"
import * as RepeatedWork from "./RepeatedWork.ts"

/** Removals at the same time; the engine has connections to serve, too. */
const concurrency = 2

/**
 * Which containers `dockerrun reap` is asked to remove: all of one server, or those of any server that were made longer
 * ago than `age`.
 *
 * @since 0.1.0
 * @category models
 */
export type Selection =
  | { readonly _tag: "Instance"; readonly id: InstanceId }
  | { readonly _tag: "Stale"; readonly age: Duration.Duration }

/**
 * A container that was selected, or an anonymous volume that has lost its container; and why it is left alone, if it is.
 *
 * @since 0.1.0
 * @category models
 */
export interface Candidate {
  readonly left:
    | { readonly _tag: "Container"; readonly container: ContainerSummary }
    | { readonly _tag: "Volume"; readonly volume: VolumeSummary }
  readonly instance: string
  /** How long ago it was made. */
  readonly age: Duration.Duration
  readonly spared?: "server runs" | "not stale"
}

/** Bounded like every removal; one that is gone already, or is being removed by somebody else, counts as removed. */
const removeContainer = Effect.fnUntraced(function* (id: ContainerId) {
  const docker = yield* Docker
  return yield* docker.removeContainer(id).pipe(
    Effect.catchReason("DockerError", "NotFound", () => Effect.void),
    Effect.catchReason("DockerError", "Conflict", () => Effect.void),
    inTime("remove container")
  )
})

/** Gives whether it was removed: one that is in use after all is not, nor one that is gone already. */
const removeVolume = Effect.fnUntraced(function* (name: string) {
  const docker = yield* Docker
  return yield* docker.removeVolume(name).pipe(
    Effect.as(true),
    Effect.catchReason("DockerError", "NotFound", () => Effect.succeed(false)),
    Effect.catchReason("DockerError", "Conflict", () => Effect.succeed(false)),
    inTime("remove volume")
  )
})

const listVolumes = Effect.fnUntraced(function* (labels: ReadonlyArray<string>) {
  const docker = yield* Docker
  const all = yield* docker.listVolumes(labels).pipe(inTime("list volumes"))
  return all.filter(AnonymousVolume.isAnonymous)
})

const list = Effect.fnUntraced(function* (labels: ReadonlyArray<string>) {
  const docker = yield* Docker
  return yield* docker.listContainers(labels).pipe(inTime("list containers"))
})

/** An engine that does not answer counts as away. */
const inTime =
  (operation: string) =>
  <A, R>(effect: Effect.Effect<A, DockerError, R>): Effect.Effect<A, DockerError, R | DockerRunConfig> =>
    Effect.flatMap(DockerRunConfig, ({ config, host }) =>
      Effect.timeoutOrElse(effect, {
        duration: config.timeout,
        orElse: () =>
          Effect.fail(
            new DockerError({
              operation,
              reason: new Unreachable({
                address: host ?? "the engine",
                message: `no answer within ${Duration.format(config.timeout)}`
              })
            })
          )
      })
    )

/**
 * Looks once for containers of this server that belong to no connection, and removes them, and the anonymous volumes
 * that such containers have left. Gives the containers' ids; fails when the engine does not answer, or at the first that
 * it does not remove.
 *
 * A container of another server is never touched, nor one of another run of this server that goes on, or of which
 * nothing is known here.
 *
 * @since 0.1.0
 * @category operations
 */
export const sweep = Effect.fn("Reaper.sweep")(function* (): Effect.fn.Return<
  ReadonlyArray<ContainerId>,
  DockerError,
  Docker | DockerRunConfig | Logger
> {
  const instance = yield* Instance
  if (instance === undefined) return []
  const logger = yield* Logger
  // In this order: a run that is over before the list is made adds nothing to it afterwards, and a connection whose
  // container is on the list was registered before.
  const over = new Set(
    yield* Effect.filter(yield* instance.boots.known, (boot) =>
      Effect.map(instance.boots.state(boot), (state) => state === "over")
    )
  )
  const containers = yield* list([`${label.instance}=${instance.id}`])
  const isOrphan = ({ labels }: ContainerSummary | VolumeSummary) => {
    const boot = labels[label.boot] ?? ""
    return boot === instance.boot ? !instance.isLive(labels[connectionLabel] ?? "") : over.has(boot)
  }
  const orphans = containers.filter(isOrphan)
  const removed = yield* Effect.forEach(
    orphans,
    Effect.fnUntraced(function* ({ id, labels, status }) {
      const outcome = yield* Effect.result(removeContainer(id))
      if (Result.isSuccess(outcome)) {
        yield* logger.log({
          level: "notice",
          code: "CONTAINER_REAPED",
          message: `container ${id.slice(0, 12)} (${status}) of a connection that is no more was removed`,
          fields: { containerId: id, connectionId: labels[connectionLabel], status, boot: labels[label.boot] }
        })
      }
      return outcome
    }),
    { concurrency }
  )
  const volumes = yield* listVolumes([`${label.instance}=${instance.id}`])
  yield* Effect.forEach(
    volumes.filter(isOrphan),
    Effect.fnUntraced(function* ({ labels, name }) {
      if (!(yield* removeVolume(name))) return
      yield* logger.log({
        level: "notice",
        code: "VOLUME_REAPED",
        message: `volume ${name.slice(0, 12)} of a container that is no more was removed`,
        fields: { volume: name, connectionId: labels[connectionLabel], boot: labels[label.boot] }
      })
    }),
    { discard: true }
  )
  const left = new Set([...containers, ...volumes].map(({ labels }) => labels[label.boot]))
  yield* Effect.forEach(
    [...over].filter((boot) => !left.has(boot)),
    instance.boots.forget,
    { discard: true }
  )
  yield* Effect.forEach(removed, Effect.fromResult, { discard: true })
  return orphans.map(({ id }) => id)
})

/**
 * Sweeps at once, and then each `lifecycle.reapInterval`, until it is interrupted. An engine that is away is asked again
 * at the next turn, and logged once until it is back. Without an identity, or with an interval of 0, it does nothing.
 *
 * @since 0.1.0
 * @category operations
 */
export const run: Effect.Effect<void, never, Docker | DockerRunConfig | Logger> = Effect.gen(function* () {
  const { reapInterval } = yield* LifecycleConfig
  if ((yield* Instance) === undefined || Duration.toMillis(reapInterval) === 0) return
  const logger = yield* Logger
  yield* RepeatedWork.run(sweep(), {
    pause: reapInterval,
    failed: (cause) =>
      logger.log({
        level: "warning",
        code: "REAP_FAILED",
        message: `containers that outlived their connections could not all be removed; tried again every ${Duration.format(reapInterval)}`,
        cause
      })
  })
})

/**
 * The containers of a selection, and the anonymous volumes that have lost theirs, the oldest first: those that `reap`
 * removes, and those that it spares, because a run that is known here to go on needs them, or because they are not old
 * enough.
 *
 * @since 0.1.0
 * @category operations
 */
export const select = Effect.fn("Reaper.select")(function* (
  selection: Selection,
  boots: Boots
): Effect.fn.Return<ReadonlyArray<Candidate>, DockerError, Docker | DockerRunConfig> {
  const now = yield* Clock.currentTimeMillis
  const wanted = [selection._tag === "Instance" ? `${label.instance}=${selection.id}` : label.instance]
  // In this order: the container of a volume that is on the list was there before.
  const volumes = yield* listVolumes(wanted)
  const containers = yield* list(wanted)
  const owners = new Set(containers.map(({ labels }) => ownerOf(labels)))
  const candidates = yield* Effect.forEach(
    [
      ...containers.map((container) => ({
        left: { _tag: "Container" as const, container },
        labels: container.labels,
        created: container.created
      })),
      // An engine does not say when it has made a volume.
      ...volumes
        .filter(({ labels }) => !owners.has(ownerOf(labels)))
        .map((volume) => ({ left: { _tag: "Volume" as const, volume }, labels: volume.labels, created: now / 1000 }))
    ],
    Effect.fnUntraced(function* ({ created, labels, left }): Effect.fn.Return<Candidate> {
      const started = Number(labels[label.started])
      const age = Duration.millis(Math.max(0, now - (Number.isFinite(started) ? started : created) * 1000))
      const candidate = { left, instance: labels[label.instance] ?? "", age }
      if ((yield* boots.state(labels[label.boot] ?? "")) === "running") {
        return { ...candidate, spared: "server runs" }
      }
      return selection._tag === "Stale" && Duration.isLessThanOrEqualTo(age, selection.age)
        ? { ...candidate, spared: "not stale" }
        : candidate
    })
  )
  return candidates.toSorted((one, other) => Duration.toMillis(other.age) - Duration.toMillis(one.age))
})

/** For whom something was made: a volume has the labels of its container. */
const ownerOf = (labels: Readonly<Record<string, string>>): string =>
  `${labels[label.boot]} ${labels[connectionLabel]} ${labels[channelLabel]}`

/**
 * Removes the container of a candidate by force, with its anonymous volumes; or the volume, unless it is in use.
 *
 * @since 0.1.0
 * @category operations
 */
export const reap = ({ left }: Candidate): Effect.Effect<void, DockerError, Docker | DockerRunConfig> =>
  left._tag === "Container" ? removeContainer(left.container.id) : Effect.asVoid(removeVolume(left.volume.name))
