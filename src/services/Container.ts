/**
 * The life of one connection's container: image, create, start; and its removal, however the Scope ends.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import {
  ContainerError,
  type ContainerErrorReason,
  ContainerTimedOut,
  ImageMissing,
  ImageReferenceInvalid
} from "../schema/ContainerError.ts"
import type { DockerError } from "../schema/DockerError.ts"
import type { ConnectionId, ContainerId } from "../schema/Identifiers.ts"
import { ImageReferenceFromString } from "../schema/ImageReference.ts"
import * as ByteSink from "./ByteSink.ts"
import * as ContainerFailure from "./ContainerFailure.ts"
import { remove } from "./ContainerRemoval.ts"
import * as DeadMansSwitch from "./DeadMansSwitch.ts"
import { type ContainerSpec, Docker } from "./Docker.ts"
import { DockerRunConfig } from "./DockerRunConfig.ts"
import * as ImagePull from "./ImagePull.ts"
import { Instance } from "./Instance.ts"
import { LifecycleConfig } from "./LifecycleConfig.ts"
import { Logger } from "./Logger.ts"
import * as Retry from "./Retry.ts"

/**
 * Who connects. It becomes the container's labels.
 *
 * @since 0.1.0
 * @category models
 */
export interface Client {
  readonly connectionId: ConnectionId
  readonly username: string
  readonly address: string
}

/**
 * What the acquisition of a container is doing.
 *
 * @since 0.1.0
 * @category models
 */
export type Step =
  | { readonly _tag: "Pulling"; readonly image: string; readonly summary: ImagePull.PullSummary }
  | { readonly _tag: "Creating" }
  | { readonly _tag: "Starting" }

/**
 * A container that runs.
 *
 * @since 0.1.0
 * @category models
 */
export interface RunningContainer {
  readonly id: ContainerId
  /** Waits until the container has ended by itself, was killed or removed, or went away with its engine. */
  readonly ended: Effect.Effect<void>
}

/**
 * The label that ties a container to its connection.
 *
 * @since 0.1.0
 * @category labels
 */
export const connectionLabel = "containerssh_connection_id"

const labels = (client: Client): Record<string, string> => ({
  [connectionLabel]: client.connectionId,
  containerssh_ip: client.address,
  containerssh_username: client.username
})

/** With the time that it took, in whole milliseconds, for the log. */
const millis = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<readonly [number, A], E, R> =>
  Effect.map(Effect.timed(effect), ([duration, result]) => [Math.round(Duration.toMillis(duration)), result])

const decodeReference = Schema.decodeEffect(ImageReferenceFromString)

/**
 * Makes the image present by policy, creates the container, starts it; all within `timeout`. When the Scope closes, at
 * whatever moment, nothing of it is left. A request that the engine answers only later than that is left to `afterlife`,
 * a Scope that outlives the connection.
 *
 * @since 0.1.0
 * @category operations
 */
export const acquire = Effect.fn("Container.acquire")(function* (
  client: Client,
  onStep: (step: Step) => Effect.Effect<void>,
  afterlife: Scope.Scope
): Effect.fn.Return<RunningContainer, ContainerError, Docker | DockerRunConfig | Logger | Scope.Scope> {
  const docker = yield* Docker
  const logger = yield* Logger
  const { config } = yield* DockerRunConfig
  const image = config.container.Image
  let step: "inspect" | "pull" | "create" | "start" = "inspect"
  let lastFailure: DockerError | undefined

  const fail = (reason: ContainerErrorReason, cause?: unknown) =>
    new ContainerError({ connectionId: client.connectionId, reason, ...(cause === undefined ? {} : { cause }) })
  const retry = <A, R>(effect: Effect.Effect<A, DockerError, R>) =>
    effect.pipe(
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
      Retry.whileTransient
    )
  const during =
    (name: typeof step) =>
    <A, R>(effect: Effect.Effect<A, DockerError, R>): Effect.Effect<A, ContainerError, R> =>
      Effect.mapError(effect, (error) => fail(ContainerFailure.reason(name, error, config), error))

  const ensureImage = Effect.gen(function* () {
    const reference = yield* decodeReference(image).pipe(
      Effect.mapError((cause) => fail(new ImageReferenceInvalid({ image }), cause))
    )
    const present =
      config.imagePullPolicy === "Always" ? false : yield* ImagePull.isPresent(image).pipe(retry, during("inspect"))
    if (!ImagePull.isPullNeeded(config.imagePullPolicy, reference, present)) {
      if (present) return
      return yield* fail(new ImageMissing({ image }))
    }
    step = "pull"
    yield* logger.log({ level: "debug", code: "IMAGE_PULLING", message: `pulling ${image}` })
    const [pullMs] = yield* ImagePull.pull(image, Option.fromNullishOr(config.platform), (summary) =>
      onStep({ _tag: "Pulling", image, summary })
    ).pipe(retry, during("pull"), millis)
    yield* logger.log({ level: "info", code: "IMAGE_PULLED", message: `pulled ${image}`, fields: { image, pullMs } })
  })

  const identity = (yield* Instance)?.labels(yield* Clock.currentTimeMillis)
  const plain: ContainerSpec = {
    ...(config.containername === "" ? {} : { name: config.containername }),
    ...(config.platform === undefined ? {} : { platform: config.platform }),
    config: {
      ...config.container,
      Labels: { ...config.container.Labels, ...identity, ...labels(client) },
      Cmd: config.idleCommand
    },
    host: config.host,
    network: config.network
  }
  const armed = (yield* LifecycleConfig).deadMansSwitch ? DeadMansSwitch.arm(plain, config) : undefined

  const run = Effect.gen(function* () {
    yield* ensureImage
    step = "create"
    yield* onStep({ _tag: "Creating" })
    // Closes after the container was removed: a removal by the switch would only get in the way of ours.
    const holdScope = yield* Scope.fork(yield* Effect.scope)
    const [createMs, id] = yield* create(client, armed ?? plain, retry, afterlife).pipe(during("create"), millis)
    yield* Effect.annotateLogsScoped({ containerId: id })
    step = "start"
    yield* onStep({ _tag: "Starting" })
    const hold =
      armed === undefined
        ? undefined
        : yield* docker
            .attachContainer(id, { tty: false, output: { stdout: ByteSink.discard, stderr: ByteSink.discard } })
            .pipe(Scope.provide(holdScope), retry, during("start"))
    const [startMs] = yield* docker.startContainer(id).pipe(retry, during("start"), millis)
    yield* logger.log({
      level: "info",
      code: "CONTAINER_STARTED",
      message: `container ${id.slice(0, 12)} of ${image} started`,
      fields: { containerId: id, image, createMs, startMs }
    })
    return {
      id,
      ended: Effect.ignore(hold?.ended ?? Retry.whileTransient(docker.waitContainer(id, "not-running")))
    }
  })

  return yield* run.pipe(
    Effect.timeoutOrElse({
      duration: config.timeout,
      // What the engine said last tells more than that time is up.
      orElse: () =>
        Effect.fail(
          lastFailure === undefined
            ? fail(new ContainerTimedOut({ step, seconds: Duration.toSeconds(config.timeout) }))
            : fail(ContainerFailure.reason(step, lastFailure, config), lastFailure)
        )
    })
  )
})

/**
 * Creates the container and registers its removal before anything else can happen.
 *
 * The request to the engine runs in a fiber of its own, which the finalizer waits for: a connection that ends while the
 * engine creates would otherwise leave a container whose id nobody ever learned. An attempt whose answer was lost is
 * looked up by label before the next one, and again at the end.
 */
const create = Effect.fnUntraced(function* (
  client: Client,
  spec: ContainerSpec,
  retry: <A, R>(effect: Effect.Effect<A, DockerError, R>) => Effect.Effect<A, DockerError, R>,
  afterlife: Scope.Scope
) {
  const docker = yield* Docker
  const { config } = yield* DockerRunConfig
  const made = docker
    .listContainers([`${connectionLabel}=${client.connectionId}`])
    .pipe(Effect.map((list) => list.map(({ id }) => id)))
  let request: Fiber.Fiber<ContainerId, DockerError> | undefined
  let isDoubtful = false

  yield* Effect.addFinalizer(
    Effect.fnUntraced(function* () {
      if (request === undefined) return
      const answer = yield* Fiber.await(request).pipe(Effect.timeoutOption(config.timeout))
      const settled = Option.getOrUndefined(answer)
      // The engine may still create it after all: the connection does not wait for that, but it must not stay.
      if (settled === undefined) yield* Effect.forkIn(removeLate(request), afterlife)
      else if (Exit.isSuccess(settled)) yield* remove(settled.value)
      // The connection may have ended before anybody here saw the failure.
      else isDoubtful ||= Option.exists(Cause.findErrorOption(settled.cause), (error) => error.isTransient)
      if (isDoubtful || settled === undefined) {
        const ids = yield* made.pipe(Retry.whileTransient, Effect.timeoutOption(config.timeout), Effect.option)
        yield* Effect.forEach(
          Option.getOrElse(Option.flatten(ids), () => []),
          remove,
          { discard: true }
        )
      }
    })
  )

  const ask = Effect.uninterruptible(
    Effect.map(Effect.forkIn(docker.createContainer(spec), afterlife), (fiber) => {
      request = fiber
      return fiber
    })
  ).pipe(
    Effect.flatMap(Fiber.join),
    Effect.tapError((error) =>
      Effect.sync(() => {
        isDoubtful ||= error.isTransient
      })
    )
  )

  return yield* Effect.suspend(() =>
    isDoubtful ? Effect.flatMap(made, ([id]) => (id === undefined ? ask : Effect.succeed(id))) : ask
  ).pipe(retry)
})

/** How long a container is waited for that was asked for by a connection which has ended. */
const lateAnswerTimeout = "10 minutes"

/** What comes even later is for the reaper. */
const removeLate = (request: Fiber.Fiber<ContainerId, DockerError>) =>
  Fiber.join(request).pipe(
    Effect.flatMap(remove),
    Effect.timeoutOption(lateAnswerTimeout),
    Effect.ensuring(Fiber.interrupt(request)),
    Effect.ignore({ log: "Debug", message: "a container that nobody needs any more was not made after all" })
  )
