import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { NotFound } from "../../src/schema/DockerError.ts"
import { InMemoryEngine } from "../../src/services/InMemoryEngine.ts"
import { backend, image, inTime, open } from "../support/Backend.ts"

const noSuchImage = { _tag: "Fail", reason: new NotFound({ message: `No such image: ${image}` }) } as const

/** Why the next connection has no container. */
const refusal = (number: number) =>
  Effect.gen(function* () {
    const { close, connection } = yield* open(number)
    const { exit } = yield* inTime(Effect.flip(connection.container), 60)
    yield* close
    return (yield* exit).reason
  })

/** A connection that has got its container. */
const served = Effect.fnUntraced(function* (number: number) {
  const { close, connection } = yield* open(number)
  const { exit } = yield* inTime(connection.container, 60)
  yield* close
  yield* exit
})

describe("an image that was there for the last connection", () => {
  it.effect("is not asked for before the next container is created, but for the one after that", () =>
    Effect.gen(function* () {
      const engine = yield* InMemoryEngine
      yield* served(1)
      yield* engine.addFaults([{ operation: "inspectImage", nth: 1, effect: { _tag: "Hang" } }])
      yield* served(2)
      yield* engine.addFaults([{ operation: "inspectImage", nth: 1, effect: noSuchImage }])
      yield* served(3)
      yield* engine.addFaults([{ operation: "inspectImage", effect: { _tag: "Hang" } }])
      assert.deepInclude(yield* refusal(4), { _tag: "ContainerTimedOut", step: "inspect" })
    }).pipe(
      // What is asked while a container starts has its answer then.
      Effect.provide(
        backend({ faults: [{ operation: "startContainer", effect: { _tag: "Delay", duration: "1 second" } }] })
      )
    )
  )

  it.effect("is asked for each time if it has volumes", () =>
    Effect.gen(function* () {
      yield* served(1)
      yield* (yield* InMemoryEngine).addFaults([{ operation: "inspectImage", effect: { _tag: "Hang" } }])
      assert.deepInclude(yield* refusal(2), { _tag: "ContainerTimedOut", step: "inspect" })
    }).pipe(Effect.provide(backend({ images: { [image]: { volumes: ["/data"] } } })))
  )

  it.effect("and is gone is pulled with IfNotPresent, and missing with Never", () =>
    Effect.gen(function* () {
      const engine = { images: { [image]: {} }, registry: { [image]: {} } }
      const after = Effect.gen(function* () {
        const { addFaults, calls } = yield* InMemoryEngine
        yield* served(1)
        yield* addFaults([
          { operation: "createContainer", nth: 1, effect: noSuchImage },
          { operation: "inspectImage", nth: 1, effect: noSuchImage }
        ])
        return { pulls: Effect.map(calls("pullImage"), (all) => all.length) }
      })
      yield* Effect.gen(function* () {
        const { pulls } = yield* after
        yield* served(2)
        assert.strictEqual(yield* pulls, 1)
      }).pipe(Effect.provide(backend(engine, { imagePullPolicy: "IfNotPresent" })))
      yield* Effect.gen(function* () {
        const { pulls } = yield* after
        assert.deepInclude(yield* refusal(2), { _tag: "ImageMissing", image })
        assert.strictEqual(yield* pulls, 0)
      }).pipe(Effect.provide(backend(engine, { imagePullPolicy: "Never" })))
    })
  )

  it.effect("is not what is missing: that is said as ever", () =>
    Effect.gen(function* () {
      const { addFaults } = yield* InMemoryEngine
      yield* served(1)
      yield* addFaults([{ operation: "createContainer", effect: noSuchImage }])
      assert.deepInclude(yield* refusal(2), { _tag: "ContainerRejected" })
    }).pipe(Effect.provide(backend()))
  )
})
