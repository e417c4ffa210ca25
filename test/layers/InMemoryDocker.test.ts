import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as InMemoryDocker from "../../src/layers/InMemoryDocker.ts"
import { ServerError } from "../../src/schema/DockerError.ts"
import { Docker } from "../../src/services/Docker.ts"
import { type Fault, InMemoryEngine } from "../../src/services/InMemoryEngine.ts"
import { inTime, makeOutput } from "../support/Backend.ts"

const image = "dockerrun-test/tiny:1"
const engine = (options: InMemoryDocker.Options = {}) => InMemoryDocker.layer({ images: { [image]: {} }, ...options })

const create = Docker.use((docker) => docker.createContainer({ config: { Image: image }, host: {}, network: {} }))
const reason = new ServerError({ status: 500, message: "as planned" })

describe("InMemoryDocker: faults", () => {
  const succeeds = (effect: typeof create) => Effect.map(Effect.exit(effect), Exit.isSuccess)

  it.effect("the nth call fails, and as many after it as the plan says", () =>
    Effect.gen(function* () {
      const outcomes = yield* Effect.all([1, 2, 3, 4].map(() => succeeds(create)))
      assert.deepStrictEqual(outcomes, [true, false, false, true])
      assert.strictEqual((yield* (yield* InMemoryEngine).containers).length, 2)
    }).pipe(
      Effect.provide(
        engine({ faults: [{ operation: "createContainer", nth: 2, times: 2, effect: { _tag: "Fail", reason } }] })
      )
    )
  )

  it.effect("a lost answer is a call that was performed", () =>
    Effect.gen(function* () {
      assert.isFalse(yield* succeeds(create))
      assert.strictEqual((yield* (yield* InMemoryEngine).containers).length, 1)
    }).pipe(Effect.provide(engine({ faults: [{ effect: { _tag: "Fail", reason, performed: true } }] })))
  )

  it.effect("a caller that gives up does not stop what it has asked for", () =>
    Effect.gen(function* () {
      const { awaitCalls, calls, containers } = yield* InMemoryEngine
      const fiber = yield* Effect.forkChild(create)
      yield* awaitCalls(1)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(yield* containers, [])
      yield* TestClock.adjust("1 minute")
      assert.strictEqual((yield* containers).length, 1)
      assert.deepStrictEqual(
        (yield* calls()).map(({ outcome }) => outcome),
        ["abandoned"]
      )
    }).pipe(Effect.provide(engine({ faults: [{ effect: { _tag: "Delay", duration: "1 minute" } }] })))
  )

  it.effect("an engine is gone between two moments, and its streams break at the first", () =>
    Effect.gen(function* () {
      const docker = yield* Docker
      const id = yield* create
      yield* docker.startContainer(id)
      const exec = yield* docker.createExec(id, { command: ["sleep", "1000"], env: [], tty: false })
      const { ended } = yield* docker.startExec(exec, { tty: false, output: makeOutput().output })
      const { exit, millis } = yield* inTime(ended, 60)
      assert.strictEqual(millis, 10_000)
      assert.isTrue(Exit.isFailure(exit) && exit.cause.reasons.some(Cause.isFailReason))
      const gone = yield* Effect.flip(docker.inspectContainer(id))
      assert.strictEqual(gone.reason._tag, "Unreachable")
      yield* TestClock.adjust("20 seconds")
      assert.isTrue((yield* docker.inspectContainer(id)).running)
    }).pipe(
      Effect.provide(
        engine({
          images: { [image]: { command: ["sleep", "infinity"] } },
          faults: [{ from: "10 seconds", until: "30 seconds", effect: { _tag: "Gone" } }]
        })
      )
    )
  )

  it.effect("faults can be added and taken back while it runs", () =>
    Effect.gen(function* () {
      const { addFaults, clearFaults } = yield* InMemoryEngine
      const plan: ReadonlyArray<Fault> = [{ operation: ["createContainer"], effect: { _tag: "Fail", reason } }]
      assert.isTrue(yield* succeeds(create))
      yield* addFaults(plan)
      assert.isFalse(yield* succeeds(create))
      yield* clearFaults
      assert.isTrue(yield* succeeds(create))
    }).pipe(Effect.provide(engine()))
  )

  it.effect("a pull breaks in the middle of its download", () =>
    Effect.gen(function* () {
      const docker = yield* Docker
      const { images, pulls } = yield* InMemoryEngine
      const exit = yield* Effect.exit(Stream.runDrain(docker.pullImage("me/big:1")))
      assert.isTrue(Exit.isFailure(exit))
      assert.deepStrictEqual(yield* pulls, [{ reference: "me/big:1", outcome: "failed", downloaded: 5000 }])
      assert.deepStrictEqual(yield* images, [])
    }).pipe(
      Effect.provide(
        InMemoryDocker.layer({
          registry: { "me/big:1": { layers: [{ id: "a", size: 10_000 }] } },
          faults: [{ operation: "pullImage", effect: { _tag: "Break", after: 4000 } }]
        })
      )
    )
  )
})

describe("InMemoryDocker: pulls", () => {
  const registry: InMemoryDocker.Options["registry"] = {
    "me/app:1": {
      layers: [
        { id: "base", size: 3000 },
        { id: "top", size: 1000 }
      ],
      downloadTime: "8 seconds",
      digest: `sha256:${"a".repeat(64)}`
    },
    "me/other:2": { layers: [{ id: "base", size: 3000 }] },
    "me/secret:1": { denied: true }
  }

  it.effect("take the time of the download, and report bytes that grow to the size of each layer", () =>
    Effect.gen(function* () {
      const docker = yield* Docker
      const { exit, millis } = yield* inTime(Stream.runCollect(docker.pullImage("me/app:1")), 60)
      assert.strictEqual(millis, 8000)
      const lines = Exit.isSuccess(exit) ? exit.value : assert.fail("the pull failed")
      const base = lines.filter(({ layer, status }) => layer === "base" && status === "Downloading")
      assert.deepStrictEqual(
        base.map(({ current, total }) => [current, total]),
        [750, 1500, 2250, 3000].map((current) => [current, 3000])
      )
      assert.strictEqual((yield* docker.inspectImage("docker.io/me/app:1")).size, 4000)
      assert.strictEqual((yield* docker.inspectImage(`me/app@sha256:${"a".repeat(64)}`)).size, 4000)
    }).pipe(Effect.provide(InMemoryDocker.layer({ registry })))
  )

  it.effect("fetch no layer twice", () =>
    Effect.gen(function* () {
      const docker = yield* Docker
      yield* inTime(Stream.runDrain(docker.pullImage("me/app:1")), 60)
      const lines = yield* Stream.runCollect(docker.pullImage("me/other:2"))
      assert.deepStrictEqual(
        lines.filter(({ layer }) => layer !== undefined).map(({ status }) => status),
        ["Already exists"]
      )
    }).pipe(Effect.provide(InMemoryDocker.layer({ registry })))
  )

  it.effect("are refused without credentials, and for another platform", () =>
    Effect.gen(function* () {
      const docker = yield* Docker
      const tag = (...args: Parameters<typeof docker.pullImage>) =>
        Effect.map(Effect.flip(Stream.runDrain(docker.pullImage(...args))), ({ reason }) => reason._tag)
      assert.strictEqual(yield* tag("me/secret:1"), "Unauthorized")
      assert.strictEqual(yield* tag("me/app:1", { platform: { os: "linux", architecture: "arm64" } }), "NotFound")
    }).pipe(Effect.provide(InMemoryDocker.layer({ registry })))
  )
})

describe("InMemoryDocker: programs", () => {
  const upper: InMemoryDocker.SimulatedProgram = ({ arguments: [, ...words], env, stdin, stdout }) =>
    stdin.pipe(
      Stream.decodeText,
      Stream.runForEach((text) => stdout.write(`${words.join(" ")}${env["MARK"] ?? ""}${text.toUpperCase()}`)),
      Effect.as(7)
    )

  it.effect("are Effects that get arguments, environment and input, and give output and status", () =>
    Effect.gen(function* () {
      const docker = yield* Docker
      const { execs } = yield* InMemoryEngine
      const id = yield* create
      yield* docker.startContainer(id)
      const exec = yield* docker.createExec(id, { command: ["upper", ">"], env: ["MARK=!"], tty: false })
      const { output, stdout } = makeOutput()
      const { ended, stdin } = yield* docker.startExec(exec, { tty: false, output })
      stdin.write(new TextEncoder().encode("abc"))
      stdin.end()
      yield* ended
      assert.strictEqual(stdout(), ">!ABC")
      const [record] = yield* execs
      assert.deepInclude(record, { id: exec, container: id, running: false, exitCode: 7 })
    }).pipe(Effect.provide(engine({ images: { [image]: { programs: { upper }, command: ["sleep", "infinity"] } } })))
  )

  it.effect("sleep on the Clock", () =>
    Effect.gen(function* () {
      const docker = yield* Docker
      const id = yield* create
      yield* docker.startContainer(id)
      const { exit, millis } = yield* inTime(docker.waitContainer(id, "not-running"), 100)
      assert.deepStrictEqual(exit, Exit.succeed({ exitCode: 0 }))
      assert.strictEqual(millis, Duration.toMillis("90 seconds"))
    }).pipe(Effect.provide(engine({ images: { [image]: { command: ["sleep", "90"] } } })))
  )

  it.effect("that die count as aborted, with 134", () =>
    Effect.gen(function* () {
      const docker = yield* Docker
      const id = yield* create
      yield* docker.startContainer(id)
      assert.deepStrictEqual(yield* docker.waitContainer(id, "not-running"), { exitCode: 134 })
    }).pipe(
      Effect.provide(engine({ images: { [image]: { programs: { bad: () => Effect.die("oops") }, command: ["bad"] } } }))
    )
  )
})
