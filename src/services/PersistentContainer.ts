/**
 * A user's own container: made when there is none, started when it does not run, shared by all connections of that user,
 * and left as it is when they end.
 *
 * The engine alone knows which there are. Any number of servers may look for a container at once: one of them makes it,
 * and the others take it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ContainerError, ContainerForeign } from "../schema/ContainerError.ts"
import { ContainerId } from "../schema/Identifiers.ts"
import { nameOf } from "../schema/PersistentConfig.ts"
import * as Acquisition from "./Acquisition.ts"
import * as Container from "./Container.ts"
import { ContainerEvents } from "./ContainerEvents.ts"
import * as ContainerImage from "./ContainerImage.ts"
import { type Client, ofUser, persistentLabel } from "./ContainerOwner.ts"
import { type ContainerInfo, Docker } from "./Docker.ts"
import { DockerRunConfig } from "./DockerRunConfig.ts"
import { Logger } from "./Logger.ts"
import type { PersistentUse } from "./PersistentUse.ts"
import * as Retry from "./Retry.ts"
import * as WaitingPrograms from "./WaitingPrograms.ts"

/** Between two looks at a container that is just coming or going by somebody else's hand. */
const pause = "200 millis"

/**
 * Gives the container of the client's user, running, within `timeout`. The Scope is that of the connection: what ends
 * with it is the use of the container, not the container.
 *
 * @since 0.1.0
 * @category operations
 */
export const acquire = Effect.fn("PersistentContainer.acquire")(function* (
  client: Client,
  onStep: (step: Acquisition.Step) => Effect.Effect<void>,
  use: PersistentUse
): Effect.fn.Return<Container.RunningContainer, ContainerError, Docker | DockerRunConfig | Logger | Scope.Scope> {
  const docker = yield* Docker
  const logger = yield* Logger
  const { config } = yield* DockerRunConfig
  const acquisition = yield* Acquisition.make(client.connectionId, onStep)
  const { during, fail } = acquisition
  const owner = ofUser(client, config.persistent.name)
  const name = nameOf(config.persistent.name, client.username)
  yield* use.begin(name)

  // An engine takes the beginning of an id for a container, too, when none has that name.
  const look = docker.inspectContainer(ContainerId.make(name)).pipe(
    Effect.map((found) => (found.name === name ? found : undefined)),
    Effect.catchReason("DockerError", "NotFound", () => Effect.undefined),
    during("inspect")
  )
  const isOurs = ({ labels }: ContainerInfo) =>
    labels[persistentLabel] === config.persistent.name && labels["containerssh_username"] === client.username

  const make = Effect.gen(function* () {
    yield* ContainerImage.ensure(acquisition)
    yield* onStep({ _tag: "Creating" })
    const spec = Container.specOf(config)
    return yield* docker
      .createContainer({
        ...spec,
        name,
        config: { ...spec.config, Labels: { ...spec.config.Labels, ...owner } }
      })
      .pipe(
        // Somebody else was faster: theirs is found at the next look.
        Effect.catchReason("DockerError", "Conflict", () => Effect.undefined),
        during("create")
      )
  })
  const start = (id: ContainerId) =>
    Effect.andThen(
      onStep({ _tag: "Starting" }),
      docker.startContainer(id).pipe(
        Effect.as(true),
        // Removed since it was looked at.
        Effect.catchReason("DockerError", "NotFound", () => Effect.succeed(false)),
        during("start")
      )
    )

  const obtain = Effect.gen(function* () {
    while (true) {
      const found = yield* look
      if (found !== undefined && !isOurs(found)) return yield* fail(new ContainerForeign({ name }))
      if (found?.running === true) return { id: found.id, how: "running" as const }
      if (found?.status === "removing" || found?.status === "dead") {
        yield* Effect.sleep(pause)
        continue
      }
      const id = found?.id ?? (yield* make)
      if (id === undefined) {
        yield* Effect.sleep(pause)
        continue
      }
      if (yield* start(id)) return { id, how: found === undefined ? ("created" as const) : ("started" as const) }
    }
  })

  const { how, id } = yield* obtain.pipe(acquisition.inTime)
  const events = yield* ContainerEvents
  yield* events.follow(id)
  yield* logger.log({
    level: "info",
    code: "CONTAINER_JOINED",
    message: `the container ${name} was ${how === "running" ? "running" : how} for this connection`,
    fields: { containerId: id, name, how }
  })
  return {
    id,
    scope: yield* Effect.scope,
    // A shell that waits ends with its container, and this one stays.
    info: yield* Effect.cached(docker.inspectContainer(id)),
    waiting: WaitingPrograms.none,
    ended: Effect.raceFirst(
      events.ended(id),
      Effect.ignore(Retry.whileTransient(docker.waitContainer(id, "not-running")))
    )
  }
})
