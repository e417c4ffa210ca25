import { assert, describe, it } from "@effect/vitest"
import type { ByteSink } from "../../src/services/ByteSink.ts"
import * as EndMark from "../../src/services/EndMark.ts"

const mark = "0123456789abcdef"

/** Writes the pieces, and gives what came out and whether the mark was seen. */
const pass = (pieces: ReadonlyArray<string>) => {
  let out = ""
  let isMarked = false
  let isEnded = false
  const sink: ByteSink = {
    write: (chunk) => {
      out += new TextDecoder().decode(chunk)
      return true
    },
    end: () => {
      isEnded = true
    },
    onDrain: () => {}
  }
  const marked = EndMark.make(sink, new TextEncoder().encode(mark), () => {
    isMarked = true
  })
  for (const piece of pieces) marked.write(new TextEncoder().encode(piece))
  const before = { out, isMarked }
  marked.end()
  return { ...before, rest: out.slice(before.out.length), isEnded }
}

describe("the mark at the end of an output", () => {
  it("is taken away, wherever the pieces of the output are cut", () => {
    const text = `hello 0123 01234567${mark}`
    for (let size = 1; size <= text.length; size += 1) {
      const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, index) =>
        text.slice(index * size, (index + 1) * size)
      )
      assert.deepStrictEqual(pass(pieces), {
        out: "hello 0123 01234567",
        isMarked: true,
        rest: "",
        isEnded: true
      })
    }
  })

  it("is not seen in what only begins like it, which comes at the end at the latest", () => {
    assert.deepStrictEqual(pass(["abc 01234567"]), { out: "abc ", isMarked: false, rest: "01234567", isEnded: true })
    assert.deepStrictEqual(pass(["01234567", "8x"]), { out: "012345678x", isMarked: false, rest: "", isEnded: true })
    assert.deepStrictEqual(pass(["0123", "a long piece of output"]).out, "0123a long piece of output")
  })
})
