/** What a connection costs that does nothing. */
import * as Effect from "effect/Effect"
import { pause } from "../../test/support/Deadline.ts"
import { residentMemory } from "../../test/support/ProcessTable.ts"
import type { Case, Figure } from "../Case.ts"
import { runLoad } from "../LoadRun.ts"

const kibibyte = 1024

export const memory: Case = {
  name: "memory",
  title: "Memory and CPU of idle connections, engine in memory",
  run: Effect.fnUntraced(function* (world, { quick }) {
    const server = yield* world.inMemory()
    // The base is a server that has served already, with nobody on it.
    yield* Effect.scoped(runLoad(server.target, { connections: 100, atOnce: 10 }))
    yield* pause(2_000)
    const base = residentMemory(server.pid)
    const contender = "dockerrun, engine in memory"
    const figures: Array<Figure> = [{ quantity: "base", contender, unit: "KiB", samples: [base / kibibyte] }]
    let held = 0
    let perConnection = Number.NaN
    for (const count of quick ? [100, 1_000] : [100, 1_000, 5_000]) {
      const { failures } = yield* runLoad(server.target, { connections: count - held, atOnce: 20, hold: true })
      held = count - failures.length
      yield* pause(2_000)
      perConnection = (residentMemory(server.pid) - base) / held / kibibyte
      figures.push({ quantity: `per connection at ${count}`, contender, unit: "KiB", samples: [perConnection] })
    }
    yield* server.probe
    yield* pause(5_000)
    const { cpuMilliseconds, heapUsed } = yield* server.probe
    figures.push(
      { quantity: `CPU of ${held} idle connections`, contender, unit: "ms/s", samples: [cpuMilliseconds / 5] },
      { quantity: "heap in use", contender, unit: "KiB", samples: [heapUsed / kibibyte] }
    )
    return {
      figures,
      bars: [
        {
          name: `resident memory per idle connection at ${held}`,
          value: perConnection,
          limit: 120,
          sense: "at most",
          unit: "KiB"
        }
      ],
      notes: ["The memory of the containers in the engine in memory is in these figures."]
    }
  })
}
