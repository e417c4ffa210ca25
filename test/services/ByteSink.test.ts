import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as ByteSink from "../../src/services/ByteSink.ts"
import { waitFor } from "../support/Deadline.ts"

const bytes = (length: number, value = 0) => new Uint8Array(length).fill(value)
const all = (stream: Stream.Stream<Uint8Array>) =>
  Effect.map(Stream.runCollect(stream), (chunks) => Buffer.concat(chunks))

const Sizes = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 300 })))
const Capacity = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 500 }))

/** Bytes that tell where they belong. */
const numbered = (sizes: ReadonlyArray<number>) => {
  let next = 0
  return sizes.map((size) => Uint8Array.from({ length: size }, () => next++ % 251))
}

describe("ByteSink.makePipe", () => {
  it.effect("what is written comes out, to the end, the written chunks themselves", () =>
    Effect.gen(function* () {
      const { sink, stream } = yield* ByteSink.makePipe()
      const [one, two] = [Buffer.from("ab"), Buffer.from("c")]
      assert.isTrue(sink.write(one))
      assert.isTrue(sink.write(new Uint8Array(0)))
      assert.isTrue(sink.write(two))
      sink.end()
      sink.end()
      const chunks = yield* Stream.runCollect(stream)
      assert.strictEqual(chunks.length, 2)
      assert.strictEqual(chunks[0], one, "not a copy")
      assert.strictEqual(chunks[1], two)
    })
  )

  it.effect("asks for a pause at its capacity, 64 KiB unless told, and keeps what comes all the same", () =>
    Effect.gen(function* () {
      const { sink, stream } = yield* ByteSink.makePipe()
      assert.isTrue(sink.write(bytes(65_535)))
      assert.isFalse(sink.write(bytes(1)))
      assert.isFalse(sink.write(bytes(10)))
      sink.end()
      assert.strictEqual((yield* all(stream)).length, 65_546)

      const small = yield* ByteSink.makePipe({ capacity: 4 })
      assert.isTrue(small.sink.write(bytes(3)))
      assert.isFalse(small.sink.write(bytes(1)))
    })
  )

  it.effect("drains once for each pause, when less than its capacity waits", () =>
    Effect.gen(function* () {
      const { sink, stream } = yield* ByteSink.makePipe({ capacity: 10 })
      let drained = 0
      sink.onDrain(() => {
        drained += 1
      })
      const pull = yield* Stream.toPull(Stream.rechunk(stream, 1))
      sink.write(bytes(3))
      yield* pull
      assert.strictEqual(drained, 0, "nobody was asked to wait")
      for (const size of [6, 6, 6]) sink.write(bytes(size))
      yield* pull
      assert.strictEqual(drained, 0, "12 of 10 bytes still wait")
      yield* pull
      assert.strictEqual(drained, 1)
      yield* pull
      assert.strictEqual(drained, 1)
      sink.write(bytes(10))
      yield* pull
      assert.strictEqual(drained, 2)
    }).pipe(Effect.scoped)
  )

  it.effect("has one drain callback: the last", () =>
    Effect.gen(function* () {
      const { sink, stream } = yield* ByteSink.makePipe({ capacity: 1 })
      const called: Array<string> = []
      sink.onDrain(() => called.push("first"))
      sink.onDrain(() => called.push("last"))
      sink.write(bytes(1))
      sink.end()
      yield* Stream.runDrain(stream)
      assert.deepStrictEqual(called, ["last"])
    })
  )

  it.effect("drops what is written after the end, and lets nobody wait for it", () =>
    Effect.gen(function* () {
      const { sink, stream } = yield* ByteSink.makePipe({ capacity: 1 })
      assert.isFalse(sink.write(Buffer.from("kept")))
      sink.end()
      assert.isTrue(sink.write(Buffer.from("dropped")))
      assert.strictEqual((yield* all(stream)).toString(), "kept")
      assert.isTrue(sink.write(Buffer.from("dropped")))
    })
  )

  it.effect("the stream waits for bytes, and for the end", () =>
    Effect.gen(function* () {
      const { sink, stream } = yield* ByteSink.makePipe()
      const reading = yield* Effect.forkChild(all(stream), { startImmediately: true })
      sink.write(Buffer.from("a"))
      yield* Effect.yieldNow
      assert.isUndefined(reading.pollUnsafe())
      sink.write(Buffer.from("b"))
      sink.end()
      assert.strictEqual((yield* Fiber.join(reading)).toString(), "ab")
    })
  )

  it.effect.prop(
    "a writer that heeds it never has more than the capacity and one chunk wait, and all bytes arrive in order",
    { sizes: Sizes, capacity: Capacity },
    ({ capacity, sizes }) =>
      Effect.gen(function* () {
        const { sink, stream } = yield* ByteSink.makePipe({ capacity })
        const chunks = numbered(sizes)
        let index = 0
        let written = 0
        let read = 0
        let most = 0
        const write = () => {
          for (;;) {
            const chunk = chunks[index++]
            if (chunk === undefined) return sink.end()
            written += chunk.length
            most = Math.max(most, written - read)
            if (!sink.write(chunk)) return
          }
        }
        sink.onDrain(write)
        write()
        const received = yield* stream.pipe(
          Stream.tap((chunk) =>
            Effect.sync(() => {
              read += chunk.length
            })
          ),
          all
        )
        assert.deepStrictEqual(received, Buffer.concat(chunks))
        // One chunk is out of the pipe, and with the reader, when the drain is called.
        assert.isBelow(most, capacity + 2 * Math.max(0, ...sizes) + 1)
      })
  )
})

describe("ByteSink.makeAbandonable", () => {
  it("passes bytes and pauses on, until it is abandoned and drops what there is no room for", () => {
    const taken: Array<number> = []
    let hasRoom = true
    let drain = () => {}
    const slow: ByteSink.ByteSink = {
      write: (chunk) => {
        taken.push(chunk.byteLength)
        return hasRoom
      },
      end: () => {},
      onDrain: (callback) => {
        drain = callback
      }
    }
    const { abandon, output } = ByteSink.makeAbandonable({ stdout: slow, stderr: slow })
    assert.strictEqual(output.stdout, output.stderr, "one sink for both outputs stays one")
    let drained = 0
    output.stdout.onDrain(() => (drained += 1))
    assert.isTrue(output.stdout.write(bytes(1)))
    hasRoom = false
    assert.isFalse(output.stdout.write(bytes(2)))
    drain()
    assert.strictEqual(drained, 1)
    assert.isFalse(output.stdout.write(bytes(3)))

    abandon()
    assert.strictEqual(drained, 2, "who waited goes on")
    assert.isTrue(output.stdout.write(bytes(4)))
    assert.deepStrictEqual(taken, [1, 2, 3])
    hasRoom = true
    drain()
    assert.isTrue(output.stdout.write(bytes(5)))
    assert.deepStrictEqual(taken, [1, 2, 3, 5], "a reader that has room again is not forgotten")
  })

  it("has nobody to wake when nobody waits", () => {
    const { abandon, output } = ByteSink.makeAbandonable({ stdout: ByteSink.discard, stderr: ByteSink.discard })
    output.stdout.onDrain(() => assert.fail("nobody waited"))
    assert.isTrue(output.stdout.write(bytes(1)))
    abandon()
  })
})

describe("ByteSink.toSink", () => {
  it.effect("waits for the drain before it takes more, and ends the sink with the stream", () =>
    Effect.gen(function* () {
      const written: Array<number> = []
      let ended = 0
      let drain = () => {}
      const sink: ByteSink.ByteSink = {
        write: (chunk) => {
          written.push(chunk.length)
          return chunk.length < 3
        },
        end: () => {
          ended += 1
        },
        onDrain: (callback) => {
          drain = callback
        }
      }
      const running = yield* Stream.make(bytes(1), bytes(2), bytes(3), bytes(1), bytes(4)).pipe(
        Stream.run(ByteSink.toSink(sink)),
        Effect.forkChild
      )
      const wrote = (count: number) =>
        waitFor(
          `${count} writes`,
          Effect.sync(() => written.length === count)
        )
      yield* wrote(3)
      yield* Effect.yieldNow
      assert.deepStrictEqual(written, [1, 2, 3])
      drain()
      yield* wrote(5)
      assert.strictEqual(ended, 0, "the last chunk waits for its drain")
      drain()
      yield* Fiber.join(running)
      assert.deepStrictEqual([written, ended], [[1, 2, 3, 1, 4], 1])
    })
  )

  it.effect("does not wait for ever when the drain comes within the write", () =>
    Effect.gen(function* () {
      let drain = () => {}
      let count = 0
      const sink: ByteSink.ByteSink = {
        write: () => {
          count += 1
          drain()
          return false
        },
        end: () => {},
        onDrain: (callback) => {
          drain = callback
        }
      }
      yield* Stream.run(Stream.make(bytes(1), bytes(1)), ByteSink.toSink(sink))
      assert.strictEqual(count, 2)
    })
  )

  it.effect("leaves the sink open when the stream fails or is given up: half of an input is not the whole", () =>
    Effect.gen(function* () {
      let ended = 0
      const sink: ByteSink.ByteSink = { ...ByteSink.discard, end: () => void (ended += 1) }
      const failed = yield* Stream.make(bytes(1)).pipe(
        Stream.concat(Stream.fail("broken")),
        Stream.run(ByteSink.toSink(sink)),
        Effect.flip
      )
      assert.deepStrictEqual([failed, ended], ["broken", 0])
      const begun = yield* Deferred.make<void>()
      const running = yield* Stream.fromEffect(Deferred.succeed(begun, undefined)).pipe(
        Stream.drain,
        Stream.concat(Stream.never),
        Stream.run(ByteSink.toSink(sink)),
        Effect.forkChild
      )
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(running)
      assert.strictEqual(ended, 0)
    })
  )

  it.effect.prop(
    "joined to a pipe, a stream is what it was, whatever the capacity",
    { sizes: Sizes, capacity: Capacity },
    ({ capacity, sizes }) =>
      Effect.gen(function* () {
        const { sink, stream } = yield* ByteSink.makePipe({ capacity })
        const chunks = numbered(sizes)
        const writing = yield* Effect.forkChild(Stream.run(Stream.fromIterable(chunks), ByteSink.toSink(sink)))
        assert.deepStrictEqual(yield* all(stream), Buffer.concat(chunks))
        yield* Fiber.join(writing)
      })
  )
})

describe("ByteSink.discard", () => {
  it("never asks to wait", () => {
    ByteSink.discard.onDrain(() => assert.fail("there is nothing to drain"))
    assert.isTrue(ByteSink.discard.write(bytes(1_000_000)))
    ByteSink.discard.end()
    assert.isTrue(ByteSink.discard.write(bytes(1)))
  })
})
