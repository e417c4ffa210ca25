import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { Unreachable } from "../../src/schema/DockerError.ts"
import { Docker } from "../../src/services/Docker.ts"
import { type FaultEffect, InMemoryEngine, type Operation } from "../../src/services/InMemoryEngine.ts"
import { backend, channelId, inTime, makeOutput, open, RecordedLog } from "../support/Backend.ts"

const gone: FaultEffect = { _tag: "Gone" }

const calls = (operation?: Operation) =>
  InMemoryEngine.use((engine) => Effect.map(engine.calls(operation), (all) => all.length))
const logged = (code: string) =>
  RecordedLog.use(({ events }) => Effect.map(events, (all) => all.filter((event) => event.code === code)))

describe("an engine that is gone", () => {
  it.effect("is asked for by one, however many wait, and is said to be lost once", () =>
    Effect.gen(function* () {
      const connections = yield* Effect.forEach(
        Array.from({ length: 200 }, (_, index) => index + 1),
        open
      )
      yield* TestClock.adjust("1 second")
      yield* inTime(Effect.sleep("19 seconds"), 20)
      // Each was refused once by the engine at the most; the rest are the questions of one fiber.
      assert.isAtMost(yield* calls("inspectImage"), 200)
      assert.isAtMost(yield* calls("info"), 20)
      assert.lengthOf(yield* logged("ENGINE_LOST"), 1)
      assert.lengthOf(yield* logged("ENGINE_BACK"), 0)
      const before = yield* calls()
      yield* inTime(Effect.sleep("10 seconds"), 11)
      assert.isAtMost((yield* calls()) - before, 8)
      yield* inTime(
        Effect.forEach(connections, ({ close }) => close, { concurrency: "unbounded" }),
        200
      )
    }).pipe(Effect.provide(backend({ faults: [{ effect: gone }] })))
  )

  it.effect("and comes back: everybody who waited is served, and it is said to be back once", () =>
    Effect.gen(function* () {
      const connections = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, index) => index + 1),
        open
      )
      const { exit, millis } = yield* inTime(
        Effect.forEach(connections, ({ connection }) => connection.container, { concurrency: "unbounded" }),
        60
      )
      assert.isTrue(Exit.isSuccess(exit))
      assert.isBelow(millis, 33_000)
      assert.lengthOf(yield* logged("ENGINE_LOST"), 1)
      assert.lengthOf(yield* logged("ENGINE_BACK"), 1)
      yield* inTime(
        Effect.forEach(connections, ({ close }) => close),
        60
      )
    }).pipe(Effect.provide(backend({ faults: [{ until: "30 seconds", effect: gone }] })))
  )

  it.effect("fails at once whoever does not try again, and is not asked by them", () =>
    Effect.gen(function* () {
      const { connection } = yield* open()
      const { addFaults } = yield* InMemoryEngine
      const id = yield* connection.container
      const docker = yield* Docker
      yield* addFaults([{ effect: gone }])
      yield* Effect.forEach([1, 2, 3], () => Effect.flip(docker.inspectContainer(id)))
      yield* TestClock.adjust("1 second")
      const before = yield* calls("inspectContainer")
      const error = yield* Effect.flip(docker.inspectContainer(id))
      assert.strictEqual(error.reason._tag, "Unreachable")
      assert.strictEqual(error.operation, "inspect container")
      assert.strictEqual(yield* calls("inspectContainer"), before)
    }).pipe(Effect.provide(backend()))
  )

  it.effect("ends a program that ran on it within a second, and its channel too", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      yield* connection.container
      const session = yield* connection.session(channelId())
      const admitted = yield* session.exec("sleep 1000")
      const scope = yield* Scope.make()
      const program = yield* Scope.provide(admitted.start(makeOutput().output), scope)
      const { addFaults } = yield* InMemoryEngine
      yield* addFaults([{ effect: gone }])
      const docker = yield* Docker
      yield* Effect.forEach([1, 2, 3], () => Effect.flip(docker.info))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* inTime(Scope.close(scope, Exit.void), 10)).millis, 0)
      void program
      yield* inTime(close, 200)
    }).pipe(Effect.provide(backend()))
  )
})

describe("an engine that is there", () => {
  it.effect("is not taken for lost because three connections to it broke", () =>
    Effect.gen(function* () {
      const docker = yield* Docker
      const { addFaults } = yield* InMemoryEngine
      yield* addFaults([
        {
          operation: "listContainers",
          times: 3,
          effect: {
            _tag: "Fail",
            reason: new Unreachable({ address: "memory://", errno: "ECONNRESET", message: "reset" })
          }
        }
      ])
      yield* Effect.forEach([1, 2, 3], () => Effect.flip(docker.listContainers([])))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* docker.listContainers([]), [])
      assert.strictEqual(yield* calls("info"), 1)
      assert.deepStrictEqual(yield* logged("ENGINE_LOST"), [])
    }).pipe(Effect.provide(backend()))
  )
})
