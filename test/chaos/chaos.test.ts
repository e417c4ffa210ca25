import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describeEngine } from "../support/Engine.ts"
import { campaign } from "./Campaign.ts"
import * as Endurance from "./Endurance.ts"
import { describePlan, draw, isHit } from "./Plan.ts"
import { privateEngine } from "./PrivateEngine.ts"

/** Between them: each fault, the pool and the waiting programs on and off, one process and two, two of the modes. */
const seeds = [0, 6, 23]

it("a seed is a plan, always the same", () => {
  assert.deepStrictEqual(draw(7), draw(7))
  assert.notDeepEqual(draw(7), draw(8))
  const plans = Array.from({ length: 100 }, (_, seed) => draw(seed))
  const hit = (part: "Server" | "Engine") => plans.filter((plan) => isHit(plan, part)).length
  for (const part of ["Server", "Engine"] as const) assert.isTrue(hit(part) > 10 && hit(part) < 60, part)
})

describe("connection after connection", () => {
  it.live(
    "through one server on an engine in memory: nothing grows",
    () => Endurance.inMemory({ connections: 300, atOnce: 10, batch: 100, say: () => {} }),
    120_000
  )
})

// An engine of its own: it is ended in the course of this.
describeEngine("chaos", () => {
  it.live(
    `leaves nothing, loses nothing, and is explained by the log: seeds ${seeds.join(", ")}`,
    () =>
      Effect.gen(function* () {
        const engine = yield* privateEngine()
        const said: Array<string> = []
        const { failures, rounds } = yield* campaign(engine, {
          seeds,
          minutes: 5,
          shrinks: false,
          say: (text) => said.push(text)
        })
        assert.deepStrictEqual(
          failures.map(({ error, plan }) => `${error.message}\n${describePlan(plan)}`),
          []
        )
        assert.strictEqual(rounds.length, seeds.length)
        process.stdout.write(`${said.join("\n")}\n`)
        yield* Endurance.onEngine(engine, { connections: 30, atOnce: 3, batch: 10, say: () => {} })
      }),
    300_000
  )
})
