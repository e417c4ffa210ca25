/**
 * The counters of all workers, in the primary process.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { type AdmissionLimits, makeLogins, type TakeBack } from "../../services/Admission.ts"
import type { FromPrimary, FromWorker } from "./Messages.ts"

/** One worker's share. The key of all its startups is the empty text, which is no block. */
interface Share {
  readonly send: (message: FromPrimary) => void
  readonly startups: Map<string, number>
  readonly logins: Map<number, TakeBack>
}

/**
 * @internal
 */
export interface SharedLogins {
  /** Takes on a worker: what it says goes to `receive`, and when it is gone `leave` takes back all that it had. */
  readonly join: (send: (message: FromPrimary) => void) => {
    readonly receive: (message: FromWorker) => void
    readonly leave: () => void
  }
}

const all = ""

/**
 * @internal
 */
export const make = (limits: AdmissionLimits): SharedLogins => {
  const login = makeLogins(limits)
  const shares = new Set<Share>()

  const tell = (key: string) => {
    for (const share of shares) {
      let count = 0
      for (const other of shares) if (other !== share) count += other.startups.get(key) ?? 0
      share.send({ _tag: "Startups", ...(key === all ? {} : { block: key }), count })
    }
  }

  const join: SharedLogins["join"] = (send) => {
    const share: Share = { send, startups: new Map(), logins: new Map() }
    shares.add(share)
    for (const key of new Set([...shares].flatMap(({ startups }) => [...startups.keys()]))) tell(key)
    return {
      receive: (message) => {
        switch (message._tag) {
          case "Startups": {
            const key = message.block ?? all
            if (message.count === 0) share.startups.delete(key)
            else share.startups.set(key, message.count)
            tell(key)
            break
          }
          case "Login": {
            const result = login(message.block, message.username)
            if (Result.isSuccess(result)) {
              share.logins.set(message.id, result.success)
              send({ _tag: "Answer", id: message.id, limit: 0 })
              break
            }
            const { reason } = result.failure
            if (reason._tag !== "TooManyConnectionsOfAddress" && reason._tag !== "TooManyConnectionsOfUser") break
            send({ _tag: "Answer", id: message.id, refused: reason._tag, limit: reason.limit })
            break
          }
          case "Logout":
            share.logins.get(message.id)?.()
            share.logins.delete(message.id)
            break
        }
      },
      leave: () => {
        shares.delete(share)
        for (const takeBack of share.logins.values()) takeBack()
        for (const key of share.startups.keys()) tell(key)
      }
    }
  }
  return { join }
}
