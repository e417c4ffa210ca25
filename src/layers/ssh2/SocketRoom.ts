/**
 * How much may wait in the socket of a connection. All channels share the one queue, and ssh2 fills it without end: what
 * one channel puts there in bulk, a key press on another one waits behind.
 */
import type { Socket } from "node:net"

/** As much as keeps a fast line busy, and a slow one not for long. */
const limit = 128 * 1024

export interface SocketRoom {
  readonly hasRoom: () => boolean
  /** Runs the callback once there is room, and never in the step in which it is given. */
  readonly await: (callback: () => void) => void
}

const rooms = new WeakMap<Socket, SocketRoom>()

const make = (socket: Socket): SocketRoom => {
  const waiting = new Set<() => void>()
  const hasRoom = () => socket.writableLength < limit || socket.destroyed
  const tell = () => {
    const told = [...waiting]
    waiting.clear()
    for (const callback of told) callback()
  }
  // For as long as the connection: one listener, however many channels wait.
  socket.on("drain", tell)
  socket.on("close", tell)
  return {
    hasRoom,
    await: (callback) => {
      waiting.add(callback)
      if (hasRoom()) queueMicrotask(tell)
    }
  }
}

export const of = (socket: Socket): SocketRoom => {
  const known = rooms.get(socket)
  if (known !== undefined) return known
  const made = make(socket)
  rooms.set(socket, made)
  return made
}
