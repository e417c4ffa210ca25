import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import type * as InMemoryDocker from "../../src/layers/InMemoryDocker.ts"
import { ServerError } from "../../src/schema/DockerError.ts"
import { BootId, InstanceId } from "../../src/schema/InstanceId.ts"
import * as ContainerPool from "../../src/services/ContainerPool.ts"
import { Docker } from "../../src/services/Docker.ts"
import { DockerRun } from "../../src/services/DockerRun.ts"
import { DockerRunConfig } from "../../src/services/DockerRunConfig.ts"
import { type FaultEffect, InMemoryEngine, type Operation } from "../../src/services/InMemoryEngine.ts"
import * as Instance from "../../src/services/Instance.ts"
import { LifecycleConfig } from "../../src/services/LifecycleConfig.ts"
import * as Reaper from "../../src/services/Reaper.ts"
import { backend, client, image, inTime, open, RecordedLog } from "../support/Backend.ts"

const engineError = new ServerError({ status: 500, message: "internal error" })

const containers = InMemoryEngine.use((engine) => engine.containers)
const ids = Effect.map(containers, (all) => all.map(({ id }) => id))
const callCount = (operation?: Operation) =>
  InMemoryEngine.use(({ calls }) => Effect.map(calls(operation), (all) => all.length))
const codes = RecordedLog.use((log) => log.codes)
const codeCount = (code: string) => Effect.map(codes, (all) => all.filter((one) => one === code).length)

/** A backend whose pool is as large as that. */
const pooled = (size: number, engine: InMemoryDocker.Options = {}, config: Parameters<typeof backend>[1] = {}) =>
  backend(engine, { pool: { size }, ...config })

/** The time in which a pool is full, and everything that was begun is done. */
const settle = Effect.repeat(TestClock.adjust("500 millis"), { times: 59 })

describe("the pool", () => {
  it.effect("is off without being asked for", () =>
    Effect.gen(function* () {
      yield* settle
      assert.strictEqual(yield* callCount(), 0)
    }).pipe(Effect.provide(backend()))
  )

  it.effect("fills with started containers, each with a label and an id of its own", () =>
    Effect.gen(function* () {
      yield* settle
      const all = yield* containers
      assert.deepStrictEqual(
        all.map(({ labels, name, status }) => [
          status,
          name === `dockerrun-warm-${labels["containerssh_connection_id"]}`,
          labels["dockerrun_pooled"],
          labels["containerssh_username"]
        ]),
        Array.from({ length: 3 }, () => ["running", true, "true", undefined])
      )
      assert.strictEqual(new Set(all.map(({ name }) => name)).size, 3)
      assert.strictEqual(yield* codeCount("POOL_FILLED"), 1)
    }).pipe(Effect.provide(pooled(3)))
  )

  it.effect("gives the one that has waited longest, without a word to the engine", () =>
    Effect.gen(function* () {
      yield* settle
      const [first] = yield* ids
      const asked = yield* callCount()
      const { close, connection } = yield* open()
      assert.strictEqual(yield* connection.container, first)
      assert.strictEqual(yield* callCount(), asked)
      assert.deepStrictEqual(
        (yield* Stream.runCollect(connection.steps)).map(({ _tag }) => _tag),
        ["Done"]
      )
      yield* close
      assert.notInclude(yield* ids, first)
    }).pipe(Effect.provide(pooled(2)))
  )

  it.effect("renames what was taken after the connection, and fills again", () =>
    Effect.gen(function* () {
      yield* settle
      const { close, connection } = yield* open()
      const taken = yield* connection.container
      yield* settle
      const all = yield* containers
      assert.strictEqual(all.length, 3)
      assert.strictEqual(all.find(({ id }) => id === taken)?.name, `dockerrun-${client().connectionId}`)
      yield* close
      yield* settle
      assert.strictEqual((yield* containers).length, 2)
      assert.strictEqual(yield* callCount("createContainer"), 3)
    }).pipe(Effect.provide(pooled(2)))
  )

  it.effect("gives each container to one connection, also when many come at once; the others start their own", () =>
    Effect.gen(function* () {
      yield* settle
      const opened = yield* Effect.forEach([1, 2, 3, 4, 5], open, { concurrency: "unbounded" })
      const got = yield* Effect.forEach(opened, ({ connection }) => connection.container, { concurrency: "unbounded" })
      assert.strictEqual(new Set(got).size, 5)
      assert.strictEqual(yield* codeCount("POOL_TAKEN"), 2)
      assert.strictEqual(yield* codeCount("POOL_EMPTY"), 3)
      yield* settle
      assert.strictEqual((yield* containers).length, 7)
      yield* Effect.forEach(opened, ({ close }) => close, { concurrency: "unbounded" })
      yield* settle
      assert.strictEqual((yield* containers).length, 2)
    }).pipe(Effect.provide(pooled(2)))
  )

  it.effect("leaves the engine to who has just come, while enough others wait", () =>
    Effect.gen(function* () {
      yield* settle
      const { connection } = yield* open()
      yield* connection.container
      yield* TestClock.adjust("400 millis")
      assert.strictEqual(yield* callCount("createContainer"), 4)
      yield* TestClock.adjust("200 millis")
      assert.strictEqual(yield* callCount("createContainer"), 5)
    }).pipe(Effect.provide(pooled(4)))
  )

  it.effect("has nothing for a connection whose container would be another", () =>
    Effect.gen(function* () {
      const { config } = yield* DockerRunConfig
      const pool = yield* ContainerPool.make
      yield* settle
      const others = [
        { ...config, container: { ...config.container, User: "nobody" } },
        { ...config, host: { Memory: 1 } },
        { ...config, network: { EndpointsConfig: {} } },
        { ...config, idleCommand: ["/bin/sh", "-c", "exec sleep 1"] as const }
      ]
      for (const other of others) assert.isUndefined(yield* pool.take(client(), other))
      assert.isDefined(yield* pool.take(client(), { ...config, shellCommand: ["/bin/bash"] }))
    }).pipe(Effect.scoped, Effect.provide(pooled(1)))
  )
})

describe("what waits", () => {
  it.effect("and ends is noticed, logged and replaced", () =>
    Effect.gen(function* () {
      yield* settle
      const [first, second] = yield* ids
      if (first === undefined) return assert.fail("the pool is empty")
      const docker = yield* Docker
      yield* docker.killContainer(first, "SIGKILL")
      yield* TestClock.adjust(0)
      const { connection } = yield* open()
      assert.strictEqual(yield* connection.container, second)
      yield* settle
      assert.strictEqual((yield* containers).filter(({ status }) => status === "running").length, 3)
      assert.notInclude(yield* ids, first)
      assert.strictEqual(yield* codeCount("POOL_CONTAINER_LOST"), 1)
      assert.strictEqual(yield* codeCount("CONTAINER_LOST"), 0)
    }).pipe(Effect.provide(pooled(2)))
  )

  it.effect("and is taken belongs to its connection: its end is the connection's loss", () =>
    Effect.gen(function* () {
      yield* settle
      const { connection } = yield* open()
      const taken = yield* connection.container
      yield* Docker.use((docker) => docker.killContainer(taken, "SIGKILL"))
      yield* inTime(connection.ended, 1)
      assert.strictEqual(yield* codeCount("CONTAINER_LOST"), 1)
      assert.strictEqual(yield* codeCount("POOL_CONTAINER_LOST"), 0)
    }).pipe(Effect.provide(pooled(1)))
  )

  it.effect("for longer than maxAge is replaced, and there is never less than the whole pool", () =>
    Effect.gen(function* () {
      yield* settle
      const before = yield* ids
      let least = before.length
      for (let minute = 0; minute < 21; minute += 1) {
        yield* TestClock.adjust("30 seconds")
        least = Math.min(least, (yield* containers).length)
      }
      const after = yield* ids
      assert.strictEqual(least, 3)
      assert.deepStrictEqual([after.length, after.filter((id) => before.includes(id))], [3, []])
    }).pipe(
      Effect.provide(
        pooled(
          3,
          { faults: [{ operation: "startContainer", effect: { _tag: "Delay", duration: "1 second" } }] },
          { pool: { size: 3, maxAge: "10m" } }
        )
      )
    )
  )

  it.effect("is replaced when the next one would be of another image", () =>
    Effect.gen(function* () {
      yield* settle
      const [first, ...others] = yield* ids
      const docker = yield* Docker
      yield* Stream.runDrain(docker.pullImage(image))
      const { connection } = yield* open()
      assert.strictEqual(yield* connection.container, first)
      yield* settle
      const after = yield* ids
      assert.deepStrictEqual([after.length, after.filter((id) => others.includes(id))], [4, []])
      assert.strictEqual(yield* codeCount("POOL_IMAGE_CHANGED"), 1)
    }).pipe(Effect.provide(pooled(3, { registry: { [image]: {} } })))
  )

  it.effect("is needed in the eyes of the reaper, as it is when it was taken", () =>
    Effect.gen(function* () {
      yield* settle
      yield* open()
      yield* settle
      assert.deepStrictEqual(yield* Reaper.sweep(), [])
      assert.strictEqual((yield* containers).length, 3)
    }).pipe(
      Effect.provide(pooled(2)),
      Effect.provideService(
        Instance.Instance,
        Instance.make({
          id: InstanceId.make("here"),
          boot: BootId.make("0".repeat(16)),
          boots: { state: () => Effect.succeed("unknown"), known: Effect.succeed([]), forget: () => Effect.void }
        })
      )
    )
  )
})

describe("an engine that fails", () => {
  it.effect("is asked more and more rarely, and once it is back, the pool fills", () =>
    Effect.gen(function* () {
      const engine = yield* InMemoryEngine
      yield* TestClock.adjust("10 minutes")
      const asked = yield* callCount("createContainer")
      // Three tries each time, after 1, 2, 4 … 60 seconds.
      assert.isAtLeast(asked, 20)
      assert.isAtMost(asked, 60)
      assert.strictEqual(yield* codeCount("POOL_REFILL_FAILED"), 1)
      yield* engine.clearFaults
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual((yield* containers).length, 2)
      assert.deepInclude(yield* codes, "POOL_FILLED")
    }).pipe(
      Effect.provide(
        pooled(2, { faults: [{ operation: "createContainer", effect: { _tag: "Fail", reason: engineError } }] })
      )
    )
  )

  it.effect("and is gone while the pool fills takes nothing from it for good", () =>
    Effect.gen(function* () {
      const engine = yield* InMemoryEngine
      yield* engine.awaitCalls(1, "startContainer")
      yield* engine.addFaults([{ until: "5 minutes", effect: { _tag: "Gone" } }])
      yield* TestClock.adjust("4 minutes")
      yield* TestClock.adjust("4 minutes")
      assert.deepStrictEqual(
        (yield* containers).map(({ status }) => status),
        ["running", "running", "running"]
      )
    }).pipe(
      Effect.provide(
        pooled(3, { faults: [{ operation: "startContainer", effect: { _tag: "Delay", duration: "1 second" } }] })
      )
    )
  )

  it.effect("does not keep a connection from starting its own", () =>
    Effect.gen(function* () {
      const engine = yield* InMemoryEngine
      yield* engine.awaitCalls(1, "startContainer")
      const { connection } = yield* open()
      const { exit } = yield* inTime(connection.container, 5)
      assert.isTrue(Exit.isSuccess(exit))
    }).pipe(Effect.provide(pooled(1, { faults: [{ operation: "startContainer", nth: 1, effect: { _tag: "Hang" } }] })))
  )

  it.effect("leaves a container the name that it had, and nobody is disturbed", () =>
    Effect.gen(function* () {
      yield* settle
      const { close, connection } = yield* open()
      const taken = yield* connection.container
      yield* settle
      assert.match((yield* containers).find(({ id }) => id === taken)?.name ?? "", /^dockerrun-warm-/u)
      assert.strictEqual(yield* codeCount("POOL_CONTAINER_NOT_RENAMED"), 1)
      yield* close
    }).pipe(
      Effect.provide(
        pooled(1, { faults: [{ operation: "renameContainer", effect: { _tag: "Fail", reason: engineError } }] })
      )
    )
  )
})

describe("at the end of the backend", () => {
  /** A backend of its own, with a pool, that ends before its engine does. */
  const start = Effect.fnUntraced(function* (size: number) {
    const settings = yield* DockerRunConfig
    const config = { ...settings.config, pool: { ...settings.config.pool, size } }
    const layer = Layer.fresh(DockerRun.layer).pipe(
      Layer.provide(Layer.succeed(DockerRunConfig, { ...settings, config }))
    )
    const scope = yield* Scope.make()
    const { connect } = Context.get(yield* Layer.buildWithScope(layer, scope), DockerRun)
    return { connect, end: Scope.close(scope, Exit.void) }
  })

  it.effect("what waits is removed, and what was taken stays with its connection", () =>
    Effect.gen(function* () {
      const { connect, end } = yield* start(3)
      yield* settle
      const scope = yield* Scope.make()
      const taken = yield* (yield* connect(client()).pipe(Scope.provide(scope))).container
      yield* settle
      assert.strictEqual((yield* containers).length, 4)
      yield* inTime(end, 1)
      assert.deepStrictEqual(yield* ids, [taken])
      assert.strictEqual(yield* codeCount("POOL_DRAINED"), 1)
      yield* inTime(Scope.close(scope, Exit.void), 1)
      assert.deepStrictEqual(yield* ids, [])
    }).pipe(Effect.provide(backend()))
  )

  it.effect("an engine that removes nothing holds it up for the time of one removal", () =>
    Effect.gen(function* () {
      const { end } = yield* start(3)
      yield* settle
      const { millis } = yield* inTime(end, 100)
      assert.isAtMost(millis, 60_000)
      assert.strictEqual(yield* codeCount("CONTAINER_NOT_REMOVED"), 3)
    }).pipe(Effect.provide(backend({ faults: [{ operation: "removeContainer", effect: { _tag: "Hang" } }] })))
  )

  const effects: ReadonlyArray<FaultEffect> = [
    { _tag: "Delay", duration: "1 second" },
    { _tag: "Delay", duration: "25 seconds" },
    { _tag: "Delay", duration: "25 seconds", performed: true },
    { _tag: "Fail", reason: engineError, performed: true }
  ]
  for (const effect of effects) {
    const way = "performed" in effect ? "answer" : "request"
    it.effect(`at any call of a pool that fills, ${effect._tag} of the ${way}: no container survives`, () =>
      Effect.gen(function* () {
        const calls = yield* Effect.provide(
          Effect.gen(function* () {
            const { end } = yield* start(2)
            yield* settle
            const count = yield* callCount()
            yield* end
            return count
          }),
          backend()
        )
        assert.isAtLeast(calls, 8)
        for (let nth = 1; nth <= calls; nth += 1) {
          const left = yield* Effect.provide(
            Effect.gen(function* () {
              const { end } = yield* start(2)
              const engine = yield* InMemoryEngine
              yield* engine.awaitCalls(nth)
              yield* inTime(end, 300)
              yield* TestClock.adjust("10 minutes")
              return yield* ids
            }),
            backend({ faults: [{ nth, effect }] })
          )
          assert.deepStrictEqual(left, [], `call ${nth} of ${calls}`)
        }
      })
    )
  }

  it.effect("at any call after a connection took one, the connection's end leaves the pool and nothing else", () =>
    Effect.gen(function* () {
      for (let nth = 1; nth <= 6; nth += 1) {
        const left = yield* Effect.provide(
          Effect.gen(function* () {
            yield* settle
            const engine = yield* InMemoryEngine
            const before = yield* callCount()
            const { close, connection } = yield* open()
            yield* connection.container
            yield* TestClock.adjust("501 millis")
            yield* engine.awaitCalls(before + nth)
            yield* inTime(close, 300)
            yield* settle
            return (yield* containers).map(({ status }) => status)
          }),
          pooled(2)
        )
        assert.deepStrictEqual(left, ["running", "running"], `call ${nth}`)
      }
    })
  )
})

describe("without a switch", () => {
  it.effect("the end of a waiting container is noticed all the same", () =>
    Effect.gen(function* () {
      yield* settle
      const [first] = yield* ids
      if (first === undefined) return assert.fail("the pool is empty")
      yield* Docker.use((docker) => docker.killContainer(first, "SIGKILL"))
      yield* settle
      assert.deepStrictEqual(
        (yield* containers).map(({ id, status }) => [id === first, status]),
        [[false, "running"]]
      )
    }).pipe(
      Effect.provide(pooled(1)),
      Effect.provideService(LifecycleConfig, {
        deadMansSwitch: false,
        stateDirectory: ".dockerrun",
        reapInterval: Duration.seconds(60)
      })
    )
  )
})
