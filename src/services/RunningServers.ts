/**
 * The servers that run with a state directory, as they see themselves.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as GoDuration from "../schema/GoDuration.ts"
import type { ServerStatus } from "../schema/ServerStatus.ts"
import type { Finding } from "./Diagnosis.ts"

/**
 * @since 0.1.0
 * @category services
 */
export class RunningServers extends Context.Service<
  RunningServers,
  {
    /** Every process that serves, the oldest first; those that are gone without having said so are left out. */
    readonly all: Effect.Effect<ReadonlyArray<ServerStatus>>
  }
>()("dockerrun/services/RunningServers") {}

const subject = "server"

const duration = (milliseconds: number): string =>
  GoDuration.format(BigInt(Math.max(0, Math.floor(milliseconds / 1000))) * 1_000_000_000n)

const queue = (kind: string, { running, waiting }: ServerStatus["containers"]): string =>
  running + waiting === 0 ? `no ${kind} wait` : `${kind}: ${running} being started, ${waiting} wait`

const toFinding = (now: number, server: ServerStatus): Finding => {
  const { connections, containers, engine, pid, programs, since, worker } = server
  const who = `pid ${pid}${worker === undefined ? "" : ` (worker ${worker})`}, for ${duration(now - since)}`
  const load = [
    connections === 1 ? "1 connection" : `${connections} connections`,
    queue("containers", containers),
    queue("programs", programs)
  ].join("; ")
  return engine._tag === "Answers"
    ? { verdict: "ok", subject, message: `${who}: its engine answers; ${load}` }
    : {
        verdict: "warn",
        subject,
        message: `${who}: its engine has been lost for ${duration(now - engine.since)} (${engine.reason}); ${load}`,
        remedy: "it goes on by itself when the engine answers again"
      }
}

/**
 * Which servers run, whether their engine answers them, what waits for it, and for how many connections.
 *
 * @since 0.1.0
 * @category findings
 */
export const findings: Effect.Effect<ReadonlyArray<Finding>, never, RunningServers> = Effect.gen(function* () {
  const servers = yield* (yield* RunningServers).all
  const now = yield* Clock.currentTimeMillis
  return servers.length === 0
    ? [{ verdict: "ok", subject, message: "none runs with this configuration's state directory" }]
    : servers.map((server) => toFinding(now, server))
})
