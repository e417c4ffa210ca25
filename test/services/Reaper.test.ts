import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { BootId, InstanceId } from "../../src/schema/InstanceId.ts"
import { Docker } from "../../src/services/Docker.ts"
import { InMemoryEngine } from "../../src/services/InMemoryEngine.ts"
import * as Instance from "../../src/services/Instance.ts"
import { LifecycleConfig } from "../../src/services/LifecycleConfig.ts"
import * as Reaper from "../../src/services/Reaper.ts"
import { backend, client, image, inTime, open, RecordedLog } from "../support/Backend.ts"

const boot = (number: number) => BootId.make(number.toString(16).padStart(16, "0"))
const own = boot(1)

/** What a state directory would say of runs. */
const boots = (states: Readonly<Record<string, Instance.BootState>> = {}) => {
  const forgotten: Array<string> = []
  return {
    forgotten,
    state: (asked: string) => Effect.succeed(states[asked] ?? "unknown"),
    known: Effect.succeed(Object.keys(states)),
    forget: (over: string) => Effect.sync(() => void forgotten.push(over))
  }
}

const identity = (known: Instance.Boots = boots()) =>
  Instance.make({ id: InstanceId.make("here"), boot: own, boots: known })

/** The test, as a server with an identity. */
const asInstance =
  (value: Instance.Identity = identity(), engine: Parameters<typeof backend>[0] = {}) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    effect.pipe(Effect.provide(backend(engine)), Effect.provideService(Instance.Instance, value))

/** A container that somebody else made, with these labels. */
const stray = Effect.fnUntraced(function* (labels: Readonly<Record<string, string>>, start = true) {
  const docker = yield* Docker
  const id = yield* docker.createContainer({ config: { Image: image, Labels: labels }, host: {}, network: {} })
  if (start) yield* docker.startContainer(id)
  return id
})

const of = (instance: string, bootId: string, connection = "c0ffee00") => ({
  [Instance.label.instance]: instance,
  [Instance.label.boot]: bootId,
  containerssh_connection_id: connection
})

const nameOf = ({ left }: Reaper.Candidate) => (left._tag === "Container" ? left.container.id : left.volume.name)

const volumes = Docker.use((docker) => Effect.map(docker.listVolumes([]), (all) => all.map(({ name }) => name)))

const present = InMemoryEngine.use((engine) => Effect.map(engine.containers, (all) => all.map(({ id }) => id)))
const callCount = (operation: "info" | "listContainers" | "removeContainer") =>
  InMemoryEngine.use(({ calls }) => Effect.map(calls(operation), (all) => all.length))
const codes = RecordedLog.use((log) => log.codes)
const codeCount = (code: string) => Effect.map(codes, (all) => all.filter((one) => one === code).length)

describe("the labels of a container", () => {
  it.effect("name the server, its run, and when it was made", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("1000 seconds")
      const { close, connection } = yield* open()
      yield* connection.container
      const [container] = yield* InMemoryEngine.use((engine) => engine.containers)
      assert.deepStrictEqual(container?.labels, {
        containerssh_connection_id: client().connectionId,
        containerssh_ip: "192.0.2.7",
        containerssh_username: "alice",
        dockerrun_instance: "here",
        dockerrun_boot: own,
        dockerrun_started: "1000"
      })
      yield* close
    }).pipe(asInstance())
  )
})

describe("a sweep", () => {
  it.effect("removes what runs that are over have left, started or not, and nothing else", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      const live = yield* connection.container
      const orphans = [yield* stray(of("here", boot(2))), yield* stray(of("here", boot(2)), false)]
      const others = [
        yield* stray(of("here", boot(3))),
        yield* stray(of("here", boot(4))),
        yield* stray(of("there", boot(2))),
        yield* stray(of("here", "../2")),
        yield* stray({ [Instance.label.instance]: "here" }),
        yield* stray({ containerssh_connection_id: "c0ffee00" }),
        yield* stray({})
      ]
      assert.deepStrictEqual([...(yield* Reaper.sweep())].toSorted(), orphans.toSorted())
      assert.deepStrictEqual(yield* present, [live, ...others])
      assert.strictEqual(yield* codeCount("CONTAINER_REAPED"), 2)
      yield* close
    }).pipe(asInstance(identity(boots({ [own]: "running", [boot(2)]: "over", [boot(3)]: "running" }))))
  )

  it.effect("removes the volumes of containers that the engine has lost, and no others", () =>
    Effect.gen(function* () {
      const { leaveVolume } = yield* InMemoryEngine
      const { close, connection } = yield* open()
      yield* connection.container
      const labels = Object.entries(of("here", own, client().connectionId)).map(([name, value]) => `${name}=${value}`)
      const [kept] = yield* Docker.use((docker) => docker.listVolumes(labels))
      const others = [
        yield* leaveVolume(of("here", boot(3))),
        yield* leaveVolume(of("here", boot(4))),
        yield* leaveVolume(of("there", boot(2))),
        yield* leaveVolume({})
      ]
      yield* leaveVolume(of("here", boot(2)))
      yield* leaveVolume(of("here", own, "of a connection that has ended"))
      // It has a container, which the reaper must not know.
      yield* Docker.use(({ createContainer }) =>
        createContainer({
          config: { Image: image },
          host: {
            Mounts: [{ Type: "volume", Target: "/data", VolumeOptions: { Labels: of("here", boot(2)) } }]
          },
          network: {}
        })
      )
      const [used] = (yield* volumes).slice(-1)
      yield* Reaper.sweep()
      assert.deepStrictEqual(yield* volumes, [kept?.name, ...others, used])
      assert.strictEqual(yield* codeCount("VOLUME_REAPED"), 2)
      yield* close
      assert.deepStrictEqual(yield* volumes, [...others, used])
    }).pipe(
      asInstance(identity(boots({ [own]: "running", [boot(2)]: "over", [boot(3)]: "running" })), {
        images: { [image]: { volumes: ["/data"] } }
      })
    )
  )

  it.effect("never takes the container of a connection that is only beginning", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      yield* InMemoryEngine.use((engine) => engine.awaitCalls(1, "createContainer"))
      yield* TestClock.adjust("1 second")
      // The engine has made it; nobody here knows its id yet.
      assert.strictEqual((yield* present).length, 1)
      assert.deepStrictEqual(yield* Reaper.sweep(), [])
      const { exit } = yield* inTime(connection.container, 10)
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(yield* Reaper.sweep(), [])
      assert.strictEqual((yield* present).length, 1)
      yield* close
    }).pipe(
      asInstance(identity(), {
        faults: [{ operation: "createContainer", effect: { _tag: "Delay", duration: "3 seconds", performed: true } }]
      })
    )
  )

  it.effect("never takes the container of a connection that is removing it itself", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      yield* connection.container
      const closing = yield* Effect.forkChild(close, { startImmediately: true })
      yield* InMemoryEngine.use((engine) => engine.awaitCalls(1, "removeContainer"))
      assert.deepStrictEqual(yield* Reaper.sweep(), [])
      assert.strictEqual(yield* callCount("removeContainer"), 1)
      yield* inTime(Fiber.join(closing), 10)
      assert.deepStrictEqual(yield* present, [])
      assert.notInclude(yield* codes, "CONTAINER_REAPED")
    }).pipe(
      asInstance(identity(), {
        faults: [{ operation: "removeContainer", effect: { _tag: "Delay", duration: "3 seconds" } }]
      })
    )
  )

  it.effect("lets go of a run that is over when nothing of it is left, not before", () => {
    const known = boots({ [boot(2)]: "over", [boot(3)]: "running", [boot(4)]: "over" })
    return Effect.gen(function* () {
      yield* stray(of("here", boot(2)))
      yield* Reaper.sweep()
      assert.deepStrictEqual(known.forgotten, [boot(4)])
      yield* Reaper.sweep()
      assert.deepStrictEqual(known.forgotten, [boot(4), boot(2), boot(4)])
    }).pipe(asInstance(identity(known)))
  })

  it.effect("is nothing for a server without an identity", () =>
    Effect.gen(function* () {
      yield* stray(of("here", boot(2)))
      assert.deepStrictEqual(yield* Reaper.sweep(), [])
      yield* Reaper.run
      assert.strictEqual(yield* callCount("listContainers"), 0)
    }).pipe(Effect.provide(backend()))
  )
})

const runs = Effect.forkScoped(Reaper.run, { startImmediately: true })

describe("the reaper", () => {
  it.effect("sweeps at the start, and then every interval", () =>
    Effect.gen(function* () {
      yield* stray(of("here", boot(2)))
      yield* runs
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* present, [])
      yield* stray(of("here", boot(2)))
      yield* TestClock.adjust("55 seconds")
      assert.strictEqual((yield* present).length, 1)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* present, [])
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(yield* callCount("listContainers"), 12)
    }).pipe(asInstance(identity(boots({ [boot(2)]: "over" }))))
  )

  it.effect("removes what a connection could not remove because the engine was away", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      yield* connection.container
      yield* runs
      yield* InMemoryEngine.use((engine) =>
        engine.addFaults([{ operation: "removeContainer", until: "5 minutes", effect: { _tag: "Hang" } }])
      )
      yield* inTime(close, 100)
      assert.include(yield* codes, "CONTAINER_NOT_REMOVED")
      assert.strictEqual((yield* present).length, 1)
      yield* TestClock.adjust("6 minutes")
      assert.deepStrictEqual(yield* present, [])
    }).pipe(
      asInstance(),
      Effect.updateService(LifecycleConfig, (settings) => ({ ...settings, deadMansSwitch: false }))
    )
  )

  it.effect("asks an engine that is away again, and says so once for each time that it is away", () =>
    Effect.gen(function* () {
      yield* stray(of("here", boot(2)))
      const { addFaults } = yield* InMemoryEngine
      yield* addFaults([{ until: "5 minutes", effect: { _tag: "Gone" } }])
      yield* runs
      yield* TestClock.adjust("4 minutes")
      assert.strictEqual(yield* codeCount("REAP_FAILED"), 1)
      // What was asked in the meantime is whether it is back, by the circuit.
      assert.isAtLeast(yield* callCount("info"), 4)
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(yield* present, [])
      yield* addFaults([{ until: "5 minutes", effect: { _tag: "Gone" } }])
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual(yield* codeCount("REAP_FAILED"), 2)
    }).pipe(asInstance(identity(boots({ [boot(2)]: "over" }))))
  )

  it.effect("is not stopped by an engine that never answers, nor by one container that stays", () =>
    Effect.gen(function* () {
      const stubborn = yield* stray(of("here", boot(2)))
      yield* stray(of("here", boot(2)))
      const { addFaults } = yield* InMemoryEngine
      yield* addFaults([
        { operation: "listContainers", nth: 1, effect: { _tag: "Hang" } },
        { operation: "removeContainer", nth: 1, effect: { _tag: "Hang" } }
      ])
      yield* runs
      yield* TestClock.adjust("121 seconds")
      assert.deepStrictEqual(yield* present, [stubborn])
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(yield* present, [])
    }).pipe(asInstance(identity(boots({ [boot(2)]: "over" }))))
  )

  it.effect("does nothing with an interval of 0", () =>
    Effect.gen(function* () {
      yield* stray(of("here", boot(2)))
      yield* Reaper.run
      assert.strictEqual((yield* present).length, 1)
    }).pipe(
      asInstance(identity(boots({ [boot(2)]: "over" }))),
      Effect.updateService(LifecycleConfig, (settings) => ({ ...settings, reapInterval: Duration.zero }))
    )
  )
})

describe("what a person asks to reap", () => {
  const made = (seconds: number) => ({ [Instance.label.started]: String(seconds) })

  it.effect("a server by name: all of it, except for runs that go on", () =>
    Effect.gen(function* () {
      const running = yield* stray(of("gone", boot(2)))
      const created = yield* stray(of("gone", boot(3)), false)
      yield* stray(of("here", boot(3)))
      yield* stray({})
      const { leaveVolume } = yield* InMemoryEngine
      // One goes with its container, the other has none.
      yield* leaveVolume(of("gone", boot(3)))
      const alone = yield* leaveVolume(of("gone", boot(3), "another"))
      yield* leaveVolume(of("here", boot(3), "another"))
      const candidates = yield* Reaper.select(
        { _tag: "Instance", id: InstanceId.make("gone") },
        boots({ [boot(2)]: "running" })
      )
      assert.deepStrictEqual(
        candidates.map((one) => [nameOf(one), one.spared]),
        [
          [running, "server runs"],
          [created, undefined],
          [alone, undefined]
        ]
      )
      yield* Reaper.reap(candidates[2] ?? assert.fail("there are three"))
      assert.notInclude(yield* volumes, alone)
    }).pipe(Effect.provide(backend()))
  )

  it.effect("by age: of every server, the oldest first, and never what is younger or has a run that goes on", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("10 hours")
      const young = yield* stray({ ...of("a", boot(2)), ...made(35_000) })
      const old = yield* stray({ ...of("a", boot(2)), ...made(0) })
      const older = yield* stray({ ...of("b", boot(3)), ...made(7200) })
      const needed = yield* stray({ ...of("b", boot(4)), ...made(100) })
      // Its label says nothing, so the engine's own time counts.
      const nonsense = yield* stray({ ...of("c", boot(5)), [Instance.label.started]: "yesterday" })
      yield* stray({ ...made(0) })
      const candidates = yield* Reaper.select(
        { _tag: "Stale", age: Duration.hours(1) },
        boots({ [boot(4)]: "running" })
      )
      assert.deepStrictEqual(
        candidates.map((one) => [nameOf(one), one.spared]),
        [
          [old, undefined],
          [needed, "server runs"],
          [older, undefined],
          [young, "not stale"],
          [nonsense, "not stale"]
        ]
      )
      yield* Reaper.reap(candidates[0] ?? assert.fail("nothing was selected"))
      assert.notInclude(yield* present, old)
    }).pipe(Effect.provide(backend()))
  )
})
