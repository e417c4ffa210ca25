/** The tests of examples/tenants.ts: no engine, no waiting, and faults on order. */
import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Redacted, Scope } from "effect"
import { TestClock } from "effect/testing"
import { Authenticator, ConnectionId, DockerRun, DockerRunConfig, type Fault } from "../src/index.ts"
import { InMemoryDocker, InMemoryEngine, Logger } from "../src/index.ts"
import { BadRequest } from "../src/schema/DockerError.ts"
import { Accounts, authenticator, backend } from "./tenants.ts"

const tokenHash = createHash("sha256").update("ada's token").digest("hex")
const accounts = Accounts.layer({ ada: { tokenHash, plan: "pro" }, bob: { tokenHash, plan: "free" } })

/** All of the app but the SSH server, on an engine that behaves as the faults say. */
const app = (faults: ReadonlyArray<Fault> = []) =>
  Layer.mergeAll(authenticator, backend).pipe(
    Layer.provideMerge([
      accounts,
      InMemoryDocker.layer({ images: { "busybox:1": {} }, faults }),
      DockerRunConfig.layer({
        config: { container: { Image: "busybox:1" }, host: { NetworkMode: "none" }, shellCommand: ["/bin/sh"] }
      }),
      Logger.layer
    ])
  )

const logIn = (username: string, password: string) =>
  Authenticator.use(({ authenticate }) =>
    authenticate({ _tag: "Password", username, remoteAddress: "192.0.2.1", password: Redacted.make(password) })
  )

const connect = (username: string, number: number = 1) =>
  DockerRun.use((dockerRun) =>
    dockerRun.connect({ connectionId: ConnectionId.make(`0000000${number}`), username, address: "192.0.2.1" })
  )

describe("who gets in", () => {
  it.effect("somebody with his own token, and nobody else", () =>
    Effect.gen(function* () {
      const identity = { username: "ada", method: "password" } as const
      assert.deepStrictEqual(yield* logIn("ada", "ada's token"), { _tag: "Accepted", identity })
      // The same answer, so that nobody learns who has an account.
      const rejected = { _tag: "Rejected", reason: "WrongPassword" } as const
      assert.deepStrictEqual(yield* logIn("ada", "a guess"), rejected)
      assert.deepStrictEqual(yield* logIn("eve", "a guess"), rejected)
      assert.deepStrictEqual(yield* logIn("eve", ""), rejected)
    }).pipe(Effect.provide(app()))
  )
})

describe("what a user gets", () => {
  it.effect("a container of his own name and of the size of his plan, for as long as he is there", () =>
    Effect.gen(function* () {
      const engine = yield* InMemoryEngine
      yield* Effect.scoped(
        Effect.gen(function* () {
          const ada = yield* connect("ada", 1)
          const bob = yield* connect("bob", 2)
          yield* Effect.all([ada.container, bob.container], { concurrency: 2 })
          const specs = (yield* engine.containers).map(({ spec }) => spec)
          assert.deepStrictEqual(
            specs.map(({ config, host }) => [config.Hostname, host.Memory, host.NetworkMode]),
            [
              ["ada", 2 * 1024 ** 3, "none"],
              ["bob", 256 * 1024 ** 2, "none"]
            ]
          )
        })
      )
      assert.deepStrictEqual(yield* engine.containers, [])
      assert.lengthOf(yield* engine.removed, 2)
    }).pipe(Effect.provide(app()))
  )
})

describe("when the engine fails", () => {
  it.effect("for half a minute, whoever comes meanwhile waits and gets his container", () =>
    Effect.gen(function* () {
      const { container } = yield* connect("ada")
      const waiting = yield* Effect.forkChild(container)
      yield* TestClock.adjust("29 seconds")
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("15 seconds")
      assert.isNotEmpty(yield* Fiber.join(waiting))
    }).pipe(Effect.provide(app([{ until: "30 seconds", effect: { _tag: "Gone" } }])))
  )

  it.effect("by never answering a start, the connection is told after the timeout, and nothing is left", () =>
    Effect.gen(function* () {
      const engine = yield* InMemoryEngine
      const scope = yield* Scope.make()
      const { container } = yield* connect("ada").pipe(Scope.provide(scope))
      const failing = yield* Effect.forkChild(Effect.flip(container))
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual((yield* Fiber.join(failing)).code, "DOCKERRUN_TIMEOUT")
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* engine.containers, [])
    }).pipe(Effect.provide(app([{ operation: "startContainer", effect: { _tag: "Hang" } }])))
  )

  it.effect("at the first container only, the second connection does not notice", () =>
    Effect.gen(function* () {
      const reason = new BadRequest({ message: "no such runtime" })
      const engine = yield* InMemoryEngine
      yield* engine.addFaults([{ operation: "createContainer", nth: 1, effect: { _tag: "Fail", reason } }])
      const first = yield* connect("ada", 1)
      assert.strictEqual((yield* Effect.flip(first.container)).code, "DOCKERRUN_CONTAINER_REJECTED")
      const second = yield* connect("bob", 2)
      assert.isNotEmpty(yield* second.container)
    }).pipe(Effect.provide(app()))
  )
})
