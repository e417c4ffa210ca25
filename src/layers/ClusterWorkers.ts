/**
 * A server of several processes: one accepts connections and hands them round, the workers serve them.
 *
 * @since 0.1.0
 */
import cluster, { type Worker } from "node:cluster"
import { availableParallelism } from "node:os"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { WorkersError } from "../schema/WorkersError.ts"
import { Logger } from "../services/Logger.ts"
import { Shutdown } from "../services/Shutdown.ts"
import { SshConfig } from "../services/SshConfig.ts"
import { FromWorker } from "./cluster/Messages.ts"
import * as SharedLogins from "./cluster/SharedLogins.ts"

/**
 * As many workers as there are processors for this process.
 *
 * @since 0.1.0
 * @category getters
 */
export const automatic = (): number => availableParallelism()

/**
 * Which worker this process is, from 1; `undefined` in a process that is none.
 *
 * @since 0.1.0
 * @category getters
 */
export const workerNumber = (): number | undefined => cluster.worker?.id

const decode = Schema.decodeUnknownOption(FromWorker)

/** A worker that dies is replaced after a second, then after twice as long each time, up to a minute. */
const backOff = (deaths: number): Duration.Duration => Duration.seconds(Math.min(2 ** (deaths - 1), 60))

/** One that has lived for so long has not died of its start, in milliseconds. */
const settled = 60_000

/** What the workers are given beyond the time that they take for themselves. */
const lastWait = Duration.seconds(5)

interface Death {
  readonly code: number
  readonly signal: string | undefined
}

/**
 * Starts so many processes like this one, with the same arguments, and replaces each that ends. The first must listen
 * before the others are started: a configuration that cannot be served fails with `WorkersError`, once. When it is
 * interrupted the workers are told to end, and waited for as long as their own shut-down may take.
 *
 * @since 0.1.0
 * @category operations
 */
export const run = Effect.fn("ClusterWorkers.run")(function* (count: number) {
  const logger = yield* Logger
  const settings = yield* SshConfig
  const { hurry } = yield* Shutdown
  const logins = SharedLogins.make(settings)
  const running = new Map<Worker, Deferred.Deferred<Death>>()
  const serving = new Set<Worker>()
  const complete = yield* Deferred.make<void>()
  let isEnding = false

  const signal = (name: NodeJS.Signals) =>
    Effect.sync(() => {
      for (const worker of running.keys()) worker.process.kill(name)
    })
  const ended = Effect.suspend(() => Effect.forEach(running.values(), Deferred.await, { concurrency: "unbounded" }))
  yield* Effect.addFinalizer(() => {
    isEnding = true
    const { shutdownGracePeriod, shutdownTimeout } = settings
    return signal("SIGTERM").pipe(
      Effect.andThen(ended),
      // A second signal hurries them, as it would a server of one process.
      Effect.raceFirst(Effect.andThen(hurry, Effect.andThen(signal("SIGTERM"), ended))),
      Effect.timeoutOption(Duration.sum(Duration.sum(shutdownGracePeriod, shutdownTimeout), lastWait)),
      Effect.andThen(signal("SIGKILL"))
    )
  })

  /** Starts a worker. `listening` is for its first moment, `death` for its last. */
  const start = () => {
    const worker = cluster.fork()
    const death = Deferred.makeUnsafe<Death>()
    const listening = Deferred.makeUnsafe<void>()
    running.set(worker, death)
    const { leave, receive } = logins.join((message) => {
      // One that was killed still counts as connected for a moment.
      if (worker.isConnected()) worker.send(message, () => {})
    })
    worker.on("message", (message: unknown) => {
      const known = Option.getOrUndefined(decode(message))
      if (known !== undefined) receive(known)
    })
    worker.on("error", () => {
      // A message to a worker that has just ended; its end is told by the next event.
    })
    worker.once("listening", () => {
      serving.add(worker)
      Deferred.doneUnsafe(listening, Effect.void)
      if (serving.size === count) Deferred.doneUnsafe(complete, Effect.void)
    })
    worker.once("exit", (code: number | null, signal: string | null) => {
      running.delete(worker)
      serving.delete(worker)
      leave()
      Deferred.doneUnsafe(death, Effect.succeed({ code: code ?? 1, signal: signal ?? undefined }))
    })
    return { worker, listening: Deferred.await(listening), death: Deferred.await(death) }
  }

  const keep = Effect.fnUntraced(function* (first: ReturnType<typeof start>) {
    let deaths = 0
    let current = first
    while (true) {
      const [lifetime, { code, signal }] = yield* Effect.timed(current.death)
      if (isEnding) return
      deaths = Duration.toMillis(lifetime) > settled ? 1 : deaths + 1
      const wait = backOff(deaths)
      yield* logger.log({
        level: "error",
        code: "WORKER_LOST",
        message: `worker ${current.worker.id} ended ${signal === undefined ? `with status ${code}` : `by ${signal}`}, and its connections with it; another takes its place in ${Duration.format(wait)}`,
        fields: { worker: current.worker.id, exitCode: code, ...(signal === undefined ? {} : { signal }) }
      })
      yield* Effect.sleep(wait)
      current = start()
    }
  })

  const first = start()
  const death = yield* Effect.raceFirst(Effect.as(first.listening, undefined), first.death)
  if (death !== undefined) return yield* new WorkersError({ exitCode: death.code })
  const keepers = yield* FiberSet.make<void>()
  yield* FiberSet.run(keepers, keep(first))
  for (let started = 1; started < count; started++) yield* FiberSet.run(keepers, keep(start()))
  yield* Deferred.await(complete)
  yield* logger.log({
    level: "notice",
    code: "WORKERS_STARTED",
    message: `${count} workers serve`,
    fields: { count }
  })
  return yield* Effect.never
}, Effect.scoped)
