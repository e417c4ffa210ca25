import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as failures from "../../examples/failures.ts"
import { countLines, firstJob, run } from "../../examples/job.ts"
import {
  ConnectionId,
  DockerodeDocker,
  DockerRun,
  DockerRunConfig,
  InMemoryDocker,
  InMemoryEngine,
  Logger
} from "../../src/index.ts"
import { inTime } from "../support/Backend.ts"
import { describeEngine, engine } from "../support/Engine.ts"

const image = "dockerrun-test/tiny:1"

const config = DockerRunConfig.layer({
  config: {
    container: { Image: image },
    host: { NetworkMode: "none" },
    shellCommand: ["/bin/sh"],
    imagePullPolicy: "Never"
  }
})

const inMemory = (options: InMemoryDocker.Options) =>
  DockerRun.layer.pipe(Layer.provideMerge([InMemoryDocker.layer(options), config, Logger.layer]))

/** `wc -l` for an engine that has no real programs. */
const wc: InMemoryDocker.SimulatedProgram = ({ stdin, stdout }) =>
  stdin.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.runCount,
    Effect.flatMap((lines) => stdout.write(`${lines}\n`)),
    Effect.as(0)
  )

/** The failures of a job that had a minute and a half of virtual time, or its result. */
const outcome = <A, E, R>(job: Effect.Effect<A, E, R>) =>
  Effect.map(inTime(job, 90), ({ exit }) =>
    Exit.isSuccess(exit) ? exit.value : exit.cause.reasons.filter(Cause.isFailReason).map(({ error }) => error)
  )

const assertNothingLeft = Effect.gen(function* () {
  const { containers, removed } = yield* InMemoryEngine
  assert.lengthOf(yield* containers, 0)
  assert.lengthOf(yield* removed, 1)
})

describe("examples/job.ts, on an engine in memory", () => {
  it.effect("counts the lines and leaves no container", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* outcome(firstJob), { lines: ["2"], exitStatus: 0 })
      yield* assertNothingLeft
    }).pipe(Effect.provide(inMemory({ images: { [image]: { programs: { wc } } } })))
  )

  it.effect("ends with its program, also when the input goes on for ever", () =>
    Effect.gen(function* () {
      const endless = Stream.forever(Stream.make(new Uint8Array(1000)))
      const result = yield* outcome(run({ id: ConnectionId.make("00c0ffee"), command: "echo done" }, endless))
      assert.deepStrictEqual(result, { lines: ["done"], exitStatus: 0 })
      yield* assertNothingLeft
    }).pipe(Effect.provide(inMemory({ images: { [image]: {} } })))
  )

  it.effect("fails with its input, whose end the program never sees, and leaves no container", () =>
    Effect.gen(function* () {
      const broken = Stream.concat(Stream.make(new Uint8Array(1000)), Stream.fail("disk full"))
      assert.deepStrictEqual(yield* outcome(run({ id: ConnectionId.make("00c0ffee"), command: "cat" }, broken)), [
        "disk full"
      ])
      yield* assertNothingLeft
    }).pipe(Effect.provide(inMemory({ images: { [image]: {} } })))
  )
})

describe("examples/failures.ts", () => {
  it.effect("meets a missing image with advice", () =>
    Effect.gen(function* () {
      const advice = `first run: docker pull ${image}`
      assert.deepStrictEqual(yield* outcome(failures.withoutImage), { lines: [advice], exitStatus: 125 })
    }).pipe(Effect.provide(inMemory({})))
  )

  it.effect("passes on what nobody met", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(failures.status)
      assert.strictEqual(error.code, "DOCKERRUN_IMAGE_MISSING")
    }).pipe(Effect.provide(inMemory({})))
  )

  it.effect("gives the status of a program that is not there", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* outcome(failures.status), 127)
    }).pipe(Effect.provide(inMemory({ images: { [image]: {} } })))
  )

  it.effect("says what a slow engine was asked", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* outcome(failures.status), "slow: start")
    }).pipe(
      Effect.provide(
        inMemory({ images: { [image]: {} }, faults: [{ operation: "startContainer", effect: { _tag: "Hang" } }] })
      )
    )
  )
})

describeEngine("examples/job.ts, on the real engine", () => {
  it.live("counts the lines of an input that is larger than every buffer", () =>
    Effect.gen(function* () {
      const result = yield* countLines(ConnectionId.make("00c0ffee00c0ffee"), "line\n".repeat(500_000))
      assert.deepStrictEqual(result, { lines: ["500000"], exitStatus: 0 })
    }).pipe(
      Effect.provide(
        DockerRun.layer.pipe(Layer.provide([DockerodeDocker.layerHost({ host: engine().host }), config, Logger.layer]))
      )
    )
  )
})
