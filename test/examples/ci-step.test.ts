import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { runPatiently, runStep } from "../../examples/ci-step.ts"
import { DockerRun, DockerRunConfig, type Fault, InMemoryDocker, InMemoryEngine, Logger } from "../../src/index.ts"
import { BadRequest } from "../../src/schema/DockerError.ts"

const image = "ci/image:1"

const service = (options: InMemoryDocker.Options) =>
  DockerRun.layer.pipe(
    Layer.provideMerge([
      InMemoryDocker.layer(options),
      DockerRunConfig.layer({ config: { container: { Image: image }, shellCommand: ["/bin/sh"] } }),
      Logger.layer
    ])
  )

const present = { [image]: {} }
const gone: Fault = { effect: { _tag: "Gone" } }

describe("examples/ci-step.ts", () => {
  it.effect("a step that fails is a result, with its log", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* runStep("echo tested; exit 2"), { log: "tested\n", exitStatus: 2 })
      assert.deepStrictEqual(yield* (yield* InMemoryEngine).containers, [])
    }).pipe(Effect.provide(service({ images: present })))
  )

  it.effect("an image that no registry has is the person's to mend", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(runStep("true"))
      assert.strictEqual(error._tag, "StepInvalid")
      assert.strictEqual(error.message, "there is no image ci/image:1: check its spelling")
    }).pipe(Effect.provide(service({})))
  )

  it.effect("so is a program that the image does not have", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(runStep("/usr/bin/make"))
      assert.strictEqual(error._tag, "StepInvalid")
      assert.strictEqual(error.message, "the image has no /usr/bin/make")
    }).pipe(Effect.provide(service({ images: present })))
  )

  it.effect("what the engine refuses is ours, with a code and a number to quote", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(runStep("true"))
      assert.match(error.message, /^something is broken on our side \(DOCKERRUN_CONTAINER_REJECTED, [0-9a-f]{32}\)$/u)
    }).pipe(
      Effect.provide(
        service({
          images: present,
          faults: [
            {
              operation: "createContainer",
              effect: { _tag: "Fail", reason: new BadRequest({ message: "no such runtime" }) }
            }
          ]
        })
      )
    )
  )

  it.effect("an engine that is away is waited for, and the step runs when it is back", () =>
    Effect.gen(function* () {
      const engine = yield* InMemoryEngine
      const step = yield* Effect.forkChild(runPatiently("echo at last"))
      yield* TestClock.adjust("75 seconds")
      assert.isUndefined(step.pollUnsafe())
      yield* engine.clearFaults
      yield* TestClock.adjust("60 seconds")
      assert.deepStrictEqual(yield* Fiber.join(step), { log: "at last\n", exitStatus: 0 })
    }).pipe(Effect.provide(service({ images: present, faults: [gone] })))
  )

  it.effect("but not for ever", () =>
    Effect.gen(function* () {
      const step = yield* Effect.forkChild(Effect.flip(runPatiently("echo never")))
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual((yield* Fiber.join(step)).message, "no capacity at the moment, again in 30s")
    }).pipe(Effect.provide(service({ images: present, faults: [gone] })))
  )
})
