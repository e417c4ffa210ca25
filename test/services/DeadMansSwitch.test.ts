import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { defaultIdleCommand } from "../../src/schema/DockerRunConfig.ts"
import { Conflict } from "../../src/schema/DockerError.ts"
import { arm, waitScript, wrapScript } from "../../src/services/DeadMansSwitch.ts"
import { type ContainerSpec, Docker } from "../../src/services/Docker.ts"
import { DockerRunConfig } from "../../src/services/DockerRunConfig.ts"
import { InMemoryEngine } from "../../src/services/InMemoryEngine.ts"
import { LifecycleConfig } from "../../src/services/LifecycleConfig.ts"
import { backend, image, inTime, open, RecordedLog } from "../support/Backend.ts"

type Section = Parameters<typeof backend>[1]

/** What becomes of a container with these settings. */
const armed = (settings: Section, host: ContainerSpec["host"] = {}, tty = false) =>
  Effect.gen(function* () {
    const { config } = yield* DockerRunConfig
    const plain = {
      name: "fixed",
      config: { ...config.container, ...(tty ? { Tty: true } : {}), Cmd: config.idleCommand },
      host,
      network: {}
    }
    return arm(plain, config)
  }).pipe(
    Effect.provide(
      DockerRunConfig.layer({ config: { container: { Image: image }, shellCommand: ["/bin/sh"], ...settings } })
    )
  )

describe("arming a container", () => {
  it.effect("the default idle command: the shell waits for the end of its input", () =>
    Effect.gen(function* () {
      const spec = yield* armed({})
      assert.deepStrictEqual(spec, {
        name: "fixed",
        config: {
          Image: image,
          Cmd: ["/bin/sh", "-c", waitScript],
          OpenStdin: true,
          StdinOnce: true,
          Tty: false
        },
        host: { AutoRemove: true },
        network: {}
      })
    })
  )

  it.effect("an idle command of one's own is wrapped, word for word, by the shell that it begins with", () =>
    Effect.gen(function* () {
      for (const shell of ["/bin/bash", "/usr/local/bin/dash", "sh"]) {
        const own = [shell, "/opt/my idle", "$HOME", "a'b"] as const
        const spec = yield* armed({ idleCommand: own })
        assert.deepStrictEqual(spec?.config.Cmd, [shell, "-c", wrapScript, shell, ...own])
      }
    })
  )

  it.effect("an idle command that is a script: its own shell wraps it, whatever the shell of the person is", () =>
    Effect.gen(function* () {
      const own = ["/bin/ash", "-c", "sleep 1000"] as const
      const spec = yield* armed({ idleCommand: own, shellCommand: ["/usr/bin/python3"] })
      assert.deepStrictEqual(spec?.config.Cmd, ["/bin/ash", "-c", wrapScript, "/bin/ash", ...own])
    })
  )

  it.effect("without a shell there is no switch", () =>
    Effect.gen(function* () {
      assert.isUndefined(yield* armed({ idleCommand: ["/bin/sleep", "1000"], shellCommand: [], disableShell: true }))
      // The person's shell may be missing from the image, and programs run all the same.
      assert.isUndefined(yield* armed({ idleCommand: ["/bin/sleep", "1000"], shellCommand: ["/bin/sh"] }))
    })
  )

  it.effect("a restart policy would bring the container back: no switch", () =>
    Effect.gen(function* () {
      for (const name of ["always", "unless-stopped", "on-failure"] as const) {
        assert.isUndefined(yield* armed({}, { RestartPolicy: { Name: name } }), name)
      }
      for (const name of ["no", ""] as const) {
        assert.isDefined(yield* armed({}, { RestartPolicy: { Name: name } }), name)
      }
    })
  )

  it.effect("a terminal is taken away, what else is set stays", () =>
    Effect.gen(function* () {
      const spec = yield* armed({}, { Memory: 1_000_000 }, true)
      assert.isFalse(spec?.config.Tty)
      assert.deepStrictEqual(spec?.host, { Memory: 1_000_000, AutoRemove: true })
    })
  )
})

const containers = InMemoryEngine.use((engine) => engine.containers)
const removed = InMemoryEngine.use((engine) => engine.removed)
const calls = InMemoryEngine.use((engine) => engine.calls())

describe("a container with the switch", () => {
  it.effect("ends and removes itself when its stream breaks, and its connection is told", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      yield* connection.container
      yield* InMemoryEngine.use((engine) => engine.addFaults([{ until: "1 second", effect: { _tag: "Gone" } }]))
      const { exit } = yield* inTime(connection.ended, 10)
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(yield* containers, [])
      assert.deepStrictEqual(
        (yield* removed).map(({ exitCode }) => exitCode),
        [0]
      )
      yield* inTime(close, 10)
      const codes = yield* (yield* RecordedLog).codes
      assert.deepStrictEqual(
        codes.filter((code) => code.startsWith("CONTAINER_")),
        ["CONTAINER_STARTED", "CONTAINER_LOST", "CONTAINER_REMOVED"]
      )
    }).pipe(Effect.provide(backend()))
  )

  it.effect("with an idle command of one's own, too", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      yield* connection.container
      yield* InMemoryEngine.use((engine) => engine.addFaults([{ until: "1 second", effect: { _tag: "Gone" } }]))
      yield* inTime(connection.ended, 10)
      assert.deepStrictEqual(yield* containers, [])
      yield* inTime(close, 10)
    }).pipe(Effect.provide(backend({}, { idleCommand: ["/bin/sh", "-c", "sleep 100000"] })))
  )

  it.effect("is attached before it is started", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      yield* connection.container
      const operations = (yield* calls).map(({ operation }) => operation)
      assert.isBelow(operations.indexOf("attachContainer"), operations.indexOf("startContainer"))
      assert.include(operations, "attachContainer")
      yield* close
    }).pipe(Effect.provide(backend()))
  )

  it.effect("is removed by its connection while the stream still holds it, and the stream goes after it", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      yield* connection.container
      yield* close
      // 137: killed by the removal, and not ended by the end of its input, which is 0.
      assert.deepStrictEqual(
        (yield* removed).map(({ exitCode }) => exitCode),
        [137]
      )
      assert.strictEqual(yield* InMemoryEngine.use((engine) => engine.openStreams), 0)
    }).pipe(Effect.provide(backend()))
  )

  it.effect("removed by its connection and by itself at the same moment: gone, and no error", () =>
    Effect.gen(function* () {
      const docker = yield* Docker
      for (let number = 1; number <= 20; number += 1) {
        const { close, connection } = yield* open(number)
        const id = yield* connection.container
        const both = [docker.killContainer(id, "SIGTERM"), close]
        yield* inTime(Effect.all(number % 2 === 0 ? both : both.toReversed(), { concurrency: "unbounded" }), 10)
        yield* inTime(close, 10)
        assert.deepStrictEqual(yield* containers, [])
      }
      const codes = yield* (yield* RecordedLog).codes
      assert.notInclude(codes, "CONTAINER_NOT_REMOVED")
      assert.strictEqual(yield* InMemoryEngine.use((engine) => engine.openStreams), 0)
    }).pipe(Effect.provide(backend()))
  )

  it.effect("an engine that is removing it already says so: that is waited for", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      const id = yield* connection.container
      const closing = yield* Effect.forkChild(close, { startImmediately: true })
      yield* InMemoryEngine.use((engine) => engine.awaitCalls(1, "waitContainer"))
      yield* (yield* Docker).killContainer(id, "SIGTERM")
      yield* inTime(Fiber.join(closing), 10)
      assert.deepStrictEqual(yield* containers, [])
      assert.notInclude(yield* (yield* RecordedLog).codes, "CONTAINER_NOT_REMOVED")
    }).pipe(
      Effect.provide(
        backend({
          faults: [
            {
              operation: "removeContainer",
              nth: 1,
              effect: { _tag: "Fail", reason: new Conflict({ message: "removal of container is already in progress" }) }
            }
          ]
        })
      )
    )
  )

  it.effect("switched off: nothing is attached, nothing is removed by the engine itself", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      yield* connection.container
      const [container] = yield* containers
      assert.deepStrictEqual(container?.spec.config.Cmd, [...defaultIdleCommand])
      assert.isUndefined(container?.spec.host.AutoRemove)
      assert.isUndefined(container?.spec.config.OpenStdin)
      assert.notInclude(
        (yield* calls).map(({ operation }) => operation),
        "attachContainer"
      )
      yield* close
      assert.deepStrictEqual(yield* containers, [])
    }).pipe(
      Effect.provide(backend()),
      Effect.updateService(LifecycleConfig, (settings) => ({ ...settings, deadMansSwitch: false }))
    )
  )

  it.effect("an image without a shell has no switch, and goes with its connection", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      yield* connection.container
      const [container] = yield* containers
      assert.deepStrictEqual(container?.spec.config.Cmd, ["/bin/sleep", "100000"])
      assert.isUndefined(container?.spec.host.AutoRemove)
      yield* close
      assert.deepStrictEqual(yield* containers, [])
    }).pipe(Effect.provide(backend({}, { idleCommand: ["/bin/sleep", "100000"] })))
  )
})
