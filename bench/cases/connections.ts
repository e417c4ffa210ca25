/** How many connections per second, and how long each of them waits. */
import * as Effect from "effect/Effect"
import type { HarnessError } from "../../test/support/HarnessError.ts"
import type { SshTarget } from "../../test/support/OpenSsh.ts"
import type { Bar, Case, Figure } from "../Case.ts"
import { runLoad } from "../LoadRun.ts"
import type { Reading } from "../Reading.ts"
import type { Server } from "../Server.ts"
import { quantile } from "../Statistics.ts"

interface Crowd {
  readonly figures: ReadonlyArray<Figure>
  readonly times: ReadonlyArray<number>
  readonly failures: ReadonlyArray<string>
  readonly note: string
}

const crowd = Effect.fnUntraced(function* (
  contender: string,
  target: SshTarget,
  load: { readonly connections: number; readonly atOnce: number; readonly command?: string },
  probe?: Effect.Effect<Reading, HarnessError>
): Effect.fn.Return<Crowd, HarnessError> {
  if (probe !== undefined) yield* probe
  const { cpuMilliseconds, elapsed, failures, times } = yield* Effect.scoped(runLoad(target, load))
  const reading = probe === undefined ? undefined : yield* probe
  const quantity = `${load.atOnce} at once`
  const one = (what: string, unit: string, samples: ReadonlyArray<number>): Figure => ({
    quantity: `${quantity}: ${what}`,
    contender,
    unit,
    samples
  })
  return {
    figures: [
      one("connect", "ms", times),
      one("p99", "ms", [quantile(times, 0.99)]),
      one("rate", "/s", [(times.length * 1000) / elapsed]),
      ...(reading === undefined
        ? []
        : [
            one("event-loop delay p99", "ms", [reading.delayP99]),
            one("event-loop delay, longest", "ms", [reading.delayMax])
          ])
    ],
    times,
    failures,
    note: `${contender}, ${quantity}: ${failures.length} of ${load.connections} failed${failures[0] === undefined ? "" : ` (${failures[0]})`}; the client used ${Math.round((100 * cpuMilliseconds) / elapsed)} % of a core${reading === undefined ? "" : `, the server ${Math.round((100 * reading.cpuMilliseconds) / elapsed)} %`}.`
  }
})

const gather = (crowds: ReadonlyArray<Crowd>, bars: ReadonlyArray<Bar>) => ({
  figures: crowds.flatMap(({ figures }) => figures),
  bars,
  notes: crowds.map(({ note }) => note)
})

/** The first connections of a process are the compiler's. */
const warmUp = ({ target }: Server) => Effect.scoped(runLoad(target, { connections: 50, atOnce: 5 }))

export const connections: Case = {
  name: "connections",
  title: "Connections at once, engine in memory: client start → authenticated",
  run: Effect.fnUntraced(function* (world, { quick }) {
    const [server, sshd] = yield* Effect.all([world.inMemory(), world.sshd])
    yield* warmUp(server)
    const crowds: Array<Crowd> = []
    let last: Crowd | undefined
    for (const [atOnce, rounds] of [
      [1, 40],
      [10, 8],
      [50, 3],
      [200, quick ? 1 : 3]
    ] as const) {
      last = yield* crowd(
        "dockerrun, engine in memory",
        server.target,
        { connections: atOnce * rounds, atOnce },
        server.probe
      )
      crowds.push(last)
    }
    for (const atOnce of quick ? [1, 10] : [1, 10, 50]) {
      crowds.push(yield* crowd("sshd, no container", sshd, { connections: Math.max(atOnce, 10), atOnce }))
    }
    return gather(crowds, [
      {
        name: "200 at once: failures",
        value: last?.failures.length ?? Number.NaN,
        limit: 0,
        sense: "at most",
        unit: ""
      },
      {
        name: "200 at once: p99 of connect, of the median",
        value: quantile(last?.times ?? [], 0.99) / quantile(last?.times ?? [], 0.5),
        limit: 3,
        sense: "at most",
        unit: ""
      }
    ])
  })
}

export const engineConnections: Case = {
  name: "engine-connections",
  title: "Connections at once, real engine: client start → `true` has ended in the container",
  run: Effect.fnUntraced(function* (world, { quick }) {
    const [cold, sshd] = yield* Effect.all([world.cold, world.sshd])
    const command = "/bin/true"
    const run = yield* world.dockerRun(command, "")
    const crowds: Array<Crowd> = []
    for (const atOnce of quick ? [1, 10] : [1, 10, 50]) {
      const load = { connections: Math.max(atOnce, 5), atOnce }
      crowds.push(yield* crowd("dockerrun", cold.target, { ...load, command }, cold.probe))
      if (atOnce <= 10) crowds.push(yield* crowd("sshd + docker run --rm", sshd, { ...load, command: run }))
    }
    return gather(crowds, [])
  })
}
