/**
 * Which server this is, among those that share an engine: what its containers are labelled with, and how it tells those
 * that it still needs from those that nobody does.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ConnectionId } from "../schema/Identifiers.ts"
import type { BootId, InstanceId } from "../schema/InstanceId.ts"

/**
 * The labels of a container whose server has an identity.
 *
 * @since 0.1.0
 * @category constants
 */
export const label = {
  /** The server. */
  instance: "dockerrun_instance",
  /** The run of that server, from one start of it to its end. */
  boot: "dockerrun_boot",
  /** When the container was made, in seconds since the Unix epoch. */
  started: "dockerrun_started"
} as const

/**
 * What is known of a run: it goes on, it is over, or nobody here can tell.
 *
 * @since 0.1.0
 * @category models
 */
export type BootState = "running" | "over" | "unknown"

/**
 * What is known of the runs of servers.
 *
 * @since 0.1.0
 * @category models
 */
export interface Boots {
  readonly state: (boot: string) => Effect.Effect<BootState>
  /** The runs of which anything is known. */
  readonly known: Effect.Effect<ReadonlyArray<string>>
  /** Lets go of what is known of a run that is over, once nothing of it is left. */
  readonly forget: (boot: string) => Effect.Effect<void>
}

/**
 * The identity of a server in this run of it, and the connections that it has.
 *
 * @since 0.1.0
 * @category models
 */
export interface Identity {
  readonly id: InstanceId
  readonly boot: BootId
  readonly boots: Boots
  /** The labels of a container that is made now. */
  readonly labels: (now: number) => Readonly<Record<string, string>>
  /** A connection is live from now until the Scope closes. Register it before anything of it is on the engine. */
  readonly register: (connectionId: ConnectionId) => Effect.Effect<void, never, Scope.Scope>
  readonly isLive: (connectionId: string) => boolean
}

/**
 * The identity of the server, as a reference: without one, containers carry no labels of a server, and nobody but their
 * connections removes them.
 *
 * @since 0.1.0
 * @category references
 */
export const Instance = Context.Reference<Identity | undefined>("dockerrun/services/Instance", {
  defaultValue: () => undefined
})

/**
 * An identity with no connections yet.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({
  boot,
  boots,
  id
}: {
  readonly id: InstanceId
  readonly boot: BootId
  readonly boots: Boots
}): Identity => {
  const live = new Set<string>()
  return {
    id,
    boot,
    boots,
    labels: (now) => ({
      [label.instance]: id,
      [label.boot]: boot,
      [label.started]: String(Math.floor(now / 1000))
    }),
    register: (connectionId) =>
      Effect.acquireRelease(
        Effect.sync(() => {
          live.add(connectionId)
        }),
        () =>
          Effect.sync(() => {
            live.delete(connectionId)
          })
      ),
    isLive: (connectionId) => live.has(connectionId)
  }
}
