/**
 * The protocol of a connection as ssh2 1.17 keeps it, where its types do not name it. What is not found as it is expected
 * is left alone.
 */
import * as Predicate from "effect/Predicate"

/** The object in which ssh2 keeps a connection's protocol. */
export const protocolOf = (client: unknown): object | undefined => {
  const protocol = Predicate.hasProperty(client, "_protocol") ? client._protocol : undefined
  return Predicate.isObject(protocol) ? protocol : undefined
}

/** The pair of reader and writer through which every packet goes. A key exchange puts new ones there. */
export const packetsOf = (client: unknown): object | undefined => {
  const protocol = protocolOf(client)
  const packets = Predicate.hasProperty(protocol, "_packetRW") ? protocol._packetRW : undefined
  return Predicate.isObject(packets) ? packets : undefined
}
