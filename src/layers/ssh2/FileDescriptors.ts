/**
 * How many connections the process can hold at all: each takes a file descriptor, and so does each stream from the
 * engine.
 */
import { readFileSync } from "node:fs"
import type { Socket } from "node:net"
import * as Predicate from "effect/Predicate"

/** Kept for the connections that there are: their programs need descriptors too. */
const reserveOf = (limit: number): number => Math.max(24, Math.floor(limit / 10))

/** As many as this process may have open; nothing where the system does not say it in this place. */
const readLimit = (): number | undefined => {
  try {
    const [, soft = ""] = /^Max open files +(\d+)/mu.exec(readFileSync("/proc/self/limits", "utf8")) ?? []
    return soft === "" ? undefined : Number(soft)
  } catch {
    return undefined
  }
}

const descriptorOf = (socket: Socket): number => {
  const handle: unknown = Predicate.hasProperty(socket, "_handle") ? socket._handle : undefined
  return Predicate.hasProperty(handle, "fd") && Predicate.isNumber(handle.fd) ? handle.fd : -1
}

/**
 * Says of a socket that was just accepted whether so few descriptors are left that it must go. A new one gets the lowest
 * number that is free, so its number tells how many are in use.
 */
export const makeIsLast = (): ((socket: Socket) => boolean) => {
  const limit = readLimit()
  if (limit === undefined) return () => false
  const highest = limit - reserveOf(limit)
  return (socket) => descriptorOf(socket) >= highest
}

/** What `accept` fails with for want of something that comes back when connections end. */
export const isShortage = (errno: string | undefined): boolean =>
  errno === "EMFILE" || errno === "ENFILE" || errno === "ENOBUFS" || errno === "ENOMEM" || errno === "ECONNABORTED"
