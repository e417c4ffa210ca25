import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as FileInstance from "../../src/layers/FileInstance.ts"
import * as FileStatus from "../../src/layers/FileStatus.ts"
import { Instance } from "../../src/services/Instance.ts"
import { LifecycleConfig } from "../../src/services/LifecycleConfig.ts"
import { Logger } from "../../src/services/Logger.ts"
import * as RunningServers from "../../src/services/RunningServers.ts"
import { StatusBoard } from "../../src/services/StatusBoard.ts"
import { waitFor } from "../support/Deadline.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"

const settings = (stateDirectory: string) => ({
  deadMansSwitch: true,
  reapInterval: Duration.minutes(1),
  stateDirectory
})

const silent = Layer.succeed(Logger, { log: () => Effect.void })

/** A server that keeps its status, in a Scope of its own. */
const start = Effect.fnUntraced(function* (stateDirectory: string) {
  const scope = yield* Scope.make()
  const context = yield* Layer.build(
    FileStatus.layer.pipe(
      Layer.provideMerge(FileInstance.layer),
      Layer.provide(silent),
      Layer.provide(NodeServices.layer)
    )
  ).pipe(Effect.provideService(LifecycleConfig, settings(stateDirectory)), Scope.provide(scope))
  const boot = Context.get(context, Instance)?.boot ?? assert.fail("the server should have an identity")
  return { board: Context.get(context, StatusBoard), boot, close: Scope.close(scope, Exit.void) }
})

/** What somebody else finds. */
const asked = <A>(stateDirectory: string, question: Effect.Effect<A, never, RunningServers.RunningServers>) =>
  question.pipe(
    Effect.provide(FileStatus.layerRunning.pipe(Layer.provide(NodeServices.layer))),
    Effect.provideService(LifecycleConfig, settings(stateDirectory))
  )
const running = (stateDirectory: string) =>
  asked(
    stateDirectory,
    RunningServers.RunningServers.use(({ all }) => all)
  )

describe("the status of a server", () => {
  it.effect("can be read while it runs, as it was a second ago, and is gone with it", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const lines = Effect.map(asked(directory, RunningServers.findings), (all) =>
        all.map(({ message, verdict }) => `${verdict} ${message}`)
      )
      assert.deepStrictEqual(yield* lines, ["ok none runs with this configuration's state directory"])
      const { board, boot, close } = yield* start(directory)
      const [first] = yield* waitFor(
        "the first status",
        Effect.map(running(directory), (all) => (all.length === 1 ? all : undefined))
      )
      assert.deepStrictEqual(first, {
        pid: process.pid,
        since: 0,
        engine: { _tag: "Answers" },
        containers: { running: 0, waiting: 0 },
        programs: { running: 0, waiting: 0 },
        connections: 0
      })
      board.connections(1)
      board.connections(1)
      board.connections(-1)
      board.queue("containers", { running: 8, waiting: 12 })
      board.engine({ _tag: "Lost", since: 0, reason: "nobody listens" })
      assert.deepStrictEqual((yield* running(directory))[0], first, "not twice in a second")
      yield* waitFor(
        "the next status",
        Effect.andThen(
          TestClock.adjust("1 second"),
          Effect.map(running(directory), ([one]) => one?.connections === 1)
        )
      )
      const [line] = yield* lines
      assert.match(
        line ?? "",
        new RegExp(
          `^warn pid ${process.pid}, for \\d+s: its engine has been lost for \\d+s \\(nobody listens\\); 1 connection; containers: 8 being started, 12 wait; no programs wait$`,
          "u"
        )
      )
      assert.deepStrictEqual(readdirSync(join(directory, "status")), [`${boot}.json`])
      assert.strictEqual(statSync(join(directory, "status", `${boot}.json`)).mode & 0o777, 0o600)
      yield* close
      assert.deepStrictEqual(readdirSync(join(directory, "status")), [])
      assert.deepStrictEqual(yield* running(directory), [])
    })
  )

  it.effect("of one that was killed counts for nothing, and the next one removes it", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const file = (kind: string, boot: string) => join(directory, kind, `${boot}.json`)
      const first = yield* start(directory)
      yield* waitFor(
        "the first status",
        Effect.sync(() => existsSync(file("status", first.boot)))
      )
      const [killed, forgotten, elsewhere] = ["00000000000000aa", "00000000000000bb", "00000000000000cc"] as const
      const record: unknown = JSON.parse(readFileSync(file("boots", first.boot), "utf8"))
      const leave = (boot: string, facts: Readonly<Record<string, unknown>> | undefined) => {
        writeFileSync(file("status", boot), readFileSync(file("status", first.boot)))
        if (facts !== undefined) writeFileSync(file("boots", boot), JSON.stringify(Object.assign({}, record, facts)))
      }
      leave(killed, { startTime: "1" })
      leave(forgotten, undefined)
      leave(elsewhere, { machine: "another", kernel: "another" })
      assert.lengthOf(yield* running(directory), 1)
      const second = yield* start(directory)
      assert.isFalse(existsSync(file("status", killed)))
      assert.isFalse(existsSync(file("status", forgotten)))
      // On another machine it may well run.
      assert.isTrue(existsSync(file("status", elsewhere)))
      yield* waitFor(
        "both",
        Effect.map(running(directory), (all) => all.length === 2)
      )
      yield* Effect.andThen(first.close, second.close)
    })
  )
})
