/**
 * The creation of a container that is removed when its Scope closes, whatever happens in between.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { ContainerError } from "../schema/ContainerError.ts"
import type { DockerError } from "../schema/DockerError.ts"
import type { ContainerId } from "../schema/Identifiers.ts"
import type { Acquisition } from "./Acquisition.ts"
import * as AnonymousVolume from "./AnonymousVolume.ts"
import { remove } from "./ContainerRemoval.ts"
import { type Owner, selector } from "./ContainerOwner.ts"
import { type ContainerSpec, Docker, type Image } from "./Docker.ts"
import { DockerRunConfig } from "./DockerRunConfig.ts"
import { Instance } from "./Instance.ts"
import type { Logger } from "./Logger.ts"
import * as Retry from "./Retry.ts"
import { StartTicket, type Ticket } from "./StartQueue.ts"

/**
 * Creates the container, with its owner's labels, and registers its removal before anything else can happen. An engine that does not answer at all
 * holds that removal up for `timeout`, and no longer.
 *
 * The request to the engine runs in a fiber of its own, which the finalizer waits for: a connection that ends while the
 * engine creates would otherwise leave a container whose id nobody ever learned. An attempt whose answer was lost is
 * looked up by label before the next one, and again at the end. A request that is answered only later than that is left
 * to `afterlife`, a Scope that outlives the owner.
 *
 * @since 0.1.0
 * @category operations
 */
export const create = Effect.fnUntraced(function* (
  owner: Owner,
  { image, spec }: { readonly spec: ContainerSpec; readonly image: Image },
  { during }: Acquisition,
  afterlife: Scope.Scope
): Effect.fn.Return<ContainerId, ContainerError, Docker | DockerRunConfig | Logger | Scope.Scope> {
  const docker = yield* Docker
  const { config } = yield* DockerRunConfig
  const owned = yield* ownedBy(owner, spec, image)
  const made = docker.listContainers(selector(owner)).pipe(Effect.map((list) => list.map(({ id }) => id)))
  const ticket: Ticket = { isWaiting: false }
  let request: Fiber.Fiber<ContainerId, DockerError> | undefined
  let isDoubtful = false

  yield* Effect.addFinalizer(
    Effect.fnUntraced(function* () {
      if (request === undefined) return
      // The engine does not know of it yet, and need not.
      if (ticket.isWaiting) return yield* Fiber.interrupt(request)
      const answer = yield* Fiber.await(request).pipe(Effect.timeoutOption(Duration.times(config.timeout, 1 / 2)))
      const settled = Option.getOrUndefined(answer)
      // The engine may still create it after all: the connection does not wait for that, but it must not stay.
      if (settled === undefined) yield* Effect.forkIn(removeLate(request), afterlife)
      else if (Exit.isSuccess(settled)) yield* remove(settled.value)
      // The connection may have ended before anybody here saw the failure.
      else isDoubtful ||= Option.exists(Cause.findErrorOption(settled.cause), (error) => error.isTransient)
      if (isDoubtful || settled === undefined) {
        const ids = yield* made.pipe(
          Retry.whileTransient,
          Effect.timeoutOption(Duration.times(config.timeout, 1 / 2)),
          Effect.option
        )
        yield* Effect.forEach(
          Option.getOrElse(Option.flatten(ids), () => []),
          remove,
          { discard: true }
        )
      }
    })
  )

  const ask = Effect.uninterruptible(
    Effect.map(
      Effect.forkIn(Effect.provideService(docker.createContainer(owned), StartTicket, ticket), afterlife),
      (fiber) => {
        request = fiber
        return fiber
      }
    )
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
  ).pipe(during("create"))
})

/** The specification with the owner's name and labels, which win over those of the configuration, and those of the server. */
const ownedBy = Effect.fnUntraced(function* (owner: Owner, spec: ContainerSpec, image: Image) {
  const identity = (yield* Instance)?.labels(yield* Clock.currentTimeMillis)
  return {
    ...(identity === undefined ? spec : AnonymousVolume.labelled(spec, image, { ...identity, ...owner.labels })),
    ...(owner.name === undefined ? {} : { name: owner.name }),
    config: { ...spec.config, Labels: { ...spec.config.Labels, ...identity, ...owner.labels } }
  }
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
