/**
 * The limits of a server that is one of several worker processes: they hold for all workers together.
 *
 * Who may log in is decided by the primary process, exactly. Of connections that have not logged in each worker knows
 * what the others had a moment ago, so that a new one is decided about in the step in which it comes.
 *
 * @since 0.1.0
 */
import cluster, { type Worker } from "node:cluster"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { LimitError, TooManyConnectionsOfAddress, TooManyConnectionsOfUser } from "../schema/LimitError.ts"
import { Admission, type AdmissionLimits, type Ledger, makeGate, type TakeBack } from "../services/Admission.ts"
import { FromPrimary, type FromWorker } from "./cluster/Messages.ts"

const decode = Schema.decodeUnknownOption(FromPrimary)

/** The key of the count of all startups: no block of addresses. */
const all = ""

const makeLedger = (worker: Worker) => {
  const own = new Map<string, number>()
  const others = new Map<string, number>()
  const asked = new Map<number, Deferred.Deferred<void, LimitError>>()
  let questions = 0
  // A primary that is gone cannot be told anything, and this process then ends anyway: in its own way, for which the
  // failure must not be one that nobody listens to. A primary that was killed still counts as connected for a moment.
  const send = (message: FromWorker) => {
    if (worker.isConnected()) worker.send(message, () => {})
  }
  const count = (key: string, change: number) => {
    const now = (own.get(key) ?? 0) + change
    if (now === 0) own.delete(key)
    else own.set(key, now)
    send({ _tag: "Startups", ...(key === all ? {} : { block: key }), count: now })
  }
  const add = (key: string): TakeBack => {
    count(key, 1)
    return () => count(key, -1)
  }
  worker.on("message", (message: unknown) => {
    const known = Option.getOrUndefined(decode(message))
    if (known?._tag === "Startups") {
      const key = known.block ?? all
      if (known.count === 0) others.delete(key)
      else others.set(key, known.count)
    }
    if (known?._tag === "Answer") {
      const answer = asked.get(known.id)
      asked.delete(known.id)
      if (answer === undefined) return
      const { limit, refused } = known
      Deferred.doneUnsafe(
        answer,
        refused === undefined
          ? Effect.void
          : Effect.fail(
              new LimitError({
                reason:
                  refused === "TooManyConnectionsOfUser"
                    ? new TooManyConnectionsOfUser({ limit })
                    : new TooManyConnectionsOfAddress({ limit })
              })
            )
      )
    }
  })
  const ledger: Ledger = {
    startups: (block = all) => (own.get(block) ?? 0) + (others.get(block) ?? 0),
    enter: () => add(all),
    identify: add,
    login: (block, username) =>
      Effect.suspend(() => {
        questions += 1
        const id = questions
        const answer = Deferred.makeUnsafe<void, LimitError>()
        asked.set(id, answer)
        send({ _tag: "Login", id, ...(block === undefined ? {} : { block }), username })
        return Effect.as(Deferred.await(answer), () => send({ _tag: "Logout", id }))
      })
  }
  return ledger
}

/**
 * Counts with all workers, in a worker; in any other process it changes nothing.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<never> = Layer.unwrap(
  Effect.sync(() => {
    const { worker } = cluster
    return worker === undefined
      ? Layer.empty
      : Layer.succeed(Admission, (limits: AdmissionLimits) => makeGate(limits, makeLedger(worker)))
  })
)
