import { assert, describe, it } from "@effect/vitest"
import * as InputBuffer from "../../../src/layers/embedded/InputBuffer.ts"
import type { Amount } from "../../../src/layers/embedded/Protocol.ts"

const bytes = (text: string) => new TextEncoder().encode(text)

const make = (endsOnce: boolean) => {
  const buffer = InputBuffer.make({ endsOnce, onRead: () => {} })
  return {
    buffer,
    /** What one reader is given, in parts; the last is marked. */
    read: (amount: Amount) => {
      const parts: Array<string> = []
      buffer.want(amount, (part, isLast) => parts.push(`${new TextDecoder().decode(part)}${isLast ? "." : ""}`))
      return parts
    }
  }
}

describe("input that waits for a reader", () => {
  it("gives one line at a time, wherever the pieces were cut", () => {
    const { buffer, read } = make(false)
    buffer.push(bytes("on"))
    const first = read("line")
    assert.deepStrictEqual(first, [])
    buffer.push(bytes("e\ntwo\nth"))
    assert.deepStrictEqual(first, ["one\n."])
    assert.deepStrictEqual(read("line"), ["two\n."])
    buffer.end()
    assert.deepStrictEqual(read("line"), ["th."])
    assert.deepStrictEqual(read("line"), ["."])
    assert.deepStrictEqual(read("line"), ["."], "the end of a pipe stays")
  })

  it("gives all, as it comes, until the end", () => {
    const { buffer, read } = make(false)
    buffer.push(bytes("a"))
    const all = read("all")
    buffer.push(bytes("b"))
    assert.deepStrictEqual(all, ["a", "b"])
    buffer.end()
    assert.deepStrictEqual(all, ["a", "b", "."])
  })

  it("gives what is there, and nothing at the end", () => {
    const { buffer, read } = make(false)
    const some = read("some")
    buffer.push(bytes("a\nb"))
    assert.deepStrictEqual(some, ["a\nb."])
    buffer.end()
    assert.deepStrictEqual(read("some"), ["."])
  })

  it("takes the end that was typed on a terminal for one reader only", () => {
    const { buffer, read } = make(true)
    buffer.push(bytes("a\n"))
    buffer.end()
    assert.deepStrictEqual(read("all"), ["a\n."])
    const next = read("line")
    assert.deepStrictEqual(next, [])
    buffer.push(bytes("b\n"))
    assert.deepStrictEqual(next, ["b\n."])
  })

  it("keeps for the prompt what no program has read", () => {
    const { buffer, read } = make(true)
    buffer.push(bytes("ahead\n"))
    buffer.end()
    assert.strictEqual(new TextDecoder().decode(buffer.rest()), "ahead\n")
    buffer.cancel()
    assert.deepStrictEqual(read("some"), [])
    assert.strictEqual(buffer.size(), 0)
  })
})
