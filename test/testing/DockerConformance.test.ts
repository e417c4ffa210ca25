import { assert, describe, it } from "@effect/vitest"
import { conformanceCases } from "../../src/testing/index.ts"

const images = { shell: "a:1", withoutShell: "b:1", notExecutable: "/c" }
const names = (unclaimed: ReadonlyArray<string>) =>
  conformanceCases({ images, unclaimed }).map(({ group, name }) => `${group}: ${name}`)

describe("conformanceCases", () => {
  it("leaves out what is unclaimed, and nothing else", () => {
    const all = names([])
    const one = "terminals: make a signal of ctrl-C"
    assert.include(all, one)
    assert.deepStrictEqual(
      names([one]),
      all.filter((name) => name !== one)
    )
  })

  it("refuses a name that no case has: such a list would go stale unseen", () => {
    assert.throws(() => names(["terminals: sing"]), RangeError, "terminals: sing")
  })

  it("has no two cases of one name", () => {
    const all = names([])
    assert.strictEqual(new Set(all).size, all.length)
  })
})
