/**
 * What a client may do with a channel that ssh2 1.17 does not look at.
 *
 * - The size of packets that a client takes may be 0: ssh2 would cut its output into packets of nothing, for ever, and the
 *   whole process with it (`Channel.js:168`). Sizes that are nearly nothing cost nearly as much.
 * - Data beyond the window is taken as long as the window is not exactly 0, below zero too (`server.js:751`): the memory of
 *   the process would be the client's to fill.
 *
 * Both are looked at here before ssh2 sees them.
 */
import * as Predicate from "effect/Predicate"
import type { Connection } from "ssh2"
import { protocolOf } from "./Ssh2Protocol.ts"

/** Less than any client asks for, and enough for what goes around the data to be the smaller part of a packet. */
const leastPacketSize = 256

interface Opened {
  readonly sender: number
  readonly packetSize: number
}

interface Handlers {
  CHANNEL_OPEN: (protocol: unknown, opened: Opened) => void
  CHANNEL_OPEN_CONFIRMATION: (protocol: unknown, opened: Opened) => void
  CHANNEL_DATA: (protocol: unknown, recipient: number, data: Buffer) => void
}

const isHandlers = (value: unknown): value is Handlers =>
  Predicate.hasProperty(value, "CHANNEL_OPEN") &&
  Predicate.isFunction(value.CHANNEL_OPEN) &&
  Predicate.hasProperty(value, "CHANNEL_OPEN_CONFIRMATION") &&
  Predicate.isFunction(value.CHANNEL_OPEN_CONFIRMATION) &&
  Predicate.hasProperty(value, "CHANNEL_DATA") &&
  Predicate.isFunction(value.CHANNEL_DATA)

interface Channels {
  readonly get: (id: number) => unknown
}

const isChannels = (value: unknown): value is Channels =>
  Predicate.hasProperty(value, "get") && Predicate.isFunction(value.get)

/** What the client may still send on a channel; undefined for one that takes nothing. */
const windowOf = (channel: unknown): number | undefined => {
  // A session has its channel once a program was asked for.
  const inner = Predicate.hasProperty(channel, "_chanInfo") ? channel._chanInfo : channel
  const incoming = Predicate.hasProperty(inner, "incoming") ? inner.incoming : undefined
  return Predicate.hasProperty(incoming, "window") && Predicate.isNumber(incoming.window) ? incoming.window : undefined
}

/**
 * Looks at what the client asks for, and says why the connection has to end if that is beyond what it may. To be called
 * before the first channel; says whether it could be done.
 */
export const guard = (client: Connection, end: (why: string) => void): boolean => {
  const protocol = protocolOf(client)
  const handlers = Predicate.hasProperty(protocol, "_handlers") ? protocol._handlers : undefined
  const channels = Predicate.hasProperty(client, "_chanMgr") ? client._chanMgr : undefined
  if (!isHandlers(handlers) || !isChannels(channels)) return false
  const { CHANNEL_DATA: takeData, CHANNEL_OPEN: open, CHANNEL_OPEN_CONFIRMATION: confirm } = handlers
  const isTooSmall = ({ packetSize }: Opened): boolean => {
    if (packetSize >= leastPacketSize) return false
    end(`channels with packets of ${packetSize} bytes are not served; ${leastPacketSize} is the least`)
    return true
  }
  handlers.CHANNEL_OPEN = (from, opened) => {
    if (!isTooSmall(opened)) open(from, opened)
  }
  handlers.CHANNEL_OPEN_CONFIRMATION = (from, opened) => {
    if (!isTooSmall(opened)) confirm(from, opened)
  }
  handlers.CHANNEL_DATA = (from, recipient, data) => {
    const window = windowOf(channels.get(recipient))
    if (window !== undefined && data.length > window) end("more data was sent on a channel than its window allows")
    else takeData(from, recipient, data)
  }
  return true
}
