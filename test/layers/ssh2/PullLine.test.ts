import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as PullLine from "../../../src/layers/ssh2/PullLine.ts"

const erase = "\r\u001B[K"

describe("PullLine", () => {
  it.each([
    [{ layers: 0, layersDone: 0, current: 0, total: 0 }, "0/0 layers"],
    [{ layers: 3, layersDone: 1, current: 0, total: 0 }, "1/3 layers"],
    [{ layers: 3, layersDone: 1, current: 1_234_567, total: 98_765_432 }, "1/3 layers, 1.2/98.8 MB"],
    [{ layers: 1, layersDone: 1, current: 2_500_000_000, total: 2_500_000_000 }, "1/1 layers, 2500.0/2500.0 MB"]
  ] as const)("%j is %s", (summary, words) => {
    assert.strictEqual(PullLine.draw("demo/x:1", summary, 200), `${erase}dockerrun: pulling demo/x:1: ${words}`)
  })

  it("is erased as it is redrawn: from the start of the line", () => {
    assert.strictEqual(PullLine.erase, erase)
  })

  const Count = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5_000_000_000 }))

  it.effect.prop(
    "never wraps, whatever the terminal's width: a wrapped line could not be erased",
    { columns: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 300 })), current: Count, total: Count },
    ({ columns, current, total }) =>
      Effect.sync(() => {
        const line = PullLine.draw("registry:5000/demo/image:1", { layers: 7, layersDone: 2, current, total }, columns)
        assert.isTrue(line.startsWith(erase))
        const visible = line.slice(erase.length)
        assert.isAtMost(visible.length, Math.max(columns - 1, 0))
        assert.notMatch(visible, /\p{Cc}/u)
        assert.isTrue("dockerrun: pulling registry:5000/demo/image:1: 2/7 layers".startsWith(visible.slice(0, 57)))
      })
  )
})
