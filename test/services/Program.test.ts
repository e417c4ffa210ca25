import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { SimulatedProgram } from "../../src/layers/InMemoryDocker.ts"
import { BadRequest, Conflict, ServerError, Unreachable } from "../../src/schema/DockerError.ts"
import type { ContainerId } from "../../src/schema/Identifiers.ts"
import { Docker } from "../../src/services/Docker.ts"
import * as ProgramExit from "../../src/services/ProgramExit.ts"
import { InMemoryEngine } from "../../src/services/InMemoryEngine.ts"
import type { Session } from "../../src/services/Session.ts"
import { backend, channelId, image, inTime, makeOutput, open, RecordedLog } from "../support/Backend.ts"

const engineError = new ServerError({ status: 500, message: "internal error" })
const away = new Unreachable({ address: "memory://", errno: "ECONNREFUSED", message: "nobody listens" })

/** Ends on HUP in its own time. */
const heeding: SimulatedProgram = ({ trap }) =>
  Effect.andThen(trap("HUP", Effect.as(Effect.sleep("2 seconds"), 0)), Effect.never)
/** Ends on KILL only. */
const deaf: SimulatedProgram = ({ trap }) =>
  Effect.forEach(["HUP", "INT", "TERM"] as const, (name) => trap(name, Effect.void)).pipe(Effect.andThen(Effect.never))
/** Has a lot to say, and heeds nothing until all of it was taken. */
const loud: SimulatedProgram = ({ stdout, trap }) =>
  trap("HUP", Effect.void).pipe(
    Effect.andThen(Effect.repeat(stdout.write(new Uint8Array(100_000)), { times: 9 })),
    Effect.as(0)
  )
/** Tells the sizes of its terminal as they come, and ends on INT. */
const sized: SimulatedProgram = ({ stdout, terminal, trap }) =>
  terminal === undefined
    ? Effect.succeed(1)
    : Effect.gen(function* () {
        yield* trap("INT", Effect.succeed(42))
        const tell = Effect.flatMap(terminal.size, ({ columns, rows }) => stdout.write(`${columns}x${rows};`))
        yield* tell
        return yield* Effect.forever(Effect.andThen(Effect.sleep("1 second"), tell))
      })

const images = {
  [image]: { programs: { "/bin/heeding": heeding, "/bin/deaf": deaf, "/bin/loud": loud, "/bin/sized": sized } }
}

/** A session of a new connection, with a container, in whose own Scope programs are started. */
const openSession = Effect.gen(function* () {
  const opened = yield* open()
  yield* opened.connection.container
  const session = yield* opened.connection.session(channelId())
  const channel = yield* Scope.make()
  const start = Effect.fnUntraced(function* (request: ReturnType<Session["exec"]>) {
    const admitted = yield* request
    const collected = makeOutput()
    const program = yield* Scope.provide(admitted.start(collected.output), channel)
    return { program, ...collected }
  })
  return { ...opened, session, channel, start, closeChannel: Scope.close(channel, Exit.void) }
})

const running = InMemoryEngine.use(({ execs }) => Effect.map(execs, (all) => all.filter((exec) => exec.running).length))
const calls = (operation: Parameters<InMemoryEngine["Service"]["calls"]>[0]) =>
  InMemoryEngine.use((engine) => Effect.map(engine.calls(operation), (all) => all.length))

describe("a program", () => {
  it.effect("gives its outputs and its exit status", () =>
    Effect.gen(function* () {
      const { close, session, start } = yield* openSession
      const { program, stderr, stdout } = yield* start(session.exec("echo out; echo err >&2; exit 3"))
      assert.deepStrictEqual(yield* program.exit, ProgramExit.exited(3))
      assert.deepStrictEqual([stdout(), stderr()], ["out\n", "err\n"])
      yield* close
    }).pipe(Effect.provide(backend({ images })))
  )

  it.effect("has the variables of its session, and TERM with a terminal", () =>
    Effect.gen(function* () {
      const { close, session, start } = yield* openSession
      yield* session.env("LANG", "C.UTF-8")
      yield* session.env("LANG", "de")
      yield* session.pty({ term: "vt100", columns: 80, rows: 25 })
      const { program, stdout } = yield* start(session.exec("printenv LANG; printenv TERM"))
      assert.deepStrictEqual(yield* program.exit, ProgramExit.exited(0))
      assert.strictEqual(stdout(), "de\r\nvt100\r\n")
      yield* close
    }).pipe(Effect.provide(backend({ images })))
  )

  it.effect("learns each new size of its terminal, and gets a signal by name", () =>
    Effect.gen(function* () {
      const { close, session, start } = yield* openSession
      yield* session.pty({ term: "xterm", columns: 80, rows: 25 })
      const { program, stdout } = yield* start(session.exec("/bin/sized"))
      yield* session.window({ columns: 120, rows: 40 })
      yield* inTime(Effect.sleep("1500 millis"), 5)
      assert.strictEqual(stdout(), "80x25;120x40;")
      yield* session.signal("INT")
      assert.deepStrictEqual(yield* program.exit, ProgramExit.exited(42))
      yield* close
    }).pipe(Effect.provide(backend({ images })))
  )

  it.effect("has the last of several sizes, whichever the engine is quicker with", () =>
    Effect.gen(function* () {
      const { close, session, start } = yield* openSession
      yield* session.pty({ term: "xterm", columns: 80, rows: 25 })
      const { stdout } = yield* start(session.exec("/bin/sized"))
      const sizes = [100, 110, 120].map((columns) => session.window({ columns, rows: 40 }))
      yield* inTime(Effect.all(sizes, { concurrency: "unbounded" }), 5)
      yield* inTime(Effect.sleep("1500 millis"), 5)
      assert.match(stdout(), /;120x40;$/u)
      assert.notInclude(stdout(), "110x40")
      yield* close
    }).pipe(
      Effect.provide(
        backend({
          images,
          faults: [{ operation: "resizeExec", nth: 1, effect: { _tag: "Delay", duration: "1 second" } }]
        })
      )
    )
  )

  it.effect("has a size that the engine did not take at first", () =>
    Effect.gen(function* () {
      const { close, session, start } = yield* openSession
      yield* session.pty({ term: "xterm", columns: 80, rows: 25 })
      const { stdout } = yield* start(session.exec("/bin/sized"))
      yield* inTime(session.window({ columns: 120, rows: 40 }), 5)
      yield* inTime(Effect.sleep("1500 millis"), 5)
      assert.match(stdout(), /;120x40;$/u)
      yield* close
    }).pipe(
      Effect.provide(
        backend({
          images,
          faults: [{ operation: "resizeExec", times: 3, effect: { _tag: "Fail", reason: engineError } }]
        })
      )
    )
  )

  it.effect("is not harmed by a resize that fails, nor is the session", () =>
    Effect.gen(function* () {
      const { close, session, start } = yield* openSession
      yield* session.pty({ term: "xterm", columns: 80, rows: 25 })
      const { program } = yield* start(session.exec("/bin/sized"))
      yield* inTime(session.window({ columns: 120, rows: 40 }), 5)
      yield* session.signal("INT")
      assert.deepStrictEqual(yield* program.exit, ProgramExit.exited(42))
      yield* session.window({ columns: 10, rows: 10 })
      yield* close
    }).pipe(
      Effect.provide(
        backend({ images, faults: [{ operation: "resizeExec", effect: { _tag: "Fail", reason: engineError } }] })
      )
    )
  )

  it.effect("has its status a moment after its output: it is asked for in pauses of milliseconds", () =>
    Effect.gen(function* () {
      const { close, session, start } = yield* openSession
      const { program } = yield* start(session.exec("exit 9"))
      const { exit, millis } = yield* inTime(program.exit, 5)
      assert.deepStrictEqual(exit, Exit.succeed(ProgramExit.exited(9)))
      assert.isBelow(millis, 500)
      yield* close
    }).pipe(Effect.provide(backend({ images, exitDelay: "250 millis" })))
  )

  it.effect("whose status nobody can tell in time has 137", () =>
    Effect.gen(function* () {
      const { close, session, start } = yield* openSession
      const { program } = yield* start(session.exec("exit 9"))
      const { exit, millis } = yield* inTime(program.exit, 120)
      assert.deepStrictEqual(exit, Exit.succeed(ProgramExit.exited(137)))
      assert.strictEqual(millis, 10_000)
      yield* close
    }).pipe(Effect.provide(backend({ images, exitDelay: "1 hour" }, { timeout: "10s" })))
  )

  it.effect("is lost, with 137, when somebody removes its container", () =>
    Effect.gen(function* () {
      const { close, connection, session, start } = yield* openSession
      const { program } = yield* start(session.exec("sleep 1000"))
      // An operator's `docker rm -f`.
      yield* removeByHand(yield* connection.container)
      const error = yield* Effect.flip(program.exit)
      assert.strictEqual(error.reason._tag, "ProgramLost")
      assert.strictEqual(error.exitStatus, 137)
      yield* close
    }).pipe(Effect.provide(backend({ images })))
  )

  const stopped = new Conflict({ message: "is not running" })
  const without = [
    [
      "was lost with its container",
      [{ operation: "inspectContainer", effect: { _tag: "Fail", reason: stopped } }],
      137
    ],
    ["ended so by itself", [], 126]
  ] as const
  it.effect.each(without)("that has 126, as what could not be started, %s", ([, faults, status]) =>
    Effect.gen(function* () {
      const { close, session, start } = yield* openSession
      const { program } = yield* start(session.exec("exit 126"))
      const told = yield* Effect.match(program.exit, {
        onFailure: ({ exitStatus, reason }) => [reason._tag, exitStatus],
        onSuccess: (exit) => ["Exited", ProgramExit.status(exit)]
      })
      assert.deepStrictEqual(told, [status === 137 ? "ProgramLost" : "Exited", status])
      yield* close
    }).pipe(Effect.provide(backend({ images, faults })))
  )

  it.effect("is lost when its stream breaks; what came before has come", () =>
    Effect.gen(function* () {
      const { close, session, start } = yield* openSession
      const { program, stdout } = yield* start(session.exec("seq 1 100000"))
      const error = yield* Effect.flip(program.exit)
      assert.strictEqual(error.exitStatus, 137)
      assert.strictEqual(stdout().length, 10_240)
      yield* inTime(close, 60)
    }).pipe(
      Effect.provide(
        backend({ images, faults: [{ operation: "startExec", nth: 1, effect: { _tag: "Break", after: 10_240 } }] })
      )
    )
  )
})

const removeByHand = (id: ContainerId) => Docker.use((docker) => docker.removeContainer(id))

describe("a start that fails", () => {
  const starts = [
    ["the container is gone", "createExec", new Conflict({ message: "is not running" }), "ProgramLost", 137],
    ["the engine refuses it", "createExec", new BadRequest({ message: "bad" }), "ProgramNotLaunched", 125],
    ["the start fails after the creation", "startExec", engineError, "ProgramNotLaunched", 125]
  ] as const
  it.effect.each(starts)("because %s says so", ([, operation, reason, tag, status]) =>
    Effect.gen(function* () {
      const { close, session, start } = yield* openSession
      const error = yield* Effect.flip(start(session.exec("true")))
      assert.deepStrictEqual([error.reason._tag, "exitStatus" in error ? error.exitStatus : undefined], [tag, status])
      assert.strictEqual(yield* running, 0)
      yield* inTime(close, 60)
    }).pipe(Effect.provide(backend({ images, faults: [{ operation, nth: 1, effect: { _tag: "Fail", reason } }] })))
  )

  const programs = [
    ["/no/such/program", 127, "/no/such/program: not found in the container"],
    ["/etc/passwd", 126, "/etc/passwd: cannot be executed"]
  ] as const
  it.effect.each(programs)("for want of %s has the status of a shell, %i", ([line, status, message]) =>
    Effect.gen(function* () {
      const { close, session, start } = yield* openSession
      const { program, stderr, stdout } = yield* start(session.exec(line))
      const error = yield* Effect.flip(program.exit)
      assert.deepStrictEqual([error.exitStatus, error.message], [status, message])
      assert.strictEqual(stdout() + stderr(), "")
      yield* close
    }).pipe(Effect.provide(backend({ images })))
  )

  it.effect("in passing is tried again: the creation, which is harmless, but not the start", () =>
    Effect.gen(function* () {
      const { close, session, start } = yield* openSession
      const { exit } = yield* inTime(start(session.exec("exit 5")), 20)
      assert.isTrue(Exit.isSuccess(exit))
      assert.strictEqual(yield* calls("createExec"), 3)
      assert.strictEqual(yield* calls("startExec"), 1)
      yield* inTime(close, 60)
    }).pipe(
      Effect.provide(
        backend({
          images,
          faults: [{ operation: "createExec", nth: 1, times: 2, effect: { _tag: "Fail", reason: away } }]
        })
      )
    )
  )

  it.effect.each(["createExec", "startExec"] as const)("without an answer to %s ends with the timeout", (operation) =>
    Effect.gen(function* () {
      const { close, session, start } = yield* openSession
      const { exit, millis } = yield* inTime(Effect.flip(start(session.exec("true"))), 60)
      assert.isTrue(Exit.isSuccess(exit) && exit.value.reason._tag === "ProgramTimedOut")
      assert.strictEqual(millis, 9000)
      yield* inTime(close, 120)
    }).pipe(
      Effect.provide(backend({ images, faults: [{ operation, nth: 1, effect: { _tag: "Hang" } }] }, { timeout: "9s" }))
    )
  )
})

describe("a channel that closes while its program runs", () => {
  it.effect("hangs the program up, and waits for it to end", () =>
    Effect.gen(function* () {
      const { close, closeChannel, session, start } = yield* openSession
      yield* start(session.exec("/bin/heeding"))
      const { millis } = yield* inTime(closeChannel, 60)
      // And the status was asked for until it was there.
      assert.isTrue(millis >= 2000 && millis <= 2200, `${millis} ms`)
      assert.strictEqual(yield* running, 0)
      yield* close
    }).pipe(Effect.provide(backend({ images })))
  )

  it.effect("kills a program that does not heed it, after five seconds", () =>
    Effect.gen(function* () {
      const { close, closeChannel, session, start } = yield* openSession
      yield* start(session.exec("/bin/deaf"))
      const { millis } = yield* inTime(closeChannel, 60)
      assert.strictEqual(millis, 5000)
      assert.strictEqual(yield* running, 0)
      yield* close
    }).pipe(Effect.provide(backend({ images })))
  )

  it.effect("lets a program end whose output nobody reads", () =>
    Effect.gen(function* () {
      const { channel, close, closeChannel, session } = yield* openSession
      const { start } = yield* session.exec("/bin/loud")
      const unread = { ...makeOutput().output.stdout, write: () => false }
      yield* Scope.provide(start({ stdout: unread, stderr: unread }), channel)
      const { millis } = yield* inTime(closeChannel, 60)
      assert.isAtMost(millis, 2000, "as soon as there is nobody to wait for")
      assert.strictEqual(yield* running, 0)
      yield* close
    }).pipe(Effect.provide(backend({ images })))
  )

  it.effect("has nothing to do when the program has ended", () =>
    Effect.gen(function* () {
      const { close, closeChannel, session, start } = yield* openSession
      const { program } = yield* start(session.exec("true"))
      yield* program.exit
      yield* closeChannel
      assert.strictEqual(yield* calls("createExec"), 1)
      yield* close
    }).pipe(Effect.provide(backend({ images })))
  )

  it.effect("leaves the programs of other channels alone", () =>
    Effect.gen(function* () {
      const { close, closeChannel, connection, session, start } = yield* openSession
      const others = yield* Effect.forEach(
        Array.from({ length: 12 }, (_, index) => index + 1),
        (number) =>
          Effect.gen(function* () {
            const other = yield* connection.session(channelId(number))
            const admitted = yield* other.exec("/bin/deaf")
            const scope = yield* Scope.make()
            return yield* Scope.provide(admitted.start(makeOutput().output), scope)
          })
      )
      yield* start(session.exec("/bin/heeding"))
      yield* inTime(closeChannel, 60)
      assert.strictEqual(yield* running, others.length)
      yield* close
    }).pipe(Effect.provide(backend({ images })))
  )

  it.effect("asks for nothing when the whole connection leaves: the container goes with its programs", () =>
    Effect.gen(function* () {
      const engine = yield* InMemoryEngine
      const { close, closeChannel, session, start } = yield* openSession
      yield* start(session.exec("/bin/deaf"))
      // As the server does it: the connection leaves first, its channels find that out afterwards.
      const { millis } = yield* inTime(Effect.andThen(close, closeChannel), 60)
      assert.strictEqual(millis, 0)
      assert.strictEqual(yield* calls("createExec"), 1)
      assert.deepStrictEqual(yield* engine.containers, [])
    }).pipe(Effect.provide(backend({ images })))
  )

  it.effect("ends in time, with a warning, when the engine is away", () =>
    Effect.gen(function* () {
      const engine = yield* InMemoryEngine
      const { closeChannel, session, start } = yield* openSession
      yield* start(session.exec("/bin/deaf"))
      yield* engine.addFaults([{ effect: { _tag: "Fail", reason: away } }])
      const { millis } = yield* inTime(closeChannel, 600)
      assert.isAtMost(millis, 2 * 20_000 + 5000)
      assert.include(yield* (yield* RecordedLog).codes, "PROGRAM_NOT_ENDED")
    }).pipe(Effect.provide(backend({ images }, { timeout: "20s" })))
  )
})

describe("a server that stops", () => {
  it.effect("lets programs end on TERM, and waits no longer than its grace period for the others", () =>
    Effect.gen(function* () {
      const { close, connection, session, start } = yield* openSession
      yield* start(session.exec("/bin/deaf"))
      const { millis } = yield* inTime(connection.terminate(Duration.seconds(8)), 60)
      assert.strictEqual(millis, 8000)
      yield* close
    }).pipe(Effect.provide(backend({ images })))
  )

  it.effect("waits no longer than the programs take", () =>
    Effect.gen(function* () {
      const { close, connection, session, start } = yield* openSession
      const { program } = yield* start(session.exec("sleep 1000"))
      const { millis } = yield* inTime(connection.terminate(Duration.seconds(8)), 60)
      assert.strictEqual(millis, 0)
      assert.deepStrictEqual(yield* program.exit, ProgramExit.killed("TERM"))
      yield* close
    }).pipe(Effect.provide(backend({ images })))
  )
})

describe("a signal", () => {
  it.effect("that the image has no shell to deliver with is not delivered, and the session says so", () =>
    Effect.gen(function* () {
      const { close, session, start } = yield* openSession
      yield* start(session.exec("/bin/deaf"))
      const error = yield* Effect.flip(session.signal("TERM"))
      assert.strictEqual(error.reason._tag, "SignalNotDelivered")
      yield* inTime(close, 60)
    }).pipe(
      Effect.provide(
        backend(
          { images: { [image]: { shell: false, programs: { "/bin/deaf": deaf, "/bin/idle": deaf } } } },
          { idleCommand: ["/bin/idle"], shellCommand: [], disableShell: true }
        )
      )
    )
  )
})
