/**
 * The packets of a connection as they come, decrypted and decompressed, before ssh2 reads them.
 */
import * as Predicate from "effect/Predicate"

interface PacketReader {
  /** Takes a packet as it came and gives it as it was before it was compressed. */
  read: (payload: Buffer) => Buffer
}

const isPacketReader = (value: unknown): value is PacketReader =>
  Predicate.hasProperty(value, "read") && Predicate.isFunction(value.read)

const holdsReader = (value: unknown): value is { read: PacketReader } =>
  Predicate.hasProperty(value, "read") && isPacketReader(value.read)

/** What is done to each packet, by connection: the place where the reader is can be taken over only once. */
const watchers = new WeakMap<object, Array<(payload: Buffer) => Buffer>>()

/**
 * Passes each packet through `watch`, from now on and through every key exchange, which puts a new reader there. Whoever
 * comes later sees what the earlier ones made of it. Says whether that can be done.
 */
export const onEach = (packets: unknown, watch: (payload: Buffer) => Buffer): boolean => {
  if (!holdsReader(packets)) return false
  const known = watchers.get(packets)
  if (known !== undefined) {
    known.push(watch)
    return true
  }
  const all = [watch]
  watchers.set(packets, all)
  const watched = (reader: PacketReader): PacketReader => {
    const read = reader.read.bind(reader)
    reader.read = (payload) => all.reduce((packet, one) => one(packet), read(payload))
    return reader
  }
  let reader = watched(packets.read)
  Object.defineProperty(packets, "read", {
    get: () => reader,
    set: (next: PacketReader) => {
      reader = isPacketReader(next) ? watched(next) : next
    }
  })
  return true
}
