/**
 * The life of one connection's container: image, create, start; and its removal, however the Scope ends.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Scope from "effect/Scope"
import type { ContainerError } from "../schema/ContainerError.ts"
import { DockerError } from "../schema/DockerError.ts"
import type { ExecutionConfig } from "../schema/DockerRunConfig.ts"
import type { ContainerId } from "../schema/Identifiers.ts"
import * as Acquisition from "./Acquisition.ts"
import * as ByteSink from "./ByteSink.ts"
import * as ContainerCreation from "./ContainerCreation.ts"
import { ContainerEvents } from "./ContainerEvents.ts"
import * as ContainerImage from "./ContainerImage.ts"
import type { Owner } from "./ContainerOwner.ts"
import * as DeadMansSwitch from "./DeadMansSwitch.ts"
import { type ContainerInfo, type ContainerSpec, Docker, type Image } from "./Docker.ts"
import { DockerRunConfig } from "./DockerRunConfig.ts"
import { KnownImages } from "./KnownImages.ts"
import { LifecycleConfig } from "./LifecycleConfig.ts"
import { Logger } from "./Logger.ts"
import * as Retry from "./Retry.ts"
import * as WaitingPrograms from "./WaitingPrograms.ts"

/**
 * A container that runs.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunningContainer {
  readonly id: ContainerId
  /** Closes when the container goes. What is tied to it goes with the container, whoever has taken that over. */
  readonly scope: Scope.Scope
  /** What the engine says of it; asked for once. */
  readonly info: Effect.Effect<ContainerInfo, DockerError>
  /** Its shells that wait for the next program. None is made before somebody asks for it. */
  readonly waiting: WaitingPrograms.WaitingPrograms
  /** Waits until the container has ended by itself, was killed or removed, or went away with its engine. */
  readonly ended: Effect.Effect<void>
}

/**
 * What the engine is asked for, for whomever it may be.
 *
 * @since 0.1.0
 * @category getters
 */
export const specOf = (config: ExecutionConfig): ContainerSpec => ({
  ...(config.containername === "" ? {} : { name: config.containername }),
  ...(config.platform === undefined ? {} : { platform: config.platform }),
  config: { ...config.container, Cmd: config.idleCommand },
  host: config.host,
  network: config.network
})

/** The creation found something missing: the image, or what else the configuration names. */
const isMissing = ({ cause, reason }: ContainerError): boolean =>
  reason._tag === "ContainerRejected" && cause instanceof DockerError && cause.reason._tag === "NotFound"

/**
 * Makes the image present by policy, creates the container, starts it; all within `timeout`. An image that was there for
 * the last connection, and that the policy would not pull, is asked for by creating the container: only if that finds it
 * missing is it looked up, and pulled by policy. When the Scope closes, at whatever moment, nothing of it is left. A
 * request that the engine answers only later than that is left to `afterlife`, a Scope that outlives the connection.
 *
 * @since 0.1.0
 * @category operations
 */
export const acquire = Effect.fn("Container.acquire")(function* (
  owner: Owner,
  onStep: (step: Acquisition.Step) => Effect.Effect<void>,
  afterlife: Scope.Scope
): Effect.fn.Return<RunningContainer, ContainerError, Docker | DockerRunConfig | Logger | Scope.Scope> {
  const acquisition = yield* Acquisition.make(owner.connectionId, onStep)
  const { config } = yield* DockerRunConfig
  const asked = Effect.flatMap(ContainerImage.ensure(acquisition), (image) =>
    launch(owner, image, acquisition, afterlife)
  )
  const known = (yield* KnownImages).of(config.container.Image)
  if (known === undefined) return yield* acquisition.inTime(asked)
  // How it is with the image now is for the next connection.
  return yield* launch(owner, known, acquisition, afterlife, ContainerImage.review).pipe(
    Effect.catchIf(isMissing, () => asked),
    acquisition.inTime
  )
})

/**
 * Creates the container of an image that is present, and starts it. `meanwhile` runs while the engine starts it, and nobody
 * waits for that.
 *
 * @since 0.1.0
 * @category operations
 */
export const launch = Effect.fnUntraced(function* (
  owner: Owner,
  image: Image,
  acquisition: Acquisition.Acquisition,
  afterlife: Scope.Scope,
  meanwhile: Effect.Effect<void, never, Docker | DockerRunConfig> = Effect.void
): Effect.fn.Return<RunningContainer, ContainerError, Docker | DockerRunConfig | Logger | Scope.Scope> {
  const docker = yield* Docker
  const logger = yield* Logger
  const { config } = yield* DockerRunConfig
  const { during, onStep } = acquisition
  const plain = specOf(config)
  const armed = (yield* LifecycleConfig).deadMansSwitch ? DeadMansSwitch.arm(plain, config) : undefined

  yield* onStep({ _tag: "Creating" })
  const scope = yield* Effect.scope
  // Closes after the container was removed: a removal by the switch would only get in the way of ours.
  const holdScope = yield* Scope.fork(scope)
  const [createMs, id] = yield* ContainerCreation.create(
    owner,
    { image, spec: armed ?? plain },
    acquisition,
    afterlife
  ).pipe(Acquisition.millis)
  const events = yield* ContainerEvents
  yield* events.follow(id)
  yield* onStep({ _tag: "Starting" })
  const info = yield* Effect.cached(docker.inspectContainer(id))
  const attach = docker
    .attachContainer(id, { tty: false, output: { stdout: ByteSink.discard, stderr: ByteSink.discard } })
    .pipe(Scope.provide(holdScope), during("start"))
  // Not later: an engine that starts a container says nothing of it meanwhile.
  const [hold] = yield* Effect.all([armed === undefined ? Effect.undefined : attach, Effect.exit(info)], {
    concurrency: "unbounded"
  })
  // Its turn comes when the request below is on its way.
  yield* Effect.forkScoped(meanwhile)
  const [startMs] = yield* docker.startContainer(id).pipe(during("start"), Acquisition.millis)
  yield* logger.log({
    level: "info",
    code: "CONTAINER_STARTED",
    message: `container ${id.slice(0, 12)} of ${config.container.Image} started`,
    fields: { containerId: id, image: config.container.Image, createMs, startMs }
  })
  return {
    id,
    scope,
    info,
    waiting: yield* WaitingPrograms.make({ id, scope }),
    ended: Effect.raceFirst(
      events.ended(id),
      Effect.ignore(hold?.ended ?? Retry.whileTransient(docker.waitContainer(id, "not-running")))
    )
  }
})
