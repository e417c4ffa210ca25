import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import type * as InMemoryDocker from "../../src/layers/InMemoryDocker.ts"
import { ServerError } from "../../src/schema/DockerError.ts"
import { nameOf } from "../../src/schema/PersistentConfig.ts"
import { Docker } from "../../src/services/Docker.ts"
import { DockerRun } from "../../src/services/DockerRun.ts"
import { InMemoryEngine, type Operation } from "../../src/services/InMemoryEngine.ts"
import { backend, channelId, client, image, inTime, makeOutput, RecordedLog } from "../support/Backend.ts"

const containers = InMemoryEngine.use((engine) => engine.containers)
const states = Effect.map(containers, (all) => all.map(({ name, status }) => [name, status]))
const callCount = (operation?: Operation) =>
  InMemoryEngine.use(({ calls }) => Effect.map(calls(operation), (all) => all.length))
const codeCount = (code: string) =>
  RecordedLog.use((log) => Effect.map(log.codes, (all) => all.filter((one) => one === code).length))

type Settings = Readonly<Record<"name" | "idleTimeout" | "maxAge", string>>

const persistent = (engine: InMemoryDocker.Options = {}, settings: Partial<Settings> = {}) =>
  backend(engine, { mode: "persistent", persistent: { name: "dev-{username}", ...settings } })

const connect = Effect.fnUntraced(function* (username: string, number: number = 1, dockerRun?: DockerRun["Service"]) {
  const scope = yield* Scope.make()
  const { connect } = dockerRun ?? (yield* DockerRun)
  const connection = yield* connect({ ...client(number), username }).pipe(Scope.provide(scope))
  return { connection, close: Scope.close(scope, Exit.void) }
})

/** Another server on the same engine. */
const anotherServer = Effect.map(Layer.build(Layer.fresh(DockerRun.layer)), (context) =>
  Context.get(context, DockerRun)
)

const pass = (seconds: number) => Effect.repeat(TestClock.adjust("1 second"), { times: seconds - 1 })

describe("the name of a user's container", () => {
  it("is plain for plain users", () => {
    assert.strictEqual(nameOf("dev-{username}", "alice"), "dev-alice")
    assert.strictEqual(nameOf("dev-{username}.x", "J.Doe-2"), "dev-J.Doe-2.x")
  })

  it("is never that of another user, and never anything but a name", () => {
    const users = [
      "a_b",
      "a_5fb",
      "a/b",
      "a\\b",
      "a b",
      "a%20b",
      "A_B",
      "../a",
      "",
      "a\0",
      "é",
      "e\u0301",
      "_",
      "__",
      "/",
      "."
    ]
    const names = users.map((user) => nameOf("dev-{username}", user))
    assert.strictEqual(new Set(names).size, users.length)
    for (const name of names) assert.match(name, /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/u)
  })
})

describe("a persistent container", () => {
  it.effect("is made for the first connection, shared by the next, and stays", () =>
    Effect.gen(function* () {
      const first = yield* connect("alice", 1)
      const id = yield* first.connection.container
      const second = yield* connect("alice", 2)
      assert.strictEqual(yield* second.connection.container, id)
      const other = yield* connect("bob", 3)
      assert.notStrictEqual(yield* other.connection.container, id)
      yield* Effect.forEach([first, second, other], ({ close }) => close, { discard: true })
      assert.deepStrictEqual(yield* states, [
        ["dev-alice", "running"],
        ["dev-bob", "running"]
      ])
      const [alice] = yield* containers
      assert.deepStrictEqual(alice?.labels, {
        dockerrun_persistent: "dev-{username}",
        containerssh_username: "alice"
      })
      assert.strictEqual(alice?.spec.host.AutoRemove, undefined)
    }).pipe(Effect.provide(persistent()))
  )

  it.effect("is started again when it does not run", () =>
    Effect.gen(function* () {
      const first = yield* connect("alice")
      const id = yield* first.connection.container
      yield* first.close
      yield* Docker.use((docker) => docker.killContainer(id, "SIGKILL"))
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(yield* states, [["dev-alice", "exited"]])
      const second = yield* connect("alice", 2)
      assert.strictEqual(yield* second.connection.container, id)
      assert.deepStrictEqual(yield* states, [["dev-alice", "running"]])
    }).pipe(Effect.provide(persistent()))
  )

  it.effect("is one, however many connections of however many servers come at once", () =>
    Effect.gen(function* () {
      const other = yield* anotherServer
      const opened = yield* Effect.forEach([1, 2, 3, 4, 5, 6], (number) =>
        connect("alice", number, number % 2 === 0 ? other : undefined)
      )
      const { exit } = yield* inTime(
        Effect.forEach(opened, ({ connection }) => connection.container, { concurrency: "unbounded" }),
        30
      )
      if (Exit.isFailure(exit)) return assert.fail("a connection has no container")
      assert.strictEqual(new Set(exit.value).size, 1)
      assert.deepStrictEqual(yield* states, [["dev-alice", "running"]])
    }).pipe(
      Effect.provide(
        persistent({
          faults: [
            { operation: ["createContainer", "startContainer"], effect: { _tag: "Delay", duration: "1 second" } }
          ]
        })
      )
    )
  )

  it.effect("of that name that is somebody else's is refused, and left alone", () =>
    Effect.gen(function* () {
      const docker = yield* Docker
      const spec = { name: "dev-alice", host: {}, network: {} }
      yield* docker.createContainer({ ...spec, config: { Image: image } })
      const { connection } = yield* connect("alice")
      assert.deepInclude((yield* Effect.flip(connection.container)).reason, {
        _tag: "ContainerForeign",
        code: "DOCKERRUN_CONTAINER_FOREIGN"
      })
      assert.deepStrictEqual(yield* states, [["dev-alice", "created"]])
    }).pipe(Effect.provide(persistent()))
  )

  it.effect("made for another user under that name is refused, too", () =>
    Effect.gen(function* () {
      const docker = yield* Docker
      yield* docker.createContainer({
        name: "dev-alice",
        config: { Image: image, Labels: { dockerrun_persistent: "dev-{username}", containerssh_username: "mallory" } },
        host: {},
        network: {}
      })
      const { connection } = yield* connect("alice")
      assert.strictEqual((yield* Effect.flip(connection.container)).code, "DOCKERRUN_CONTAINER_FOREIGN")
    }).pipe(Effect.provide(persistent()))
  )

  it.effect("loses the programs of a connection that ends", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* connect("alice")
      yield* connection.container
      const session = yield* connection.session(channelId())
      const program = yield* session.exec("sleep 1000")
      const { output } = makeOutput()
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* program.start(output)
          yield* inTime(close, 20)
        })
      )
      const engine = yield* InMemoryEngine
      assert.deepStrictEqual(
        (yield* engine.execs).filter(({ running }) => running),
        []
      )
      assert.deepStrictEqual(yield* states, [["dev-alice", "running"]])
    }).pipe(Effect.provide(persistent()))
  )
})

describe("a container that nobody uses", () => {
  it.effect("is stopped after idleTimeout, counted from the last connection's end", () =>
    Effect.gen(function* () {
      const first = yield* connect("alice", 1)
      const second = yield* connect("alice", 2)
      yield* first.connection.container
      yield* second.connection.container
      yield* first.close
      yield* pass(300)
      yield* second.close
      yield* pass(50)
      assert.deepStrictEqual(yield* states, [["dev-alice", "running"]])
      yield* pass(30)
      assert.deepStrictEqual(yield* states, [["dev-alice", "exited"]])
      assert.strictEqual(yield* codeCount("CONTAINER_STOPPED"), 1)
    }).pipe(Effect.provide(persistent({}, { idleTimeout: "1m" })))
  )

  it.effect("is stopped, too, by a server that found it running when it started", () =>
    Effect.gen(function* () {
      const docker = yield* Docker
      const id = yield* docker.createContainer({
        name: "dev-alice",
        config: { Image: image, Labels: { dockerrun_persistent: "dev-{username}", containerssh_username: "alice" } },
        host: {},
        network: {}
      })
      yield* docker.startContainer(id)
      yield* pass(90)
      assert.deepStrictEqual(yield* states, [["dev-alice", "exited"]])
    }).pipe(Effect.provide(persistent({}, { idleTimeout: "1m" })))
  )

  it.effect("is in use while a program of another server's connection runs in it", () =>
    Effect.gen(function* () {
      const other = yield* anotherServer
      const { close, connection } = yield* connect("alice", 1, other)
      yield* connection.container
      const session = yield* connection.session(channelId())
      const program = yield* session.exec("sleep 100000")
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* program.start(makeOutput().output)
          yield* pass(300)
          assert.deepStrictEqual(yield* states, [["dev-alice", "running"]])
          yield* inTime(close, 20)
        })
      )
      yield* pass(180)
      assert.deepStrictEqual(yield* states, [["dev-alice", "exited"]])
    }).pipe(Effect.scoped, Effect.provide(persistent({}, { idleTimeout: "1m" })))
  )

  it.effect("is removed when it is stopped and older than maxAge", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* connect("alice")
      yield* connection.container
      yield* pass(400)
      yield* close
      yield* pass(50)
      assert.deepStrictEqual(yield* states, [["dev-alice", "running"]])
      yield* pass(60)
      assert.deepStrictEqual(yield* states, [])
    }).pipe(Effect.provide(persistent({}, { idleTimeout: "1m", maxAge: "5m" })))
  )

  it.effect("is not removed by a server that saw it before another one has started it", () =>
    Effect.gen(function* () {
      yield* anotherServer
      const coming = yield* Effect.forkChild(Effect.flatMap(connect("alice"), ({ connection }) => connection.container))
      yield* InMemoryEngine.use((engine) => engine.awaitCalls(1, "startContainer"))
      yield* pass(7)
      const id = yield* Fiber.join(coming)
      assert.strictEqual(yield* callCount("removeContainer"), 1)
      const [alice] = yield* containers
      assert.deepStrictEqual([alice?.id, alice?.status], [id, "running"])
    }).pipe(
      Effect.provide(
        persistent(
          {
            faults: [
              { operation: "startContainer", effect: { _tag: "Delay", duration: "4 seconds" } },
              { operation: "removeContainer", effect: { _tag: "Delay", duration: "3 seconds" } }
            ]
          },
          { idleTimeout: "4s", maxAge: "2s" }
        )
      )
    )
  )

  it.effect("is never stopped nor removed with times of 0", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* connect("alice")
      yield* connection.container
      yield* close
      yield* pass(7200)
      assert.deepStrictEqual(yield* states, [["dev-alice", "running"]])
    }).pipe(Effect.provide(persistent({}, { idleTimeout: "0s" })))
  )

  it.effect("and is just being stopped is waited for, and started again", () =>
    Effect.gen(function* () {
      const first = yield* connect("alice", 1)
      yield* first.connection.container
      yield* first.close
      const engine = yield* InMemoryEngine
      yield* Effect.forkChild(engine.awaitCalls(1, "killContainer"))
      while ((yield* callCount("killContainer")) === 0) yield* TestClock.adjust("1 second")
      const second = yield* connect("alice", 2)
      const { exit } = yield* inTime(second.connection.container, 30)
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(yield* states, [["dev-alice", "running"]])
      yield* pass(20)
      assert.deepStrictEqual(yield* states, [["dev-alice", "running"]])
    }).pipe(
      Effect.provide(
        persistent(
          { faults: [{ operation: "killContainer", effect: { _tag: "Delay", duration: "5 seconds" } }] },
          { idleTimeout: "1m" }
        )
      )
    )
  )

  it.effect("is stopped when the engine can be asked again; meanwhile that is logged once", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* connect("alice")
      yield* connection.container
      yield* close
      yield* pass(300)
      assert.deepStrictEqual(yield* states, [["dev-alice", "running"]])
      assert.strictEqual(yield* codeCount("PERSISTENT_SWEEP_FAILED"), 1)
      yield* InMemoryEngine.use((engine) => engine.clearFaults)
      yield* pass(60)
      assert.deepStrictEqual(yield* states, [["dev-alice", "exited"]])
    }).pipe(
      Effect.provide(
        persistent(
          {
            faults: [
              {
                operation: "listContainers",
                effect: { _tag: "Fail", reason: new ServerError({ status: 500, message: "internal error" }) }
              }
            ]
          },
          { idleTimeout: "1m" }
        )
      )
    )
  )
})

describe("a connection that ends while its container comes", () => {
  it.effect("leaves a container that the next one takes, whatever the engine was doing", () =>
    Effect.gen(function* () {
      for (let nth = 1; nth <= 4; nth += 1) {
        const left = yield* Effect.provide(
          Effect.gen(function* () {
            const engine = yield* InMemoryEngine
            const first = yield* connect("alice", 1)
            yield* engine.awaitCalls(nth)
            yield* inTime(first.close, 60)
            const second = yield* connect("alice", 2)
            const { exit } = yield* inTime(second.connection.container, 60)
            assert.isTrue(Exit.isSuccess(exit))
            return yield* states
          }),
          persistent({ faults: [{ nth, effect: { _tag: "Delay", duration: "3 seconds" } }] }, { idleTimeout: "0s" })
        )
        assert.deepStrictEqual(left, [["dev-alice", "running"]], `call ${nth}`)
      }
    })
  )
})
