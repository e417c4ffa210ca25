import { assert, describe, it } from "@effect/vitest"
import * as StreamPace from "../../../src/layers/dockerode/StreamPace.ts"

/** Reads of these lengths, so far apart; which of them are followed by a pause. */
const paused = (lengths: ReadonlyArray<number>, apart: number, next = StreamPace.make()) =>
  lengths.map((length, index) => next(length, index * apart) > 0)

const many = (count: number, length: number) => Array.from({ length: count }, () => length)

const piece = 32 * 1024
const full = 224 * 1024

describe("the pace of reading", () => {
  it("short output is read as it comes, and so is what is no stream", () => {
    assert.notInclude(paused([piece, piece, piece, 100], 1), true)
    assert.notInclude(paused(many(50, 1000), 1), true)
    assert.notInclude(paused(many(50, piece), 11), true)
  })

  it("a stream has its pauses, until a line comes or nothing does", () => {
    const next = StreamPace.make()
    assert.deepStrictEqual(paused(many(7, piece), 1, next), [false, false, false, false, true, true, true])
    assert.strictEqual(next(20, 7), 0)
    assert.strictEqual(next(piece, 8), 0)
  })

  it("an engine that fills its socket meanwhile is not kept waiting, for longer each time", () => {
    const next = StreamPace.make()
    const reads = [...many(5, piece), full, ...many(17, piece), full, ...many(33, piece)]
    const pauses = paused(reads, 1, next).flatMap((isPaused, index) => (isPaused ? [index] : []))
    assert.deepStrictEqual(pauses, [4, 22, 56])
  })
})
