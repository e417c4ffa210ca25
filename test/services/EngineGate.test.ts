import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import type { SimulatedProgram } from "../../src/layers/InMemoryDocker.ts"
import { ContainerError } from "../../src/schema/ContainerError.ts"
import { ProgramError } from "../../src/schema/ProgramError.ts"
import { type ContainerSpec, Docker } from "../../src/services/Docker.ts"
import type { ContainerStep } from "../../src/services/DockerRun.ts"
import { EnginePriority } from "../../src/services/EnginePriority.ts"
import { type Fault, InMemoryEngine, type Operation } from "../../src/services/InMemoryEngine.ts"
import * as ProgramExit from "../../src/services/ProgramExit.ts"
import * as StartQueue from "../../src/services/StartQueue.ts"
import { backend, channelId, client, image, inTime, makeOutput, open, RecordedLog } from "../support/Backend.ts"

const delay = (operation: Operation, duration: "1 second" | "2 seconds" | "8 seconds" | "10 seconds"): Fault => ({
  operation,
  effect: { _tag: "Delay", duration }
})
const hang = (operation: Operation): Fault => ({ operation, effect: { _tag: "Hang" } })

const called = (operation: Operation) =>
  InMemoryEngine.use(({ calls }) => Effect.map(calls(operation), (all) => all.length))

const codeOf = (exit: Exit.Exit<unknown, unknown>): string | undefined => {
  const error = Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isFailReason)?.error : undefined
  return error instanceof ContainerError || error instanceof ProgramError ? error.code : undefined
}

const openMany = (count: number, first = 1) =>
  Effect.forEach(
    Array.from({ length: count }, (_, index) => first + index),
    (number) => open(number)
  )

const containerIds = InMemoryEngine.use(({ containers }) =>
  Effect.map(containers, (all) => all.map(({ labels }) => labels["containerssh_connection_id"]))
)

/** What is told of a container, each thing once. */
const watchSteps = Effect.fnUntraced(function* (steps: Stream.Stream<ContainerStep>) {
  const seen: Array<string> = []
  yield* steps.pipe(
    Stream.map((step) => (step._tag === "Queued" ? `${step.before} before` : step._tag)),
    Stream.changes,
    Stream.runForEach((step) => Effect.sync(() => seen.push(step))),
    Effect.forkChild({ startImmediately: true })
  )
  return seen
})

const spec: ContainerSpec = { config: { Image: image, Cmd: ["/bin/sh"] }, host: {}, network: {} }

const waited = (event: string) =>
  RecordedLog.use(({ events }) => Effect.map(events, (all) => all.filter(({ code }) => code === event)))

describe("containers that are started", () => {
  it.effect("wait for one another, so many at a time, in the order in which they were asked for", () =>
    Effect.gen(function* () {
      const connections = yield* openMany(6)
      yield* TestClock.adjust("100 millis")
      // Nor are more created than can be started.
      assert.strictEqual(yield* called("createContainer"), 2)
      assert.strictEqual(yield* called("startContainer"), 2)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* called("startContainer"), 4)
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(yield* called("startContainer"), 6)
      yield* TestClock.adjust("2 seconds")
      yield* Effect.forEach(connections, ({ connection }) => connection.container)
      assert.deepStrictEqual(
        yield* containerIds,
        [1, 2, 3, 4, 5, 6].map((number) => client(number).connectionId)
      )
      const [busy, ...others] = yield* waited("ENGINE_BUSY")
      assert.deepStrictEqual(others, [])
      assert.deepInclude(busy?.fields, { kind: "containers", running: 2 })
      assert.lengthOf(yield* waited("ENGINE_KEEPS_UP"), 1)
      yield* Effect.forEach(connections, ({ close }) => close)
    }).pipe(Effect.provide(backend({ faults: [delay("startContainer", "2 seconds")] }, {}, { starts: 2 })))
  )

  it.effect("give way when nobody starts them", () =>
    Effect.gen(function* () {
      const docker = yield* Docker
      yield* docker.createContainer(spec)
      const { exit, millis } = yield* inTime(docker.createContainer(spec), 10)
      assert.isTrue(Exit.isSuccess(exit))
      assert.strictEqual(millis, 5000)
    }).pipe(Effect.provide(backend({}, {}, { starts: 1 })))
  )

  it.effect("past the length of the queue: the next one is told so at once, and the others are served", () =>
    Effect.gen(function* () {
      const connections = yield* openMany(4)
      yield* TestClock.adjust("100 millis")
      const refused = yield* openMany(3, 5)
      for (const { connection } of refused) {
        const { exit, millis } = yield* inTime(connection.container, 1)
        assert.strictEqual(codeOf(exit), "DOCKERRUN_BUSY")
        assert.strictEqual(millis, 0)
      }
      assert.lengthOf(yield* waited("ENGINE_OVERLOADED"), 1)
      yield* TestClock.adjust("40 seconds")
      yield* Effect.forEach(connections, ({ connection }) => connection.container)
      assert.deepInclude((yield* waited("ENGINE_KEEPS_UP"))[0]?.fields, { kind: "containers", refused: 3 })
      yield* Effect.forEach([...connections, ...refused], ({ close }) => close)
    }).pipe(Effect.provide(backend({ faults: [delay("createContainer", "10 seconds")] }, {}, { starts: 1, queue: 3 })))
  )

  it.effect("tell, from the second second on, how many are before, and then go on", () =>
    Effect.gen(function* () {
      const connections = yield* openMany(3)
      const seen = yield* Effect.forEach(connections, ({ connection }) => watchSteps(connection.steps))
      yield* TestClock.adjust("900 millis")
      assert.deepStrictEqual(
        seen.map((steps) => steps.join(", ")),
        ["Creating", "Creating", "Creating"]
      )
      yield* Effect.repeat(TestClock.adjust("1 second"), { times: 24 })
      assert.deepStrictEqual(
        seen.map((steps) => steps.join(", ")),
        [
          "Creating, Starting, Done",
          "Creating, 0 before, Creating, Starting, Done",
          "Creating, 1 before, 0 before, Creating, Starting, Done"
        ]
      )
      yield* Effect.forEach(connections, ({ close }) => close)
    }).pipe(Effect.provide(backend({ faults: [delay("createContainer", "8 seconds")] }, {}, { starts: 1 })))
  )

  it.effect("one whose client leaves while it waits leaves nothing, at once, and is never created", () =>
    Effect.gen(function* () {
      const [first, second, third] = yield* openMany(3)
      if (first === undefined || second === undefined || third === undefined) return assert.fail()
      yield* TestClock.adjust("100 millis")
      assert.strictEqual((yield* inTime(second.close, 30)).millis, 0)
      yield* TestClock.adjust("30 seconds")
      yield* third.connection.container
      assert.strictEqual(yield* called("createContainer"), 2)
      yield* first.close
      yield* third.close
    }).pipe(Effect.provide(backend({ faults: [delay("createContainer", "10 seconds")] }, {}, { starts: 1 })))
  )

  it.effect("waiting counts against the timeout, and whoever runs out of time holds no slot", () =>
    Effect.gen(function* () {
      const connections = yield* openMany(3)
      const exits = yield* Effect.forEach(connections, ({ connection }) => inTime(connection.container, 61))
      assert.deepStrictEqual(
        exits.map(({ exit }) => codeOf(exit)),
        ["DOCKERRUN_TIMEOUT", "DOCKERRUN_TIMEOUT", "DOCKERRUN_TIMEOUT"]
      )
      const { clearFaults } = yield* InMemoryEngine
      yield* clearFaults
      const last = yield* open(4)
      const { millis } = yield* inTime(last.connection.container, 60)
      assert.strictEqual(millis, 0)
      yield* inTime(
        Effect.forEach([last, ...connections], ({ close }) => close),
        200
      )
    }).pipe(Effect.provide(backend({ faults: [hang("startContainer")] }, {}, { starts: 2 })))
  )

  it.effect("that nobody waits for come last", () =>
    Effect.gen(function* () {
      const docker = yield* Docker
      const order: Array<string> = []
      const create = (name: string, priority: "live" | "background") =>
        docker.createContainer(spec).pipe(
          Effect.tap((id) =>
            Effect.andThen(
              Effect.sync(() => order.push(name)),
              docker.removeContainer(id)
            )
          ),
          Effect.provideService(EnginePriority, priority),
          Effect.forkChild({ startImmediately: true })
        )
      const fibers = [
        yield* create("first", "background"),
        yield* create("pool 1", "background"),
        yield* create("pool 2", "background"),
        yield* create("alice", "live"),
        yield* create("bob", "live")
      ]
      yield* inTime(Effect.forEach(fibers, Fiber.join), 10)
      assert.deepStrictEqual(order, ["first", "alice", "bob", "pool 1", "pool 2"])
    }).pipe(Effect.provide(backend({ faults: [delay("createContainer", "1 second")] }, {}, { starts: 1, queue: 2 })))
  )

  it.effect("do not keep a container from being removed", () =>
    Effect.gen(function* () {
      const first = yield* open(1)
      yield* first.connection.container
      const { addFaults } = yield* InMemoryEngine
      yield* addFaults([hang("startContainer")])
      const others = yield* openMany(5, 2)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* inTime(first.close, 10)).millis, 0)
      assert.notInclude(yield* containerIds, client(1).connectionId)
      yield* inTime(
        Effect.forEach(others, ({ close }) => close),
        200
      )
    }).pipe(Effect.provide(backend({}, {}, { starts: 1 })))
  )
})

/** Says something after 100 ms, and goes on. */
const slow: SimulatedProgram = ({ stdout }) =>
  Effect.sleep("100 millis").pipe(Effect.andThen(stdout.write("up")), Effect.andThen(Effect.never))
const mute: SimulatedProgram = ({ trap }) => Effect.andThen(trap("INT", Effect.succeed(42)), Effect.never)
const images = { [image]: { programs: { "/bin/slow": slow, "/bin/mute": mute } } }

const startMany = Effect.fnUntraced(function* (
  commands: ReadonlyArray<string>,
  watcher: StartQueue.Watcher = () => Effect.void
) {
  const { close, connection } = yield* open()
  yield* connection.container
  const scope = yield* Scope.make()
  const fibers = yield* Effect.forEach(
    commands,
    Effect.fnUntraced(function* (command, index) {
      const session = yield* connection.session(channelId(index))
      const program = yield* session.exec(command)
      return yield* program
        .start(makeOutput().output)
        .pipe(
          Scope.provide(scope),
          Effect.provideService(StartQueue.StartWatcher, watcher),
          Effect.forkChild({ startImmediately: true })
        )
    })
  )
  return { fibers, close: Effect.andThen(Scope.close(scope, Exit.void), close) }
})

describe("programs that are started", () => {
  it.effect("wait until others are heard of", () =>
    Effect.gen(function* () {
      const { close, fibers } = yield* startMany(["/bin/slow", "/bin/slow", "/bin/slow"])
      assert.strictEqual(yield* called("startExec"), 1)
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(yield* called("startExec"), 2)
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(yield* called("startExec"), 3)
      yield* Effect.forEach(fibers, Fiber.join)
      yield* inTime(close, 30)
    }).pipe(Effect.provide(backend({ images }, {}, { execs: 1 })))
  )

  it.effect("wait for a mute one no longer than half a second", () =>
    Effect.gen(function* () {
      const { close, fibers } = yield* startMany(["/bin/mute", "/bin/mute"])
      yield* TestClock.adjust("400 millis")
      assert.strictEqual(yield* called("startExec"), 1)
      yield* TestClock.adjust("100 millis")
      assert.strictEqual(yield* called("startExec"), 2)
      yield* Effect.forEach(fibers, Fiber.join)
      yield* inTime(close, 30)
    }).pipe(Effect.provide(backend({ images }, {}, { execs: 1 })))
  )

  it.effect("tell whoever waits how many are before", () =>
    Effect.gen(function* () {
      const told: Array<number | undefined> = []
      const { close, fibers } = yield* startMany(["/bin/mute", "/bin/mute"], (before) =>
        Effect.sync(() => told.push(before))
      )
      yield* Effect.repeat(TestClock.adjust("100 millis"), { times: 60 })
      yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(told, [0, 0, undefined])
      yield* inTime(close, 30)
    }).pipe(Effect.provide(backend({ images, faults: [delay("startExec", "2 seconds")] }, {}, { execs: 1 })))
  )

  it.effect("past the length of the queue: the next one is told so at once", () =>
    Effect.gen(function* () {
      const { close, fibers } = yield* startMany(["/bin/mute", "/bin/mute", "/bin/mute"])
      const [, , third] = fibers
      if (third === undefined) return assert.fail()
      const { exit, millis } = yield* inTime(Fiber.join(third), 10)
      assert.strictEqual(codeOf(exit), "DOCKERRUN_PROGRAM_BUSY")
      assert.strictEqual(millis, 0)
      yield* TestClock.adjust("1 second")
      yield* inTime(close, 30)
    }).pipe(Effect.provide(backend({ images }, {}, { execs: 1, queue: 1 })))
  )

  it.effect("do not keep a signal from another one", () =>
    Effect.gen(function* () {
      const { close, fibers } = yield* startMany(["/bin/mute"])
      const [first] = fibers
      if (first === undefined) return assert.fail()
      const program = yield* Fiber.join(first)
      yield* TestClock.adjust("1 second")
      const { addFaults } = yield* InMemoryEngine
      yield* addFaults([{ operation: "startExec", nth: 1, effect: { _tag: "Hang" } }])
      const other = yield* open(2)
      yield* other.connection.container
      const session = yield* other.connection.session(channelId())
      const admitted = yield* session.exec("/bin/mute")
      const held = yield* Effect.scoped(admitted.start(makeOutput().output)).pipe(
        Effect.forkChild({ startImmediately: true })
      )
      assert.strictEqual((yield* inTime(program.signal("INT"), 10)).millis, 0)
      assert.deepStrictEqual(yield* program.exit, ProgramExit.exited(42))
      yield* inTime(Fiber.interrupt(held), 200)
      yield* inTime(other.close, 200)
      yield* inTime(close, 200)
    }).pipe(Effect.provide(backend({ images }, {}, { execs: 1 })))
  )
})
