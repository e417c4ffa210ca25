import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as MultiplexedStream from "../../../src/layers/dockerode/MultiplexedStream.ts"
import { frame } from "../../fixtures/FakeEngine.ts"

const Frames = Schema.Array(
  Schema.Struct({
    type: Schema.Literals([0, 1, 2]),
    payload: Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 })))
  })
)
const Cuts = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 40 })))

type Frames = typeof Frames.Type

/** What came out, one entry for each run of bytes of the same kind, so that cuts do not show. */
const makeRecord = () => {
  const runs: Array<{ readonly kind: string; bytes: Array<number> }> = []
  const add = (kind: string) => (payload: Uint8Array) => {
    if (payload.length === 0) return
    const last = runs.at(-1)
    if (last?.kind === kind) last.bytes.push(...payload)
    else runs.push({ kind, bytes: [...payload] })
  }
  return { runs, payloads: { stdout: add("stdout"), stderr: add("stderr") } }
}

const expected = (frames: Frames) => {
  const record = makeRecord()
  for (const { payload, type } of frames) {
    const receive = type === 2 ? record.payloads.stderr : record.payloads.stdout
    receive(Uint8Array.from(payload))
  }
  return record.runs
}

const encode = (frames: Frames) =>
  Buffer.concat(frames.map(({ payload, type }) => frame(type, Uint8Array.from(payload))))

const decode = (bytes: Uint8Array, cuts: ReadonlyArray<number>) => {
  const record = makeRecord()
  const demultiplexer = MultiplexedStream.make(record.payloads)
  let at = 0
  for (let i = 0; at < bytes.length; i++) {
    const end = at + (cuts.length === 0 ? bytes.length : (cuts[i % cuts.length] ?? 1))
    assert.isUndefined(demultiplexer.write(bytes.subarray(at, end)))
    at = end
  }
  return { runs: record.runs, isComplete: demultiplexer.isComplete() }
}

describe("MultiplexedStream", () => {
  it.effect.prop(
    "gives the same output wherever the stream is cut",
    { frames: Frames, cuts: Cuts },
    ({ cuts, frames }) =>
      Effect.sync(() => {
        const result = decode(encode(frames), cuts)
        assert.deepStrictEqual(result.runs, expected(frames))
        assert.isTrue(result.isComplete)
      })
  )

  it.effect.prop("one byte at a time", { frames: Frames }, ({ frames }) =>
    Effect.sync(() => {
      assert.deepStrictEqual(decode(encode(frames), [1]).runs, expected(frames))
    })
  )

  it("cut in two at every place, it knows when it is not complete", () => {
    const bytes = Buffer.concat([
      frame(1, Buffer.from("hello")),
      frame(2, Buffer.from("")),
      frame(2, Buffer.from("oh"))
    ])
    const boundaries = [0, 13, 21, bytes.length]
    for (let cut = 0; cut <= bytes.length; cut++) {
      const record = makeRecord()
      const demultiplexer = MultiplexedStream.make(record.payloads)
      assert.isUndefined(demultiplexer.write(bytes.subarray(0, cut)))
      assert.strictEqual(demultiplexer.isComplete(), boundaries.includes(cut), `cut at ${cut}`)
      assert.isUndefined(demultiplexer.write(bytes.subarray(cut)))
      assert.deepStrictEqual(
        record.runs.map(({ bytes, kind }) => [kind, Buffer.from(bytes).toString()]),
        [
          ["stdout", "hello"],
          ["stderr", "oh"]
        ]
      )
    }
  })

  it("passes slices on, not copies", () => {
    const bytes = frame(1, new Uint8Array(1000))
    let seen: Uint8Array | undefined
    MultiplexedStream.make({ stdout: (payload) => (seen = payload), stderr: () => {} }).write(bytes)
    assert.strictEqual(seen?.buffer, bytes.buffer)
  })

  it("refuses what is no such stream", () => {
    for (const header of [[3, 0, 0, 0, 0, 0, 0, 1], [1, 0, 0, 1, 0, 0, 0, 1], [...Buffer.from("HTTP/1.1")]]) {
      const record = makeRecord()
      const demultiplexer = MultiplexedStream.make(record.payloads)
      assert.isUndefined(demultiplexer.write(Uint8Array.from(header.slice(0, 5))))
      assert.include(demultiplexer.write(Uint8Array.from(header.slice(5))), "not one of a multiplexed stream")
      assert.deepStrictEqual(record.runs, [])
    }
  })
})
