/**
 * A day of virtual time: what waits, watches and keeps alive does so for ever, and what it holds does not grow: containers,
 * fibers, and the sleeps that they are in.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as TestClock from "effect/testing/TestClock"
import { BootId, InstanceId } from "../../src/schema/InstanceId.ts"
import * as ConnectionTime from "../../src/services/ConnectionTime.ts"
import { DockerRun } from "../../src/services/DockerRun.ts"
import { InMemoryEngine, type Operation } from "../../src/services/InMemoryEngine.ts"
import * as Instance from "../../src/services/Instance.ts"
import * as Reaper from "../../src/services/Reaper.ts"
import { backend, client, open, RecordedLog } from "../support/Backend.ts"

const containers = InMemoryEngine.use((engine) => engine.containers)
const callCount = (operation: Operation) =>
  InMemoryEngine.use(({ calls }) => Effect.map(calls(operation), (all) => all.length))
const codeCount = (code: string) =>
  RecordedLog.use((log) => Effect.map(log.codes, (all) => all.filter((one) => one === code).length))

const identity = Instance.make({
  id: InstanceId.make("here"),
  boot: BootId.make("0000000000000001"),
  boots: { state: () => Effect.succeed("unknown"), known: Effect.succeed([]), forget: () => Effect.void }
})

interface Held {
  readonly fibers: number
  /** Each is a timer, on a real clock. */
  readonly sleeps: number
}

/** Runs a test whose fibers and sleeps are counted. */
const counting = <A, E, R>(test: (held: () => Held) => Effect.Effect<A, E, R>) =>
  Clock.clockWith((clock) => {
    let fibers = 0
    let sleeps = 0
    const sleep: Clock.Clock["sleep"] = (duration) =>
      Effect.suspend(() => {
        sleeps += 1
        return Effect.ensuring(
          clock.sleep(duration),
          Effect.sync(() => {
            sleeps -= 1
          })
        )
      })
    return test(() => ({ fibers, sleeps })).pipe(
      Effect.provideService(Clock.Clock, Object.assign({}, clock, { sleep })),
      Effect.provideService(Metric.FiberRuntimeMetrics, {
        recordFiberStart: () => {
          fibers += 1
        },
        recordFiberEnd: () => {
          fibers -= 1
        }
      })
    )
  })

/** Lets a day pass minute by minute, and does something in each hour. */
const aDay = <E, R>(hourly: (hour: number) => Effect.Effect<void, E, R>) =>
  Effect.forEach(
    Array.from({ length: 24 }, (_, hour) => hour),
    (hour) => Effect.andThen(hourly(hour), Effect.repeat(TestClock.adjust("1 minute"), { times: 59 })),
    { discard: true }
  )

describe("a day", () => {
  it.effect("of a connection that does nothing, a pool that is renewed, and a reaper that finds nothing", () =>
    counting(
      Effect.fnUntraced(
        function* (held: () => Held) {
          yield* Effect.forkScoped(Reaper.run, { startImmediately: true })
          yield* TestClock.adjust("1 minute")
          // One comes and goes, with the container that waited longest, and the pool is full again.
          const comesAndGoes = Effect.fnUntraced(function* (number: number) {
            const guest = yield* open(number)
            yield* guest.connection.container
            yield* guest.close
            yield* TestClock.adjust("1 minute")
          })
          yield* comesAndGoes(100)
          const begin = held()
          const idle = yield* open(1)
          const kept = yield* idle.connection.container
          const hours: Array<Held & { readonly containers: number }> = []
          yield* aDay((hour) =>
            Effect.gen(function* () {
              yield* comesAndGoes(2 + hour)
              hours.push({ ...held(), containers: (yield* containers).length })
            })
          )
          // The one of the idle connection, and the two that wait.
          assert.deepStrictEqual(
            hours,
            Array.from({ length: 24 }, () => ({ ...hours[0], containers: 3 }))
          )
          assert.include(
            (yield* containers).map(({ id }) => id),
            kept
          )
          assert.strictEqual(yield* codeCount("CONTAINER_REAPED"), 0)
          assert.strictEqual(yield* codeCount("REAP_FAILED"), 0)
          assert.isAtLeast(yield* callCount("listContainers"), 24 * 60)
          // Two that wait are replaced each hour at the most, one is for the guest, and some begin the day.
          assert.isAtMost(yield* callCount("createContainer"), 24 * 3 + 5)
          assert.isAtLeast(yield* codeCount("POOL_CONTAINER_EXPIRED"), 20)
          yield* idle.close
          yield* TestClock.adjust("1 minute")
          assert.strictEqual((yield* containers).length, 2)
          assert.deepStrictEqual(held(), begin)
        },
        Effect.provide(backend({}, { pool: { size: 2 } })),
        Effect.provideService(Instance.Instance, identity)
      )
    )
  )

  it.effect("of users whose containers are stopped when nobody is there, and removed when they are old", () =>
    counting(
      Effect.fnUntraced(
        function* (held: () => Held) {
          const { connect } = yield* DockerRun
          yield* TestClock.adjust("1 minute")
          const begin = held()
          const made: Array<number> = []
          yield* aDay((hour) =>
            Effect.gen(function* () {
              yield* Effect.scoped(
                Effect.flatMap(
                  connect({ ...client(1 + hour), username: `user${hour % 3}` }),
                  ({ container }) => container
                )
              )
              made.push((yield* containers).length)
            })
          )
          assert.isAtMost(Math.max(...made), 3)
          assert.isAtLeast(yield* codeCount("CONTAINER_STOPPED"), 20)
          yield* Effect.repeat(TestClock.adjust("1 minute"), { times: 8 * 60 })
          assert.deepStrictEqual(yield* containers, [])
          assert.deepStrictEqual(held(), begin)
        },
        Effect.provide(
          backend({}, { mode: "persistent", persistent: { name: "dev-{username}", idleTimeout: "10m", maxAge: "6h" } })
        )
      )
    )
  )

  it.effect("of many connections with both limits: each ends at its time, none sooner and none later", () =>
    counting(
      Effect.fnUntraced(function* (held: () => Held) {
        const begin = held()
        const count = 100
        const ended: Array<{ readonly index: number; readonly hour: number; readonly reason: string }> = []
        let now = 0
        const limits = { idleTimeout: Duration.hours(2), maxConnectionTime: Duration.hours(20) }
        const presences = yield* Effect.forEach(Array.from({ length: count }), () => ConnectionTime.makePresence)
        yield* Effect.forEach(presences, (presence, index) =>
          ConnectionTime.untilOver(limits, presence).pipe(
            Effect.tap(({ reason }) => Effect.sync(() => ended.push({ index, hour: now, reason: reason._tag }))),
            Effect.forkScoped({ startImmediately: true })
          )
        )
        for (let minute = 1; minute <= 24 * 60; minute += 1) {
          now = minute / 60
          yield* TestClock.adjust("1 minute")
          // Every second one types all day.
          for (const [index, presence] of presences.entries()) if (index % 2 === 0) presence.touch()
        }
        assert.strictEqual(ended.length, count)
        assert.deepStrictEqual(held(), begin)
        for (const { hour, index, reason } of ended) {
          assert.deepStrictEqual(
            [hour, reason],
            index % 2 === 0 ? [20, "ConnectionTimeReached"] : [2, "ConnectionIdle"]
          )
        }
      })
    )
  )
})
