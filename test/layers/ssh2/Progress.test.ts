import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Progress from "../../../src/layers/ssh2/Progress.ts"
import type { ContainerStep } from "../../../src/services/DockerRun.ts"

const erase = "\r\u001B[K"

/** A place that records what was shown there. */
const place = (columns: number | undefined) => {
  const shown: Array<string> = []
  const progress = Progress.make({
    columns: columns === undefined ? undefined : () => columns,
    stdout: (text) => shown.push(`out ${text}`),
    stderr: (text) => shown.push(`err ${text}`)
  })
  return { shown, progress }
}

const queued = (before: number): ContainerStep => ({ _tag: "Queued", before })

describe("Progress", () => {
  it.each([
    [{ layers: 0, layersDone: 0, current: 0, total: 0 }, "0/0 layers"],
    [{ layers: 3, layersDone: 1, current: 0, total: 0 }, "1/3 layers"],
    [{ layers: 3, layersDone: 1, current: 1_234_567, total: 98_765_432 }, "1/3 layers, 1.2/98.8 MB"],
    [{ layers: 1, layersDone: 1, current: 2_500_000_000, total: 2_500_000_000 }, "1/1 layers, 2500.0/2500.0 MB"]
  ] as const)("%j is %s", (summary, words) => {
    assert.strictEqual(Progress.pulling("demo/x:1", summary), `dockerrun: pulling demo/x:1: ${words}`)
  })

  const Count = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 5_000_000_000 }))

  it.effect.prop(
    "never wraps, whatever the terminal's width: a wrapped line could not be erased",
    { columns: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 300 })), current: Count, total: Count },
    ({ columns, current, total }) =>
      Effect.sync(() => {
        const summary = { layers: 7, layersDone: 2, current, total }
        const line = Progress.draw(Progress.pulling("registry:5000/demo/image:1", summary), columns)
        assert.isTrue(line.startsWith(erase))
        const visible = line.slice(erase.length)
        assert.isAtMost(visible.length, Math.max(columns - 1, 0))
        assert.notMatch(visible, /\p{Cc}/u)
        assert.isTrue("dockerrun: pulling registry:5000/demo/image:1: 2/7 layers".startsWith(visible.slice(0, 57)))
      })
  )

  it.effect("at a terminal is one line, redrawn, and gone when the wait is over", () =>
    Effect.gen(function* () {
      const { progress, shown } = place(80)
      yield* progress.follow(Stream.make(queued(2)))
      yield* progress.wait(1)
      yield* progress.wait(0)
      yield* progress.wait(undefined)
      yield* progress.clear
      assert.deepStrictEqual(shown, [
        `out ${erase}dockerrun: waiting for the engine, 2 before you`,
        `out ${erase}`,
        `out ${erase}dockerrun: waiting for the engine, 1 before you`,
        `out ${erase}dockerrun: waiting for the engine, you are next`,
        `out ${erase}`
      ])
    })
  )

  it.effect("elsewhere is a line on standard error for every tenth report, and nothing of a pull", () =>
    Effect.gen(function* () {
      const { progress, shown } = place(undefined)
      const summary = { layers: 3, layersDone: 1, current: 0, total: 0 }
      yield* progress.follow(Stream.make({ _tag: "Pulling", image: "demo/x:1", summary }))
      for (let before = 14; before >= 0; before -= 1) yield* progress.wait(before)
      yield* progress.wait(undefined)
      yield* progress.clear
      assert.deepStrictEqual(shown, [
        "err dockerrun: waiting for the engine, 14 before you\n",
        "err dockerrun: waiting for the engine, 4 before you\n"
      ])
    })
  )
})
