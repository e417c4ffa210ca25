/**
 * Whose a container is, and how that is written on it.
 *
 * @since 0.1.0
 */
import type { ChannelId, ConnectionId } from "../schema/Identifiers.ts"
import type { Login } from "./Login.ts"

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
  /** What the connection's programs get. */
  readonly login?: Login
}

/**
 * The label that ties a container to its connection.
 *
 * @since 0.1.0
 * @category labels
 */
export const connectionLabel = "containerssh_connection_id"

/**
 * The label of a container that belongs to one channel of its connection: the channel's number.
 *
 * @since 0.1.0
 * @category labels
 */
export const channelLabel = "dockerrun_channel_id"

/**
 * What a container is created for: a connection, one of its channels, or a place in the pool, which has an id of the same form. As long as
 * the id is registered with `Instance`, the container is needed.
 *
 * @since 0.1.0
 * @category models
 */
export interface Owner {
  readonly connectionId: ConnectionId
  readonly labels: Readonly<Record<string, string>>
  /** Without it the owner is the whole connection. */
  readonly channelId?: ChannelId
  /** A name for the container; without one, the engine makes one up. */
  readonly name?: string
}

/**
 * The label of a container that was started for the pool. It stays when a connection takes the container, for labels
 * cannot be changed: whose it is then stands in its name.
 *
 * @since 0.1.0
 * @category labels
 */
export const pooledLabel = "dockerrun_pooled"

/**
 * The label of a container that stays when its connections end. Its value is the template that it was named after.
 *
 * @since 0.1.0
 * @category labels
 */
export const persistentLabel = "dockerrun_persistent"

/**
 * The labels of a user's persistent container. It has none of a connection, for it belongs to none, and none of a server:
 * the reaper must not know it.
 *
 * @since 0.1.0
 * @category labels
 */
export const ofUser = ({ username }: Client, template: string): Readonly<Record<string, string>> => ({
  [persistentLabel]: template,
  containerssh_username: username
})

/**
 * A place in the pool as the owner of a container that nobody has taken yet.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofPlace = (place: ConnectionId): Owner => ({
  connectionId: place,
  labels: { [connectionLabel]: place, [pooledLabel]: "true" },
  name: `dockerrun-warm-${place}`
})

/**
 * A connection as the owner of its container.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofClient = ({ address, connectionId, username }: Client): Owner => ({
  connectionId,
  labels: { [connectionLabel]: connectionId, containerssh_ip: address, containerssh_username: username }
})

/**
 * A channel of a connection as the owner of a container of its own.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofChannel = (client: Client, channelId: ChannelId): Owner => {
  const owner = ofClient(client)
  return { ...owner, channelId, labels: { ...owner.labels, [channelLabel]: String(channelId) } }
}

/**
 * The labels (`name=value`) by which the containers of an owner are found, and no others.
 *
 * @since 0.1.0
 * @category labels
 */
export const selector = ({ channelId, connectionId }: Owner): ReadonlyArray<string> => [
  `${connectionLabel}=${connectionId}`,
  ...(channelId === undefined ? [] : [`${channelLabel}=${channelId}`])
]
