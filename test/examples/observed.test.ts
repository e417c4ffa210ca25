import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as References from "effect/References"
import * as TestClock from "effect/testing/TestClock"
import * as Tracer from "effect/Tracer"
import * as Fiber from "effect/Fiber"
import { observedBackend, pagingLogger, starts, startSeconds } from "../../examples/observed.ts"
import { ConnectionId, DockerRun, DockerRunConfig, type Fault, InMemoryDocker } from "../../src/index.ts"

const image = "observed/image:1"

const setting = (faults: ReadonlyArray<Fault>) => {
  const pages: Array<string> = []
  const spans: Array<Tracer.Span> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  const backend = observedBackend.pipe(
    Layer.provide([
      InMemoryDocker.layer({ images: { [image]: {} }, faults }),
      DockerRunConfig.layer({ config: { container: { Image: image }, shellCommand: ["/bin/sh"] } }),
      pagingLogger((code) => Effect.sync(() => void pages.push(code)))
    ]),
    Layer.provideMerge(Layer.succeed(Tracer.Tracer, tracer)),
    // Metrics of this test alone.
    Layer.provideMerge(Layer.succeed(Metric.MetricRegistry, new Map()))
  )
  return { backend, pages, spans }
}

/** Connects, and lets so much time pass. */
const connectFor = (seconds: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { connect } = yield* DockerRun
      const client = { connectionId: ConnectionId.make("0b5e12ed"), username: "ada", address: "192.0.2.1" }
      const waiting = yield* Effect.forkChild(Effect.exit((yield* connect(client)).container))
      yield* TestClock.adjust(`${seconds} seconds`)
      return yield* Fiber.join(waiting)
    })
  )

describe("examples/observed.ts", () => {
  const slow = setting([{ operation: "startContainer", effect: { _tag: "Delay", duration: "2 seconds" } }])

  it.effect("a start is counted, timed and traced", () =>
    Effect.gen(function* () {
      yield* connectFor(5)
      const counted = yield* Metric.value(Metric.withAttributes(starts, { outcome: "started" }))
      assert.strictEqual(counted.count, 1)
      const timed = yield* Metric.value(startSeconds)
      assert.deepInclude(timed, { count: 1, min: 2, max: 2 })
      const span = slow.spans.find(({ name }) => name === "container.start")
      assert.strictEqual(span?.status._tag, "Ended")
      assert.match(String(span?.attributes.get("container.id")), /^[0-9a-f]+$/u)
      assert.deepStrictEqual(slow.pages, [])
    }).pipe(Effect.provide(slow.backend))
  )

  const broken = setting([{ operation: "startContainer", effect: { _tag: "Hang" } }])

  it.effect("a start that fails is counted as such, and somebody is called", () =>
    Effect.gen(function* () {
      yield* connectFor(70)
      const counted = yield* Metric.value(Metric.withAttributes(starts, { outcome: "failed" }))
      assert.strictEqual(counted.count, 1)
      assert.deepStrictEqual(broken.pages, ["DOCKERRUN_TIMEOUT"])
    }).pipe(Effect.provide(broken.backend), Effect.provideService(References.MinimumLogLevel, "None"))
  )
})
