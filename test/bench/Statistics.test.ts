import { assert, describe, it } from "@effect/vitest"
import { median, pairedRatio, quantile, summarize } from "../../bench/Statistics.ts"

describe("Statistics", () => {
  it("the median is the middle one, or lies between the two in the middle", () => {
    assert.strictEqual(median([9, 1, 5]), 5)
    assert.strictEqual(median([4, 1, 2, 3]), 2.5)
    assert.strictEqual(median([7]), 7)
  })

  it("quantiles are interpolated, and the order of the samples does not matter", () => {
    const hundred = Array.from({ length: 101 }, (_, index) => 100 - index)
    assert.strictEqual(quantile(hundred, 0.1), 10)
    assert.strictEqual(quantile(hundred, 0.99), 99)
    assert.strictEqual(quantile([0, 10], 0.25), 2.5)
    assert.deepStrictEqual([quantile(hundred, 0), quantile(hundred, 1)], [0, 100])
  })

  it("of nothing there is no median", () => {
    assert.isNaN(median([]))
    assert.strictEqual(summarize([]).count, 0)
  })

  it("a numeric order, not that of texts", () => {
    assert.strictEqual(median([10, 9, 100]), 10)
  })

  it("a turn in which everything was slow does not change the ratio", () => {
    assert.strictEqual(pairedRatio([10, 1000, 10], [20, 2000, 20]), 0.5)
  })

  it("turns that only one of the two has are left out, and so is a division by zero", () => {
    assert.strictEqual(pairedRatio([1, 2, 3], [2, 4]), 0.5)
    assert.strictEqual(pairedRatio([1, 2], [0, 4]), 0.5)
  })
})
