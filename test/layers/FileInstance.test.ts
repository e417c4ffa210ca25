import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import * as FileInstance from "../../src/layers/FileInstance.ts"
import { InstanceId } from "../../src/schema/InstanceId.ts"
import { Instance } from "../../src/services/Instance.ts"
import { LifecycleConfig } from "../../src/services/LifecycleConfig.ts"
import { type LogEvent, Logger } from "../../src/services/Logger.ts"
import { waitFor } from "../support/Deadline.ts"
import { output } from "../support/Program.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"

/** Starts a run of a server; it goes on until the Scope closes. */
const start = Effect.fnUntraced(function* (stateDirectory: string, instance?: string) {
  const events: Array<LogEvent> = []
  const settings = {
    deadMansSwitch: true,
    reapInterval: Duration.minutes(1),
    stateDirectory,
    ...(instance === undefined ? {} : { instance: InstanceId.make(instance) })
  }
  const context = yield* Layer.build(
    FileInstance.layer.pipe(
      Layer.provide(Layer.succeed(Logger, { log: (event) => Effect.sync(() => void events.push(event)) })),
      Layer.provide(NodeServices.layer)
    )
  ).pipe(Effect.provideService(LifecycleConfig, settings))
  const identity = yield* Effect.provideContext(Effect.service(Instance), context)
  return { identity, codes: events.map(({ code }) => code) }
})

/** A run that there must be. */
const startKept = Effect.fnUntraced(function* (directory: string, instance?: string) {
  const { identity } = yield* start(directory, instance)
  return identity ?? assert.fail("the server should have an identity")
})

const recordOf = (directory: string, boot: string) => join(directory, "boots", `${boot}.json`)

/** Leaves the record of a run, told by another's with some facts changed, that gave its last sign of life at `time`. */
const leave = (file: string, like: string, facts: Readonly<Record<string, unknown>>, time = 0) => {
  const record: unknown = JSON.parse(readFileSync(like, "utf8"))
  if (typeof record !== "object" || record === null) assert.fail("the record should be an object")
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, JSON.stringify({ ...record, ...facts }))
  utimesSync(file, time, time)
}

const other = "00000000000000aa"

describe("the name of a server", () => {
  it.effect("is made once and kept, also by two that start at the same moment", () =>
    Effect.gen(function* () {
      const directory = join(yield* temporaryDirectory, "state")
      const runs = yield* Effect.all([start(directory), start(directory), start(directory)], {
        concurrency: "unbounded"
      })
      const ids = new Set(runs.map(({ identity }) => identity?.id))
      assert.strictEqual(ids.size, 1)
      assert.strictEqual(runs.flatMap(({ codes }) => codes).filter((code) => code === "INSTANCE_MADE").length, 1)
      const again = yield* start(directory)
      assert.isTrue(ids.has(again.identity?.id))
      assert.deepStrictEqual(again.codes, [])
      assert.strictEqual(new Set([...runs, again].map(({ identity }) => identity?.boot)).size, 4)
      assert.deepStrictEqual(readdirSync(directory).toSorted(), ["boots", "instance"])
      assert.strictEqual(statSync(directory).mode & 0o777, 0o700)
    })
  )

  it.effect("is another in another directory, and the configured one everywhere", () =>
    Effect.gen(function* () {
      const [one, two] = [yield* temporaryDirectory, yield* temporaryDirectory]
      assert.notStrictEqual((yield* startKept(one)).id, (yield* startKept(two)).id)
      assert.strictEqual((yield* startKept(one, "web-1")).id, "web-1")
      assert.strictEqual((yield* startKept(two, "web-1")).id, "web-1")
    })
  )

  it.effect("cannot be kept: the server goes on, with the configured name or none, and says so", () =>
    Effect.gen(function* () {
      const file = join(yield* temporaryDirectory, "file")
      writeFileSync(file, "")
      const nameless = yield* start(join(file, "state"))
      assert.isUndefined(nameless.identity)
      assert.deepStrictEqual(nameless.codes, ["INSTANCE_NOT_KEPT"])
      const named = yield* start(join(file, "state"), "web-1")
      assert.strictEqual(named.identity?.id, "web-1")
      assert.deepStrictEqual(named.codes, ["INSTANCE_NOT_KEPT"])
    })
  )

  it.effect("is damaged: nothing is guessed", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      writeFileSync(join(directory, "instance"), "two words\n")
      assert.deepStrictEqual((yield* start(directory)).codes, ["INSTANCE_NOT_KEPT"])
    })
  )
})

describe("the runs of a server", () => {
  it.effect("that go on side by side know each other", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const [one, two] = [yield* startKept(directory), yield* startKept(directory)]
      assert.strictEqual(yield* one.boots.state(two.boot), "running")
      assert.strictEqual(yield* two.boots.state(one.boot), "running")
      assert.sameMembers([...(yield* one.boots.known)], [one.boot, two.boot])
      // However long neither has anything to say.
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* one.boots.state(two.boot), "running")
    })
  )

  it.effect("are over when their process has ended, at once, and also when its number is another's by now", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const run = yield* startKept(directory)
      const own = recordOf(directory, run.boot)
      const ended = Number(yield* output("sh", ["-c", "echo $$"]))
      leave(recordOf(directory, other), own, { pid: ended })
      assert.strictEqual(yield* run.boots.state(other), "over")
      leave(recordOf(directory, other), own, { startTime: "1" })
      assert.strictEqual(yield* run.boots.state(other), "over")
    })
  )

  it.effect("in another container, or before the machine was restarted: their signs of life count", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const run = yield* startKept(directory)
      const own = recordOf(directory, run.boot)
      for (const facts of [{ pidNamespace: "pid:[1]" }, { kernel: "another boot" }, { startTime: undefined }]) {
        leave(recordOf(directory, other), own, facts, (yield* Clock.currentTimeMillis) / 1000)
        yield* TestClock.adjust("2 minutes")
        assert.strictEqual(yield* run.boots.state(other), "running", JSON.stringify(facts))
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* run.boots.state(other), "over", JSON.stringify(facts))
      }
    })
  )

  it.effect("on another machine are unknown, as is what has no record or one that cannot be read", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const run = yield* startKept(directory)
      const own = recordOf(directory, run.boot)
      yield* TestClock.setTime(10_000_000)
      leave(recordOf(directory, other), own, { kernel: "another", machine: "another" })
      assert.strictEqual(yield* run.boots.state(other), "unknown")
      writeFileSync(recordOf(directory, other), "{")
      assert.strictEqual(yield* run.boots.state(other), "unknown")
      assert.strictEqual(yield* run.boots.state("00000000000000bb"), "unknown")
      assert.strictEqual(yield* run.boots.state("../instance"), "unknown")
      assert.strictEqual(yield* run.boots.state(""), "unknown")
    })
  )

  it.effect("give a sign of life every 30 seconds, and bring their record back when somebody took it away", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const record = recordOf(directory, (yield* startKept(directory)).boot)
      const signAt = (seconds: number) =>
        waitFor(
          `a sign of life at ${seconds} s`,
          Effect.sync(() => existsSync(record) && statSync(record).mtimeMs === seconds * 1000)
        )
      yield* signAt(0)
      yield* TestClock.adjust("30 seconds")
      yield* signAt(30)
      rmSync(record)
      yield* TestClock.adjust("30 seconds")
      yield* signAt(60)
    })
  )

  it.effect("are forgotten ten minutes after their last sign of life", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const run = yield* startKept(directory)
      const record = recordOf(directory, other)
      leave(record, recordOf(directory, run.boot), { startTime: "1" })
      yield* TestClock.setTime(600_000)
      yield* run.boots.forget(other)
      assert.isTrue(existsSync(record))
      yield* TestClock.setTime(601_000)
      yield* run.boots.forget(other)
      assert.isFalse(existsSync(record))
      yield* run.boots.forget(other)
      yield* run.boots.forget("../instance")
      assert.isTrue(existsSync(join(directory, "instance")))
    })
  )
})
