import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import type { ContainerError } from "../../src/schema/ContainerError.ts"
import { BadRequest, Conflict, NotFound, ServerError, Unauthorized, Unreachable } from "../../src/schema/DockerError.ts"
import { DockerRun } from "../../src/services/DockerRun.ts"
import { type Fault, type FaultEffect, InMemoryEngine } from "../../src/services/InMemoryEngine.ts"
import { backend, client, image, inTime, open, RecordedLog } from "../support/Backend.ts"

const engineError = new ServerError({ status: 500, message: "internal error" })
const away = new Unreachable({ address: "memory://", errno: "ECONNREFUSED", message: "nobody listens" })

const failure = <A>(exit: Exit.Exit<A, ContainerError>): ContainerError => {
  const reason = Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isFailReason) : undefined
  if (reason === undefined) return assert.fail("the container should not have come")
  return reason.error
}

const containerCount = InMemoryEngine.use(({ containers }) => Effect.map(containers, (all) => all.length))
const callCount = (operation: Parameters<InMemoryEngine["Service"]["calls"]>[0]) =>
  InMemoryEngine.use(({ calls }) => Effect.map(calls(operation), (all) => all.length))

describe("a connection", () => {
  it.effect("has one running container with its labels, and none when it has ended", () =>
    Effect.gen(function* () {
      const engine = yield* InMemoryEngine
      const { close, connection } = yield* open()
      const id = yield* connection.container
      const [container, ...others] = yield* engine.containers
      assert.deepStrictEqual(others, [])
      assert.deepInclude(container, { id, status: "running", image })
      assert.deepStrictEqual(container?.labels, {
        containerssh_connection_id: client().connectionId,
        containerssh_ip: "192.0.2.7",
        containerssh_username: "alice",
        mine: "kept"
      })
      yield* close
      assert.strictEqual(yield* containerCount, 0)
      assert.deepStrictEqual(yield* (yield* RecordedLog).codes, ["CONTAINER_STARTED", "CONTAINER_REMOVED"])
    }).pipe(
      Effect.provide(
        backend({}, { container: { Image: image, Labels: { mine: "kept", containerssh_username: "forged" } } })
      )
    )
  )

  it.effect("ends well when it is ended twice", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      yield* connection.container
      yield* Effect.all([close, close], { concurrency: "unbounded" })
      yield* close
      assert.strictEqual(yield* containerCount, 0)
      assert.strictEqual(yield* callCount("removeContainer"), 1)
    }).pipe(Effect.provide(backend()))
  )

  it.effect("says what it is doing, and that it is done", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      const steps = yield* Effect.forkChild(Stream.runCollect(connection.steps), { startImmediately: true })
      yield* TestClock.adjust("20 seconds")
      const tags = (yield* Fiber.join(steps)).map(({ _tag }) => _tag)
      assert.deepStrictEqual([...new Set(tags)], ["Waiting", "Pulling", "Creating", "Starting", "Done"])
      yield* close
    }).pipe(
      Effect.provide(
        backend({
          images: {},
          registry: { [image]: { downloadTime: "4 seconds" } },
          faults: [
            {
              operation: ["inspectImage", "createContainer", "startContainer"],
              effect: { _tag: "Delay", duration: "1 second" }
            }
          ]
        })
      )
    )
  )
})

describe("failures that pass", () => {
  it.effect("the engine answers 500 twice at each step: the container comes all the same", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      const { exit, millis } = yield* inTime(connection.container, 60)
      assert.isTrue(Exit.isSuccess(exit))
      assert.isBelow(millis, 5000)
      yield* close
      assert.strictEqual(yield* containerCount, 0)
    }).pipe(
      Effect.provide(
        backend(
          {
            registry: { [image]: {} },
            faults: (["pullImage", "createContainer", "startContainer"] as const).map((operation) => ({
              operation,
              nth: 1,
              times: 2,
              effect: { _tag: "Fail", reason: engineError }
            }))
          },
          { imagePullPolicy: "Always" }
        )
      )
    )
  )

  it.effect("the engine goes away for 30 seconds: the container comes when it is back", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      const { exit, millis } = yield* inTime(connection.container, 60)
      assert.isTrue(Exit.isSuccess(exit))
      assert.isAtLeast(millis, 30_000)
      // Found within a pause of the one who asks, and gone on with after a pause of one's own: 2 s each, with jitter 2.4.
      assert.isBelow(millis, 35_000)
      yield* close
      assert.strictEqual(yield* containerCount, 0)
    }).pipe(Effect.provide(backend({ faults: [{ until: "30 seconds", effect: { _tag: "Gone" } }] })))
  )

  it.effect("the engine stays away: the attempts become rarer, and the deadline ends them", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      const { exit, millis } = yield* inTime(connection.container, 70)
      assert.strictEqual(failure(exit).code, "DOCKERRUN_ENGINE_UNREACHABLE")
      assert.strictEqual(millis, 60_000)
      // 100, 200, 400, 800, 1600 ms and then every 2 s make 32; with jitter of 20 % up to 40.
      const asked = yield* callCount(undefined)
      assert.isAtLeast(asked, 20)
      assert.isAtMost(asked, 42)
      yield* close
    }).pipe(Effect.provide(backend({ faults: [{ effect: { _tag: "Gone" } }] })))
  )

  it.effect("a failure that has passed is not the reason for a later one", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      const { exit } = yield* inTime(connection.container, 200)
      assert.deepInclude(failure(exit).reason, { _tag: "ContainerTimedOut", step: "start" })
      yield* inTime(close, 200)
      assert.strictEqual(yield* containerCount, 0)
    }).pipe(
      Effect.provide(
        backend({
          faults: [
            { operation: "inspectImage", nth: 1, effect: { _tag: "Fail", reason: engineError } },
            { operation: "startContainer", effect: { _tag: "Hang" } }
          ]
        })
      )
    )
  )

  it.effect("what the engine said last is kept when time runs out between two attempts", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      const { exit } = yield* inTime(connection.container, 200)
      const error = failure(exit)
      assert.strictEqual(error.reason._tag, "EngineUnreachable")
      assert.include(String(error.cause), "nobody listens")
      yield* inTime(close, 200)
    }).pipe(
      Effect.provide(backend({ faults: [{ operation: "startContainer", effect: { _tag: "Fail", reason: away } }] }))
    )
  )
})

describe("failures that do not pass", () => {
  const permanent: ReadonlyArray<readonly [name: string, fault: Fault, code: string]> = [
    [
      "a name that is taken",
      {
        operation: "createContainer",
        effect: { _tag: "Fail", reason: new Conflict({ message: "Conflict. The container name is already in use" }) }
      },
      "DOCKERRUN_CONTAINER_NAME_TAKEN"
    ],
    [
      "a configuration that the engine refuses",
      { operation: "createContainer", effect: { _tag: "Fail", reason: new BadRequest({ message: "invalid mount" }) } },
      "DOCKERRUN_CONTAINER_REJECTED"
    ],
    [
      "an image that no registry has",
      { operation: "pullImage", effect: { _tag: "Fail", reason: new NotFound({ message: "manifest unknown" }) } },
      "DOCKERRUN_IMAGE_NOT_FOUND"
    ],
    [
      "a registry that refuses",
      { operation: "pullImage", effect: { _tag: "Fail", reason: new Unauthorized({ message: "denied" }) } },
      "DOCKERRUN_REGISTRY_DENIED"
    ],
    [
      "a container that cannot start",
      { operation: "startContainer", effect: { _tag: "Fail", reason: new BadRequest({ message: "no idle command" }) } },
      "DOCKERRUN_CONTAINER_NOT_STARTED"
    ]
  ]
  it.effect.each(permanent)("%s fails at once, asked once", ([, fault, code]) =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      const { exit, millis } = yield* inTime(connection.container, 60)
      assert.strictEqual(failure(exit).code, code)
      assert.strictEqual(millis, 0)
      const operation = typeof fault.operation === "string" ? fault.operation : undefined
      assert.strictEqual(yield* callCount(operation), 1)
      // Already before the connection ends.
      assert.strictEqual(yield* containerCount, 0)
      yield* close
    }).pipe(Effect.provide(backend({ registry: { [image]: {} }, faults: [fault] }, { imagePullPolicy: "Always" })))
  )

  it.effect("an engine that keeps on failing is asked three times, not for a minute", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      const { exit, millis } = yield* inTime(connection.container, 60)
      assert.strictEqual(failure(exit).code, "DOCKERRUN_ENGINE_FAILED")
      assert.isBelow(millis, 2000)
      assert.strictEqual(yield* callCount("createContainer"), 3)
      yield* close
      assert.strictEqual(yield* containerCount, 0)
    }).pipe(
      Effect.provide(
        backend({ faults: [{ operation: "createContainer", effect: { _tag: "Fail", reason: engineError } }] })
      )
    )
  )

  it.effect("a second connection with the configured name fails, and leaves the first one alone", () =>
    Effect.gen(function* () {
      const first = yield* open(1)
      const id = yield* first.connection.container
      const second = yield* open(2)
      assert.deepInclude((yield* Effect.flip(second.connection.container)).reason, {
        _tag: "ContainerNameTaken",
        name: "only-one"
      })
      yield* second.close
      const { containers } = yield* InMemoryEngine
      assert.deepStrictEqual(
        (yield* containers).map((container) => [container.id, container.status]),
        [[id, "running"]]
      )
      yield* first.close
      assert.strictEqual(yield* containerCount, 0)
    }).pipe(Effect.provide(backend({}, { containername: "only-one" })))
  )
})

describe("the deadline", () => {
  const hanging = [
    ["inspectImage", "inspect"],
    ["pullImage", "pull"],
    ["createContainer", "create"],
    ["startContainer", "start"]
  ] as const
  it.effect.each(hanging)(
    "ends a %s without an answer: the client is told at 7 s, and nothing is left",
    ([operation, step]) =>
      Effect.gen(function* () {
        const { close, connection } = yield* open()
        const { exit, millis } = yield* inTime(connection.container, 60)
        assert.deepInclude(failure(exit).reason, { _tag: "ContainerTimedOut", step, seconds: 7 })
        assert.strictEqual(millis, 7000)
        yield* inTime(close, 60)
        assert.strictEqual(yield* containerCount, 0)
      }).pipe(
        Effect.provide(
          backend(
            {
              registry: { "dockerrun-test/other:latest": {} },
              images: { "dockerrun-test/other:latest": {} },
              faults: [{ operation, effect: { _tag: "Hang" } }]
            },
            { container: { Image: "dockerrun-test/other" }, timeout: "7s" }
          )
        )
      )
  )

  it.effect("counts pull, create and start together", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      const { exit, millis } = yield* inTime(connection.container, 60)
      assert.deepInclude(failure(exit).reason, { _tag: "ContainerTimedOut", step: "start" })
      assert.strictEqual(millis, 10_000)
      yield* inTime(close, 60)
      assert.strictEqual(yield* containerCount, 0)
    }).pipe(
      Effect.provide(
        backend(
          {
            images: {},
            registry: { [image]: { downloadTime: "4 seconds" } },
            faults: [
              { operation: ["createContainer", "startContainer"], effect: { _tag: "Delay", duration: "4 seconds" } }
            ]
          },
          { timeout: "10s" }
        )
      )
    )
  )

  it.effect("gives a slow pull up, and lets a quicker one through", () =>
    Effect.gen(function* () {
      const engine = yield* InMemoryEngine
      const { close, connection } = yield* open()
      const { exit } = yield* inTime(connection.container, 100)
      assert.deepInclude(failure(exit).reason, { _tag: "ContainerTimedOut", step: "pull" })
      yield* close
      assert.deepStrictEqual(
        (yield* engine.pulls).map(({ outcome }) => outcome),
        ["abandoned"]
      )
      assert.deepStrictEqual(yield* engine.images, [])
    }).pipe(Effect.provide(backend({ images: {}, registry: { [image]: { downloadTime: "2 minutes" } } })))
  )
})

describe("a client that leaves while its container is being made", () => {
  const policies = ["Always", "IfNotPresent"] as const
  const effects: ReadonlyArray<FaultEffect> = [
    { _tag: "Hang" },
    { _tag: "Hang", performed: true },
    { _tag: "Delay", duration: "40 seconds" },
    { _tag: "Delay", duration: "40 seconds", performed: true }
  ]
  const engine = { images: {}, registry: { [image]: {} } }

  const acquisition = Effect.gen(function* () {
    const { close, connection } = yield* open()
    yield* connection.container
    const calls = yield* callCount(undefined)
    yield* close
    return calls
  })

  const leaveAt = Effect.fnUntraced(function* (nth: number) {
    const { awaitCalls, containers } = yield* InMemoryEngine
    const { close, connection } = yield* open()
    const waiting = yield* Effect.forkChild(Effect.exit(connection.container), { startImmediately: true })
    yield* awaitCalls(nth)
    yield* inTime(close, 300)
    // Whatever the engine had still to do, it has done by now.
    yield* TestClock.adjust("10 minutes")
    const exit = yield* Fiber.join(waiting)
    return {
      left: (yield* containers).length,
      isInterrupted: Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
    }
  })

  for (const policy of policies) {
    for (const effect of effects) {
      const way = "performed" in effect ? "answer" : "request"
      it.effect(`with ${policy}, at any call, ${effect._tag} of the ${way}: no container survives`, () =>
        Effect.gen(function* () {
          const calls = yield* Effect.provide(acquisition, backend(engine, { imagePullPolicy: policy }))
          assert.isAtLeast(calls, 3)
          for (let nth = 1; nth <= calls; nth += 1) {
            const outcome = yield* Effect.provide(
              leaveAt(nth),
              backend({ ...engine, faults: [{ nth, effect }] }, { imagePullPolicy: policy })
            )
            assert.deepStrictEqual(outcome, { left: 0, isInterrupted: true }, `call ${nth} of ${calls}`)
          }
        })
      )
    }
  }

  it.effect("even when the engine needs longer for the creation than anybody waits", () =>
    Effect.gen(function* () {
      const engine = yield* InMemoryEngine
      const { close, scope } = yield* open()
      yield* engine.awaitCalls(1, "createContainer")
      yield* Effect.forkIn(close, scope)
      yield* TestClock.adjust("30 minutes")
      assert.strictEqual(yield* containerCount, 0)
    }).pipe(
      Effect.provide(
        backend({ faults: [{ operation: "createContainer", effect: { _tag: "Delay", duration: "10 minutes" } }] })
      )
    )
  )

  it.effect("is waited for no longer than the backend lives", () =>
    Effect.gen(function* () {
      const engine = yield* InMemoryEngine
      const layerScope = yield* Scope.make()
      const { connect } = Context.get(yield* Layer.buildWithScope(Layer.fresh(DockerRun.layer), layerScope), DockerRun)
      const scope = yield* Scope.make()
      yield* connect(client()).pipe(Scope.provide(scope))
      yield* engine.awaitCalls(1, "createContainer")
      yield* inTime(Scope.close(scope, Exit.void), 300)
      yield* inTime(Scope.close(layerScope, Exit.void), 1)
      // Then the engine made it after all: that one is for the reaper.
      yield* TestClock.adjust("30 minutes")
      assert.strictEqual(yield* containerCount, 1)
      assert.strictEqual(yield* callCount("removeContainer"), 0)
    }).pipe(
      Effect.provide(
        backend({ faults: [{ operation: "createContainer", effect: { _tag: "Delay", duration: "10 minutes" } }] })
      )
    )
  )
})

describe("a creation whose answer was lost", () => {
  it.effect("is found by its label: the connection has one container, and none at the end", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      const { exit } = yield* inTime(connection.container, 60)
      assert.isTrue(Exit.isSuccess(exit))
      assert.strictEqual(yield* containerCount, 1)
      assert.strictEqual(yield* callCount("createContainer"), 1)
      yield* close
      assert.strictEqual(yield* containerCount, 0)
    }).pipe(
      Effect.provide(
        backend({
          faults: [{ operation: "createContainer", nth: 1, effect: { _tag: "Fail", reason: away, performed: true } }]
        })
      )
    )
  )

  it.effect("leaves nothing when the client goes before the next attempt", () =>
    Effect.gen(function* () {
      const engine = yield* InMemoryEngine
      const { close } = yield* open()
      yield* engine.awaitCalls(1, "createContainer")
      yield* inTime(close, 60)
      assert.strictEqual(yield* containerCount, 0)
    }).pipe(
      Effect.provide(
        backend({
          faults: [{ operation: "createContainer", nth: 1, effect: { _tag: "Fail", reason: away, performed: true } }]
        })
      )
    )
  )
})

describe("the removal", () => {
  it.effect("is tried again", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      yield* connection.container
      const { millis } = yield* inTime(close, 60)
      assert.isBelow(millis, 2000)
      assert.strictEqual(yield* containerCount, 0)
      assert.strictEqual(yield* callCount("removeContainer"), 4)
    }).pipe(
      Effect.provide(
        backend({
          faults: [{ operation: "removeContainer", nth: 1, times: 3, effect: { _tag: "Fail", reason: engineError } }]
        })
      )
    )
  )

  it.effect("waits for an engine that is away", () =>
    Effect.gen(function* () {
      const engine = yield* InMemoryEngine
      const { close, connection } = yield* open()
      yield* connection.container
      yield* engine.addFaults([{ until: "20 seconds", effect: { _tag: "Gone" } }])
      yield* inTime(close, 60)
      assert.strictEqual(yield* containerCount, 0)
    }).pipe(Effect.provide(backend()))
  )

  it.effect("of a container that somebody removed already is no failure", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      yield* connection.container
      yield* close
      assert.deepStrictEqual(yield* (yield* RecordedLog).codes, ["CONTAINER_STARTED", "CONTAINER_REMOVED"])
    }).pipe(
      Effect.provide(
        backend({
          faults: [
            {
              operation: "removeContainer",
              nth: 1,
              effect: { _tag: "Fail", reason: new NotFound({ message: "No such container" }), performed: true }
            }
          ]
        })
      )
    )
  )

  it.effect("that is under way already is waited for", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      yield* connection.container
      const { millis } = yield* inTime(close, 60)
      assert.strictEqual(millis, 5000)
      assert.strictEqual(yield* containerCount, 0)
    }).pipe(
      Effect.provide(
        backend({
          faults: [
            {
              operation: "removeContainer",
              nth: 1,
              effect: { _tag: "Fail", reason: new Conflict({ message: "already in progress" }), performed: true }
            },
            { operation: "waitContainer", nth: 1, effect: { _tag: "Delay", duration: "5 seconds" } }
          ]
        })
      )
    )
  )

  it.effect("that gets no answer is tried again within its time", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      yield* connection.container
      yield* inTime(close, 120)
      assert.strictEqual(yield* containerCount, 0)
    }).pipe(Effect.provide(backend({ faults: [{ operation: "removeContainer", nth: 1, effect: { _tag: "Hang" } }] })))
  )

  it.effect("that fails for good is bounded by the timeout and reported", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      yield* connection.container
      const { millis } = yield* inTime(close, 120)
      assert.isAtMost(millis, 60_000)
      assert.deepStrictEqual(yield* (yield* RecordedLog).codes, ["CONTAINER_STARTED", "CONTAINER_NOT_REMOVED"])
    }).pipe(
      Effect.provide(backend({ faults: [{ operation: "removeContainer", effect: { _tag: "Fail", reason: away } }] }))
    )
  )
})

describe("many connections", () => {
  // Virtual time, but real work: seconds on an idle machine, more on a busy one.
  it.effect(
    "10,000 one after the other leave nothing",
    () =>
      Effect.gen(function* () {
        for (let number = 1; number <= 10_000; number += 1) {
          const { close, connection } = yield* open(number)
          yield* connection.container
          yield* close
        }
        const engine = yield* InMemoryEngine
        assert.strictEqual(yield* containerCount, 0)
        assert.strictEqual((yield* engine.removed).length, 10_000)
      }).pipe(Effect.provide(backend())),
    180_000
  )

  it.effect("1,000 at once, a third of them gone before they had a container, leave nothing", () =>
    Effect.gen(function* () {
      const engine = yield* InMemoryEngine
      const one = Effect.fnUntraced(function* (number: number) {
        const { close, connection } = yield* open(number)
        yield* number % 3 === 0 ? Effect.sleep(number % 20) : Effect.exit(connection.container)
        yield* close
      })
      const all = yield* Effect.forkChild(
        Effect.forEach(
          Array.from({ length: 1000 }, (_, index) => index + 1),
          one,
          {
            concurrency: "unbounded",
            discard: true
          }
        )
      )
      yield* TestClock.adjust("5 minutes")
      yield* Fiber.join(all)
      assert.strictEqual(yield* containerCount, 0)
      assert.isAbove((yield* engine.removed).length, 600)
    }).pipe(
      Effect.provide(
        backend(
          {
            faults: [
              { operation: "createContainer", effect: { _tag: "Delay", duration: "10 millis", performed: true } },
              { operation: "startContainer", effect: { _tag: "Delay", duration: "250 millis" } },
              {
                operation: "createContainer",
                nth: 100,
                times: 50,
                effect: { _tag: "Fail", reason: away, performed: true }
              },
              { operation: "removeContainer", nth: 200, times: 50, effect: { _tag: "Fail", reason: engineError } }
            ]
          },
          {},
          { starts: 1000 }
        )
      )
    )
  )
})

describe("a whole server that stops", () => {
  it.effect("removes the containers of all connections with their Scope", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make("parallel")
      const all = yield* Effect.forEach([1, 2, 3], (number) => Scope.provide(open(number), scope))
      yield* Effect.forEach(all, ({ connection }) => connection.container)
      assert.strictEqual(yield* containerCount, 3)
      yield* Effect.forEach(all, ({ close }) => close, { concurrency: "unbounded" })
      assert.strictEqual(yield* containerCount, 0)
    }).pipe(Effect.provide(backend()))
  )
})
