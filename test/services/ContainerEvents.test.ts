import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { Unreachable } from "../../src/schema/DockerError.ts"
import type { ContainerId } from "../../src/schema/Identifiers.ts"
import { ProgramError } from "../../src/schema/ProgramError.ts"
import * as ContainerEvents from "../../src/services/ContainerEvents.ts"
import { type ContainerEvent, Docker } from "../../src/services/Docker.ts"
import { DockerRun } from "../../src/services/DockerRun.ts"
import { InMemoryEngine } from "../../src/services/InMemoryEngine.ts"
import * as ProgramExit from "../../src/services/ProgramExit.ts"
import { backend, channelId, inTime, makeOutput, open, RecordedLog } from "../support/Backend.ts"

type EventStream = ReturnType<Docker["Service"]["containerEvents"]>

/** The backend with the engine's events, as they are passed on. */
const following = (pass: (events: EventStream) => EventStream, ...options: Parameters<typeof backend>) =>
  // The backend has one of its own, which knows of no events.
  Layer.fresh(DockerRun.layer).pipe(
    Layer.provide(ContainerEvents.layer),
    Layer.provide(
      Layer.effect(
        Docker,
        Docker.use((docker) =>
          Effect.succeed({
            ...docker,
            containerEvents: (labels: ReadonlyArray<string>) => pass(docker.containerEvents(labels))
          })
        )
      )
    ),
    Layer.provideMerge(backend(...options))
  )

const withEvents = <A, E>(
  use: (
    tell: (id: ContainerId, action: string) => Effect.Effect<void>
  ) => Effect.Effect<A, E, DockerRun | Docker | InMemoryEngine | RecordedLog>,
  ...options: Parameters<typeof backend>
) =>
  Effect.flatMap(Queue.unbounded<ContainerEvent>(), (queue) =>
    use((containerId, action) => Effect.asVoid(Queue.offer(queue, { action, containerId, attributes: {} }))).pipe(
      Effect.provide(following((events) => Stream.merge(events, Stream.fromQueue(queue)), ...options))
    )
  )

/** A connection with a program that runs in its container. */
const openAs = Effect.fnUntraced(function* (number: number) {
  const opened = yield* open(number)
  const id = yield* opened.connection.container
  const session = yield* opened.connection.session(channelId())
  const admitted = yield* session.exec("sleep 1000")
  const scope = yield* Scope.make()
  const collected = makeOutput()
  const program = yield* Scope.provide(admitted.start(collected.output), scope)
  return { ...opened, ...collected, id, program, close: Effect.andThen(Scope.close(scope, Exit.void), opened.close) }
})

const openProgram = openAs(1)

const message = (exit: Exit.Exit<unknown, unknown>) => {
  const error = Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isFailReason)?.error : undefined
  return error instanceof ProgramError ? [error.code, error.message, error.exitStatus] : exit
}

const fates = RecordedLog.use(({ events }) =>
  Effect.map(events, (all) => all.flatMap(({ code, fields }) => (code === "CONTAINER_LOST" ? [fields?.["fate"]] : [])))
)

describe("a container that", () => {
  it.effect("is removed by somebody else ends its programs and its connection at once, and they are told why", () =>
    withEvents(() =>
      Effect.gen(function* () {
        const { close, connection, id, program } = yield* openProgram
        const docker = yield* Docker
        yield* docker.removeContainer(id)
        const { exit, millis } = yield* inTime(program.exit, 10)
        assert.deepStrictEqual(message(exit), ["DOCKERRUN_PROGRAM_LOST", "the container was killed or removed", 137])
        assert.isAtMost(millis, 500)
        assert.isTrue(Exit.isSuccess((yield* inTime(connection.ended, 1)).exit))
        assert.deepStrictEqual(yield* fates, ["killed"])
        yield* inTime(close, 60)
      })
    )
  )

  it.effect("runs out of memory says so", () =>
    withEvents((tell) =>
      Effect.gen(function* () {
        const { close, connection, id } = yield* openProgram
        yield* tell(id, "oom")
        yield* tell(id, "die")
        yield* inTime(connection.ended, 1)
        assert.deepStrictEqual(yield* fates, ["outOfMemory"])
        yield* inTime(close, 60)
      })
    )
  )

  it.effect(
    "is about to end, and takes its time, is waited for by a program that was killed with it, but not for ever",
    () =>
      withEvents((tell) =>
        Effect.gen(function* () {
          for (const isRemoved of [true, false]) {
            const { close, id, program } = yield* openProgram
            yield* tell(id, "kill")
            yield* program.signal("KILL")
            yield* TestClock.adjust("2 seconds")
            const ending = yield* Effect.forkChild(Effect.exit(program.exit), { startImmediately: true })
            yield* TestClock.adjust("1 second")
            assert.isUndefined(ending.pollUnsafe())
            const { removeContainer } = yield* Docker
            if (isRemoved) yield* removeContainer(id)
            else yield* TestClock.adjust("1 second")
            const { exit } = yield* inTime(program.exit, 1)
            assert.deepStrictEqual(
              message(exit),
              isRemoved
                ? ["DOCKERRUN_PROGRAM_LOST", "the container was killed or removed", 137]
                : Exit.succeed(ProgramExit.killed("KILL"))
            )
            yield* close
          }
        })
      )
  )

  it.effect(
    "is shared by its user's connections tells each of them, and none that comes when it was started anew",
    () =>
      withEvents(
        () =>
          Effect.gen(function* () {
            // Until it follows the events.
            yield* TestClock.adjust("1 second")
            const [one, other] = [yield* openAs(1), yield* openAs(2)]
            assert.strictEqual(one.id, other.id)
            yield* Docker.use((docker) => docker.killContainer(one.id, "SIGKILL"))
            for (const { close, program } of [one, other]) {
              const { exit } = yield* inTime(program.exit, 5)
              assert.deepStrictEqual(message(exit), [
                "DOCKERRUN_PROGRAM_LOST",
                "the container was killed or removed",
                137
              ])
              yield* close
            }
            const later = yield* openAs(3)
            assert.strictEqual(later.id, one.id)
            const ending = yield* Effect.forkChild(Effect.exit(later.program.exit), { startImmediately: true })
            yield* TestClock.adjust("10 seconds")
            assert.isUndefined(ending.pollUnsafe())
            yield* later.close
          }),
        {},
        { mode: "persistent" }
      )
  )

  it.effect("is a session's own is known to have been killed, although its end is told long after its status", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      const session = yield* connection.session(channelId())
      const admitted = yield* session.exec("sleep 1000")
      const scope = yield* Scope.make()
      const program = yield* Scope.provide(admitted.start(makeOutput().output), scope)
      const own = program.container
      if (own === undefined) return assert.fail("it has no container of its own")
      yield* Docker.use(({ killContainer }) => killContainer(own, "KILL"))
      const { exit } = yield* inTime(program.exit, 5)
      assert.deepStrictEqual(message(exit), ["DOCKERRUN_PROGRAM_LOST", "the container was killed or removed", 137])
      yield* Scope.close(scope, Exit.void)
      yield* close
    }).pipe(
      Effect.provide(
        following(
          Stream.tap(({ action }) => (action.startsWith("die") ? Effect.sleep("2 seconds") : Effect.void)),
          {},
          { mode: "session" }
        )
      )
    )
  )

  it.effect("was killed after something in it had run out of memory was killed", () =>
    withEvents((tell) =>
      Effect.gen(function* () {
        const { close, connection, id } = yield* openProgram
        for (const action of ["oom", "kill", "die"]) yield* tell(id, action)
        yield* inTime(connection.ended, 1)
        assert.deepStrictEqual(yield* fates, ["killed"])
        yield* inTime(close, 60)
      })
    )
  )

  it.effect("is paused tells its people so, starts nothing, and goes on", () =>
    withEvents((tell) =>
      Effect.gen(function* () {
        const { close, connection, id, stderr } = yield* openProgram
        yield* tell(id, "pause")
        yield* TestClock.adjust(0)
        assert.strictEqual(stderr(), "dockerrun: the container was paused; it goes on when it is resumed\n")
        yield* tell(id, "unpause")
        yield* TestClock.adjust(0)
        assert.include(stderr(), "dockerrun: the container goes on\n")
        const session = yield* connection.session(channelId(1))
        const admitted = yield* session.exec("echo here")
        const exit = yield* Effect.scoped(Effect.flatMap(admitted.start(makeOutput().output), (one) => one.exit))
        assert.deepStrictEqual(exit, ProgramExit.exited(0))
        yield* inTime(close, 60)
      })
    )
  )
})

describe("the subscription", () => {
  it.effect("is made anew when the engine is back, and tells of the containers that went with it", () =>
    withEvents(() =>
      Effect.gen(function* () {
        const { close, connection } = yield* openProgram
        const engine = yield* InMemoryEngine
        const docker = yield* Docker
        const ended = yield* Effect.forkChild(connection.ended, { startImmediately: true })
        assert.lengthOf(yield* engine.calls("containerEvents"), 1)
        yield* engine.addFaults([
          {
            until: "5 seconds",
            effect: { _tag: "Gone" }
          }
        ])
        yield* inTime(Effect.sleep("20 seconds"), 21)
        assert.isAtLeast((yield* engine.calls("containerEvents")).length, 1)
        const [container] = yield* engine.containers
        if (container !== undefined) yield* docker.removeContainer(container.id)
        assert.isTrue(Exit.isSuccess((yield* inTime(Fiber.join(ended), 10)).exit))
        yield* inTime(close, 60)
      })
    )
  )

  it.effect("does not spin when the engine refuses it", () =>
    withEvents(
      () =>
        Effect.gen(function* () {
          const { close } = yield* openProgram
          const engine = yield* InMemoryEngine
          yield* inTime(Effect.sleep("60 seconds"), 61)
          assert.isAtMost((yield* engine.calls("containerEvents")).length, 60)
          yield* inTime(close, 60)
        }),
      {
        faults: [
          {
            operation: "containerEvents",
            effect: { _tag: "Fail", reason: new Unreachable({ address: "memory://", message: "no events here" }) }
          }
        ]
      }
    )
  )
})
