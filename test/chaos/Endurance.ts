/** Connection after connection through one server: what it holds at the end is what it held near the begin. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { runLoad } from "../../bench/LoadRun.ts"
import { startServer, type Server } from "../../bench/Server.ts"
import { waitFor } from "../support/Deadline.ts"
import { engineSockets } from "../support/Engine.ts"
import { HarnessError } from "../support/HarnessError.ts"
import { generateKey } from "../support/OpenSsh.ts"
import { openFiles } from "../support/ProcessTable.ts"
import { containersLeft } from "./Leftovers.ts"
import type { PrivateEngine } from "./PrivateEngine.ts"

/** What the server holds after so many connections, garbage collected. */
interface Sample {
  readonly connections: number
  readonly rssMegabytes: number
  readonly heapMegabytes: number
  readonly fibers: number
  readonly openFiles: number
  readonly engineSockets: number
}

export interface EnduranceReport {
  readonly samples: ReadonlyArray<Sample>
  readonly seconds: number
}

interface Settings {
  readonly connections: number
  readonly atOnce: number
  /** How many connections there are between two looks at the server. */
  readonly batch: number
  readonly say: (text: string) => void
}

const fault = (detail: string) => new HarnessError({ operation: "endurance", detail })
const megabytes = (bytes: number) => Math.round(bytes / 1e5) / 10

const look = (server: Server, connections: number, sockets: Effect.Effect<number, HarnessError>) =>
  Effect.gen(function* () {
    const { fibers, heapUsed, rss } = yield* server.probe
    const sample: Sample = {
      connections,
      rssMegabytes: megabytes(rss),
      heapMegabytes: megabytes(heapUsed),
      fibers,
      openFiles: openFiles(server.pid).length,
      engineSockets: yield* sockets
    }
    return sample
  })

/** The first batch is what is loaded and opened once and for all; from its end on nothing may grow. */
const judge = (samples: ReadonlyArray<Sample>): string | undefined => {
  const [first, last] = [samples[1], samples.at(-1)]
  if (first === undefined || last === undefined) return "there is nothing to compare"
  const complaints = [
    last.heapMegabytes > first.heapMegabytes * 1.2 + 5 ? "the heap grows" : "",
    last.rssMegabytes > first.rssMegabytes * 1.3 + 40 ? "the resident memory grows" : "",
    last.fibers > first.fibers + 8 ? "the fibers grow" : "",
    last.openFiles > first.openFiles + 8 ? "the open files grow" : "",
    last.engineSockets > first.engineSockets + 8 ? "the sockets to the engine grow" : ""
  ].filter((complaint) => complaint !== "")
  return complaints.length === 0 ? undefined : `${complaints.join(", ")}: ${JSON.stringify(samples)}`
}

const endure = Effect.fnUntraced(function* (
  server: Server,
  command: string,
  settings: Settings,
  sockets: Effect.Effect<number, HarnessError>,
  settled: Effect.Effect<unknown, HarnessError>
) {
  const started = performance.now()
  const samples = [yield* look(server, 0, sockets)]
  for (let done = 0; done < settings.connections;) {
    const connections = Math.min(settings.batch, settings.connections - done)
    const { failures } = yield* Effect.scoped(
      runLoad(server.target, { connections, atOnce: settings.atOnce, command }, 600_000)
    )
    if (failures.length > 0) {
      return yield* fault(`${failures.length} of ${connections} connections failed: ${failures[0]}`)
    }
    done += connections
    yield* settled
    const sample = yield* look(server, done, sockets)
    samples.push(sample)
    settings.say(
      `${sample.connections} connections: ${sample.rssMegabytes} MB resident, ${sample.heapMegabytes} MB heap, ` +
        `${sample.fibers} fibers, ${sample.openFiles} open files, ${sample.engineSockets} sockets to the engine`
    )
  }
  const complaint = judge(samples)
  if (complaint !== undefined) return yield* fault(complaint)
  const report: EnduranceReport = { samples, seconds: (performance.now() - started) / 1000 }
  return report
})

const config = (host: string) => ({
  dockerrun: {
    host,
    config: {
      container: { Image: "dockerrun-test/tiny:1" },
      host: { NetworkMode: "none" },
      shellCommand: ["/bin/sh"],
      imagePullPolicy: "Never"
    }
  }
})

const node = ["--expose-gc"]

/** Waits until the sockets of clients that are gone are closed: there are no more files open than at the begin, or a few. */
const closed = (server: Server, before: number) =>
  waitFor(
    "the sockets of the connections to close",
    Effect.sync(() => openFiles(server.pid).length <= before + 12),
    30_000
  )

export const inMemory = Effect.fnUntraced(function* (
  settings: Settings
): Effect.fn.Return<EnduranceReport, HarnessError, Scope.Scope> {
  const key = yield* generateKey("ed25519")
  const entry = new URL("../../bench/InMemoryServer.ts", import.meta.url).pathname
  const server = yield* startServer({ entry, key, node, config: config("") })
  const before = openFiles(server.pid).length
  return yield* endure(server, "true", settings, Effect.succeed(0), closed(server, before))
})

export const onEngine = Effect.fnUntraced(function* (
  engine: PrivateEngine,
  settings: Settings
): Effect.fn.Return<EnduranceReport, HarnessError, Scope.Scope> {
  const key = yield* generateKey("ed25519")
  const entry = new URL("../../src/main.ts", import.meta.url).pathname
  const server = yield* startServer({ entry, key, node, config: config(engine.host) })
  const before = openFiles(server.pid).length
  const settled = Effect.andThen(
    waitFor(
      "the containers to go",
      Effect.map(containersLeft(engine), (left) => left.length === 0),
      60_000
    ),
    closed(server, before)
  )
  return yield* endure(server, "true", settings, engineSockets(server.pid, engine.host), settled)
})
