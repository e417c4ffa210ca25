import { assert, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Socket } from "node:net"
import * as DockerodeDocker from "../../../src/layers/DockerodeDocker.ts"
import { ExecId } from "../../../src/schema/Identifiers.ts"
import type { ByteSink } from "../../../src/services/ByteSink.ts"
import { Docker } from "../../../src/services/Docker.ts"
import { makeCollector } from "../../fixtures/EngineProgram.ts"
import { frame, socketPath, streaming } from "../../fixtures/FakeEngine.ts"
import { pause, waitFor } from "../../support/Deadline.ts"

/** Starts an exec on a fake engine and hands both ends of its stream to the test. */
const startOn = Effect.fnUntraced(function* (options: {
  readonly tty?: boolean
  readonly stdout: ByteSink
  readonly stderr: ByteSink
}) {
  const path = yield* socketPath
  const accepted = yield* Deferred.make<Socket>()
  yield* streaming(path, (socket) => Deferred.doneUnsafe(accepted, Effect.succeed(socket)))
  const docker = Context.get(yield* Layer.build(DockerodeDocker.layerHost({ host: `unix://${path}` })), Docker)
  const streams = yield* docker.startExec(ExecId.make("0123"), {
    tty: options.tty ?? false,
    output: { stdout: options.stdout, stderr: options.stderr }
  })
  return { streams, engineSide: yield* Deferred.await(accepted) }
})

it.live("a new size of a terminal comes after its first one, however long the engine does not take that", () =>
  Effect.gen(function* () {
    const path = yield* socketPath
    const asked: Array<number> = []
    const taken: Array<number> = []
    const takesSize = ({ columns }: { readonly columns: number }) => {
      asked.push(columns)
      if (asked.length > 6) taken.push(columns)
      return asked.length > 6
    }
    yield* streaming(path, () => {}, takesSize)
    const docker = Context.get(yield* Layer.build(DockerodeDocker.layerHost({ host: `unix://${path}` })), Docker)
    const output = { stdout: makeCollector().sink, stderr: makeCollector().sink }
    const id = ExecId.make("0123")
    yield* docker.startExec(id, { tty: true, size: { columns: 80, rows: 24 }, output })
    yield* waitFor(
      "the engine to be asked",
      Effect.sync(() => asked.length > 2)
    )
    yield* docker.resizeExec(id, { columns: 132, rows: 43 })
    assert.include(asked, 80)
    assert.strictEqual(taken.at(-1), 132)
    assert.notInclude(taken, 80)
  })
)

/** A sink that takes what it gets and asks for a pause until it is released. */
const makeSlow = () => {
  let length = 0
  let full = true
  let drain = () => {}
  const sink: ByteSink = {
    write: (chunk) => {
      length += chunk.byteLength
      return !full
    },
    end: () => {},
    onDrain: (callback) => {
      drain = callback
    }
  }
  return {
    sink,
    length: () => length,
    release: () => {
      full = false
      drain()
    }
  }
}

it.effect("what the engine said before it closed still arrives when the input meets a closed connection", () =>
  Effect.gen(function* () {
    for (const size of [100, 70_000, 150_000]) {
      const stdout = makeSlow()
      const { engineSide, streams } = yield* startOn({ stdout: stdout.sink, stderr: makeCollector().sink })
      streams.stdin.write(Buffer.from("never read"))
      yield* Effect.callback<void>((resume) => {
        const payload = new Uint8Array(10_000)
        for (let sent = 0; sent < size; sent += 10_000) {
          engineSide.write(frame(1, payload.subarray(0, Math.min(10_000, size - sent))))
        }
        // Unread input makes the close of a Unix socket a reset for its peer.
        engineSide.write(frame(2, new Uint8Array(3)), () => {
          engineSide.destroy()
          engineSide.once("close", () => resume(Effect.void))
        })
      })
      for (let i = 0; i < 5; i++) {
        streams.stdin.write(Buffer.from("too late"))
        yield* pause(5)
      }
      streams.stdin.end()
      stdout.release()
      yield* streams.ended
      assert.strictEqual(stdout.length(), size)
    }
  })
)

it.effect("a stream that ends inside a frame is a broken connection", () =>
  Effect.gen(function* () {
    const stdout = makeCollector()
    const { engineSide, streams } = yield* startOn({ stdout: stdout.sink, stderr: makeCollector().sink })
    engineSide.end(frame(1, Buffer.from("half of it")).subarray(0, 12))
    const error = yield* Effect.flip(streams.ended)
    assert.strictEqual(error.reason._tag, "Unreachable")
    assert.strictEqual(stdout.text(), "half")
    assert.strictEqual(stdout.timesEnded(), 0)
  })
)

it.effect("a stream that is not multiplexed is an unexpected answer, and nothing of it is shown", () =>
  Effect.gen(function* () {
    const stdout = makeCollector()
    const { engineSide, streams } = yield* startOn({ stdout: stdout.sink, stderr: makeCollector().sink })
    engineSide.write("Welcome to the machine\r\n")
    const error = yield* Effect.flip(streams.ended)
    assert.strictEqual(error.reason._tag, "UnexpectedAnswer")
    assert.strictEqual(stdout.text(), "")
  })
)

it.effect("one sink may take both outputs, in their order, with back-pressure", () =>
  Effect.gen(function* () {
    const both = makeSlow()
    const { engineSide, streams } = yield* startOn({ stdout: both.sink, stderr: both.sink })
    engineSide.write(frame(1, new Uint8Array(400_000)))
    engineSide.end(frame(2, new Uint8Array(400_000)))
    yield* pause(50)
    // What one read brings is on its way before the pause.
    assert.isBelow(both.length(), 400_000)
    both.release()
    yield* streams.ended
    assert.strictEqual(both.length(), 800_000)
  })
)

it.effect("all streams are read into one buffer, and who keeps what it got keeps its own", () =>
  Effect.gen(function* () {
    const kept = [makeCollector(), makeCollector()]
    const programs = yield* Effect.forEach(kept, ({ sink }) => startOn({ stdout: sink, stderr: makeCollector().sink }))
    for (let index = 0; index < 20; index += 1) {
      for (const { engineSide } of programs) engineSide.write(frame(1, Buffer.from(`${index},`)))
      yield* pause(2)
    }
    for (const { engineSide, streams } of programs) {
      engineSide.end()
      yield* streams.ended
    }
    const numbers = Array.from({ length: 20 }, (_, index) => `${index},`).join("")
    assert.deepStrictEqual(
      kept.map((one) => one.text()),
      [numbers, numbers]
    )
  })
)

it.effect("what the engine sends together with its answer is not lost", () =>
  Effect.gen(function* () {
    const stdout = makeCollector()
    const { engineSide, streams } = yield* startOn({ stdout: stdout.sink, stderr: makeCollector().sink, tty: true })
    engineSide.end("raw bytes")
    yield* streams.ended
    assert.strictEqual(stdout.text(), "raw bytes")
    assert.strictEqual(stdout.timesEnded(), 1)
  })
)

it.effect("input in pieces of any size is whole, though its bytes are the writer's again at once, and held back", () =>
  Effect.gen(function* () {
    const { engineSide, streams } = yield* startOn({ stdout: makeCollector().sink, stderr: makeCollector().sink })
    assert.isTrue(streams.stdin.copies)
    const shared = Buffer.alloc(300_000)
    const expected: Array<Buffer> = []
    let drains = 0
    streams.stdin.onDrain(() => (drains += 1))
    const write = (length: number) => {
      const chunk = shared.fill(expected.length).subarray(0, length)
      expected.push(Buffer.from(chunk))
      return streams.stdin.write(chunk)
    }
    // A key press among bulk, and more than a buffer holds: all of it stays in its order.
    for (const length of [1, 5000, 2, 40_000, 131_072, 3, 131_071, 4]) write(length)
    while (write(200_000)) assert.isBelow(expected.length, 20)
    assert.strictEqual(drains, 0)
    const received: Array<Buffer> = []
    let hasEnded = false
    engineSide.on("data", (chunk: Buffer) => received.push(chunk))
    engineSide.on("end", () => (hasEnded = true))
    engineSide.resume()
    yield* waitFor(
      "room",
      Effect.sync(() => drains === 1)
    )
    for (const length of [100_000, 6000, 5]) write(length)
    streams.stdin.end()
    yield* waitFor(
      "the end of the input",
      Effect.sync(() => hasEnded)
    )
    assert.isTrue(Buffer.concat(received).equals(Buffer.concat(expected)))
  })
)
