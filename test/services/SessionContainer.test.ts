import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { SimulatedProgram } from "../../src/layers/InMemoryDocker.ts"
import { ServerError } from "../../src/schema/DockerError.ts"
import { InMemoryEngine } from "../../src/services/InMemoryEngine.ts"
import { exited } from "../../src/services/ProgramExit.ts"
import type { Session } from "../../src/services/Session.ts"
import { backend, channelId, client, image, inTime, makeOutput, open, RecordedLog } from "../support/Backend.ts"

const engineError = new ServerError({ status: 500, message: "internal error" })

/** Tells the sizes of its terminal as they come, and ends on INT. */
const sized: SimulatedProgram = ({ stdout, terminal, trap }) =>
  terminal === undefined
    ? Effect.succeed(1)
    : Effect.gen(function* () {
        yield* trap("INT", Effect.succeed(42))
        const tell = ({ columns, rows }: { readonly columns: number; readonly rows: number }) =>
          stdout.write(`${columns}x${rows};`)
        yield* Effect.flatMap(terminal.size, tell)
        return yield* Effect.as(Stream.runForEach(terminal.resizes, tell), 0)
      })

const images = {
  [image]: {
    user: "guest",
    env: ["PATH=/bin", "MINE=image", "KEPT=image"],
    entrypoint: ["/bin/false"],
    programs: { "/bin/sized": sized }
  }
}

type Config = Parameters<typeof backend>[1]
const inSessions = (engine: Parameters<typeof backend>[0] = {}, config: Config = {}) =>
  backend({ images, ...engine }, { mode: "session", ...config })

const states = InMemoryEngine.use(({ containers }) =>
  Effect.map(containers, (all) => all.map(({ labels, status }) => [labels["dockerrun_channel_id"], status]))
)
const calls = (operation: Parameters<InMemoryEngine["Service"]["calls"]>[0]) =>
  InMemoryEngine.use((engine) => Effect.map(engine.calls(operation), (all) => all.length))
const codes = RecordedLog.use((log) => log.codes)

/** A channel of a connection, in whose own Scope its program is started. */
const channel = Effect.fnUntraced(function* (
  { connection }: Effect.Success<ReturnType<typeof open>>,
  request: (session: Session) => ReturnType<Session["exec"]>,
  number: number = 0
) {
  const session = yield* connection.session(channelId(number))
  const admitted = yield* request(session)
  const scope = yield* Scope.make()
  const collected = makeOutput()
  const start = Scope.provide(admitted.start(collected.output), scope)
  return { session, start, close: Scope.close(scope, Exit.void), ...collected }
})

describe("a session with a container of its own", () => {
  it.effect("has it for as long as its channel, beside those of other sessions; the connection has none", () =>
    Effect.gen(function* () {
      const opened = yield* open()
      const first = yield* channel(opened, (session) => session.exec("sleep 1000"), 0)
      const second = yield* channel(opened, (session) => session.exec("sleep 1000"), 1)
      assert.deepStrictEqual(yield* states, [])
      const program = yield* first.start
      yield* second.start
      assert.deepStrictEqual(yield* states, [
        ["0", "running"],
        ["1", "running"]
      ])
      const { containers } = yield* InMemoryEngine
      const [container] = yield* containers
      assert.strictEqual(program.container, container?.id)
      assert.deepInclude(container?.labels, {
        containerssh_connection_id: client().connectionId,
        containerssh_username: "alice"
      })
      yield* first.close
      assert.deepStrictEqual(yield* states, [["1", "running"]])
      yield* opened.close
      assert.deepStrictEqual(yield* states, [])
    }).pipe(Effect.provide(inSessions({}, { host: { AutoRemove: true } })))
  )

  it.effect("gives the program's outputs and status, and passes the end of its input on", () =>
    Effect.gen(function* () {
      const opened = yield* open()
      const one = yield* channel(opened, (session) => session.exec("/bin/sh -c 'cat; echo err >&2; exit 3'"))
      const program = yield* one.start
      program.stdin.write(new TextEncoder().encode("input\n"))
      program.stdin.end()
      assert.deepStrictEqual(yield* program.exit, exited(3))
      assert.deepStrictEqual([one.stdout(), one.stderr()], ["input\n", "err\n"])
      yield* one.close
      assert.deepStrictEqual(yield* states, [])
      yield* opened.close
    }).pipe(Effect.provide(inSessions()))
  )

  it.effect("runs the program instead of the image's entry point, with the variables of a login", () =>
    Effect.gen(function* () {
      const opened = yield* open()
      const one = yield* channel(opened, (session) =>
        Effect.andThen(session.env("MINE", "client's"), session.exec("env"))
      )
      const program = yield* one.start
      assert.deepStrictEqual(yield* program.exit, exited(0))
      const variables = one.stdout().split("\n")
      for (const expected of ["MINE=client's", "KEPT=image", "OWN=config", "USER=guest", "SHELL=/bin/sh"]) {
        assert.include(variables, expected)
      }
      yield* opened.close
    }).pipe(Effect.provide(inSessions({}, { container: { Image: image, Env: ["MINE=config", "OWN=config"] } })))
  )

  it.effect("has a terminal with the size of the start and each new one, and takes signals", () =>
    Effect.gen(function* () {
      const opened = yield* open()
      const one = yield* channel(opened, (session) =>
        Effect.andThen(session.pty({ term: "xterm", columns: 100, rows: 30 }), session.exec("/bin/sized"))
      )
      const program = yield* one.start
      yield* one.session.window({ columns: 120, rows: 40 })
      assert.match(one.stdout(), /^100x30;.*120x40;$/u)
      yield* one.session.signal("INT")
      assert.deepStrictEqual(yield* program.exit, exited(42))
      yield* one.session.signal("INT")
      yield* opened.close
    }).pipe(Effect.provide(inSessions()))
  )

  it.effect("does without one when the program is not in the image, with the status of a shell", () =>
    Effect.gen(function* () {
      const opened = yield* open()
      const one = yield* channel(opened, (session) => session.exec("/bin/missing"))
      const error = yield* Effect.flip(one.start)
      assert.deepInclude(error.reason, { _tag: "ProgramNotFound", program: "/bin/missing" })
      yield* one.close
      assert.deepStrictEqual(yield* states, [])
      assert.notInclude(yield* codes, "CONTAINER_NOT_REMOVED")
      yield* opened.close
    }).pipe(Effect.provide(inSessions()))
  )

  it.effect("fails alone: the connection, and its other sessions, go on", () =>
    Effect.gen(function* () {
      const opened = yield* open()
      const first = yield* channel(opened, (session) => session.exec("sleep 1000"), 0)
      const { exit } = yield* inTime(first.start, 60)
      assert.isTrue(Exit.isFailure(exit))
      assert.include(yield* codes, "DOCKERRUN_ENGINE_FAILED")
      yield* InMemoryEngine.use((engine) => engine.clearFaults)
      const second = yield* channel(opened, (session) => session.exec("/bin/sh -c 'exit 4'"), 1)
      assert.deepStrictEqual(yield* Effect.flatMap(second.start, (program) => program.exit), exited(4))
      yield* opened.close
    }).pipe(
      Effect.provide(
        inSessions({ faults: [{ operation: "createContainer", effect: { _tag: "Fail", reason: engineError } }] })
      )
    )
  )

  it.effect("is lost with its engine, and the channel learns it", () =>
    Effect.gen(function* () {
      const opened = yield* open()
      const one = yield* channel(opened, (session) => session.exec("sleep 1000"))
      const program = yield* one.start
      yield* InMemoryEngine.use((engine) => engine.addFaults([{ effect: { _tag: "Gone" } }]))
      const { exit } = yield* inTime(Effect.flip(program.exit), 30)
      if (Exit.isFailure(exit)) return assert.fail("the program cannot have ended by itself")
      assert.deepInclude(exit.value, { code: "DOCKERRUN_PROGRAM_LOST", exitStatus: 137 })
    }).pipe(Effect.provide(inSessions()))
  )

  it.effect("is not for the connection's own programs", () =>
    Effect.gen(function* () {
      const { close, connection } = yield* open()
      const error = yield* Effect.flip(connection.run(channelId(), ["/bin/true"], makeOutput().output))
      assert.strictEqual(error.code, "DOCKERRUN_NO_SHARED_CONTAINER")
      assert.strictEqual(yield* calls("createContainer"), 0)
      yield* close
    }).pipe(Effect.scoped, Effect.provide(inSessions()))
  )

  it.effect("leaves nothing, at whichever call to the engine the channel or the connection ends", () =>
    Effect.gen(function* () {
      for (const ending of ["channel", "connection"] as const) {
        for (let nth = 1; nth <= 5; nth += 1) {
          const left = yield* Effect.provide(
            Effect.gen(function* () {
              const engine = yield* InMemoryEngine
              const opened = yield* open()
              const one = yield* channel(opened, (session) =>
                Effect.andThen(session.pty({ term: "xterm", columns: 100, rows: 30 }), session.exec("sleep 1000"))
              )
              const starting = yield* Effect.forkChild(one.start)
              yield* engine.awaitCalls(nth)
              yield* inTime(
                Effect.andThen(Fiber.interrupt(starting), ending === "channel" ? one.close : opened.close),
                60
              )
              yield* one.close
              return yield* states
            }),
            inSessions({ faults: [{ nth, effect: { _tag: "Delay", duration: "3 seconds" } }] })
          )
          assert.deepStrictEqual(left, [], `call ${nth}, the ${ending} ends`)
        }
      }
    })
  )
})
