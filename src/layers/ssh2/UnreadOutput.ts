/**
 * A client that sends and does not read: what is answered to it waits in this process, and each further request would
 * make it more.
 */
import type { Socket } from "node:net"

/** More than the windows of several channels hold, so that who reads slowly is not taken for one who does not read. */
const mostUnread = 16 * 1024 * 1024

/** Reads nothing from the client while too much waits for it. To be called after ssh2 was given the socket. */
export const limit = (socket: Socket): void => {
  let isWaiting = false
  socket.on("data", () => {
    if (isWaiting || socket.writableLength < mostUnread) return
    isWaiting = true
    socket.pause()
    socket.once("drain", () => {
      isWaiting = false
      socket.resume()
    })
  })
}
