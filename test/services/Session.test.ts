import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Schema from "effect/Schema"
import { ContainerError, EngineUnreachable } from "../../src/schema/ContainerError.ts"
import type { DockerRunSettings } from "../../src/schema/DockerRunConfig.ts"
import { ChannelId, ConnectionId } from "../../src/schema/Identifiers.ts"
import type { ProgramError } from "../../src/schema/ProgramError.ts"
import * as ByteSink from "../../src/services/ByteSink.ts"
import { DockerRunConfig } from "../../src/services/DockerRunConfig.ts"
import { SecurityConfig } from "../../src/services/SecurityConfig.ts"
import * as Session from "../../src/services/Session.ts"

const connectionId = ConnectionId.make("0123456789abcdef")
const channelId = ChannelId.make(3)
const output = { stdout: ByteSink.discard, stderr: ByteSink.discard }
const window = { columns: 80, rows: 24 }

/** A session whose program is written down instead of run. */
const open = (
  config: NonNullable<(typeof DockerRunSettings.Encoded)["config"]> = {},
  start?: Session.SessionOptions["start"],
  options: Partial<Session.SessionOptions> = {}
) =>
  Effect.gen(function* () {
    const settings = yield* DockerRunConfig
    const started: Array<unknown> = []
    const seen: Array<string> = []
    const session = Session.make({
      connectionId,
      channelId,
      config: settings.config,
      security: yield* SecurityConfig,
      ...options,
      start:
        start ??
        (({ command, env, terminal }) =>
          Effect.sync(() => {
            started.push({ command, env, terminal: terminal() })
            return {
              stdin: ByteSink.discard,
              exit: Effect.never,
              resize: ({ columns, rows }) => Effect.sync(() => void seen.push(`resize ${columns}x${rows}`)),
              signal: (name) => Effect.sync(() => void seen.push(`signal ${name}`))
            }
          }))
    })
    return { session, started, seen }
  }).pipe(Effect.provide(DockerRunConfig.layer({ config: { shellCommand: ["/bin/bash", "-l"], ...config } })))

const refusal = <A, R>(effect: Effect.Effect<A, { readonly code: string }, R>) =>
  Effect.map(Effect.flip(effect), ({ code }) => code)

describe("Session", () => {
  it.effect("runs a command line with the environment and the terminal that were asked for", () =>
    Effect.gen(function* () {
      const { session, started } = yield* open()
      yield* session.env("LANG", "C")
      yield* session.env("LANG", "de_DE.UTF-8")
      yield* session.env("EMPTY", "")
      yield* session.pty({ term: "xterm", columns: 132, rows: 43 })
      const program = yield* session.exec("/bin/echo 'a b'")
      assert.deepInclude(program, { kind: "command", command: ["/bin/echo", "a b"], tty: true })
      assert.deepStrictEqual(started, [], "nothing starts before it is told to")
      yield* program.start(output)
      assert.deepStrictEqual(started, [
        {
          command: ["/bin/echo", "a b"],
          env: { LANG: "de_DE.UTF-8", EMPTY: "", TERM: "xterm" },
          terminal: { term: "xterm", columns: 132, rows: 43 }
        }
      ])
    }).pipe(Effect.scoped)
  )

  it.effect("without a terminal there is no TERM but the client's own", () =>
    Effect.gen(function* () {
      const { session, started } = yield* open()
      yield* session.env("TERM", "vt100")
      const program = yield* session.exec("env")
      assert.isFalse(program.tty)
      yield* program.start(output)
      assert.deepStrictEqual(started, [
        { command: ["/bin/sh", "-c", "env"], env: { TERM: "vt100" }, terminal: undefined }
      ])
    }).pipe(Effect.scoped)
  )

  it.effect("the terminal's TERM wins over one in the environment", () =>
    Effect.gen(function* () {
      const { session, started } = yield* open()
      yield* session.pty({ term: "screen", ...window })
      yield* session.env("TERM", "vt100")
      yield* (yield* session.shell).start(output)
      assert.deepInclude(started[0], { env: { TERM: "screen" } })
    }).pipe(Effect.scoped)
  )

  it.effect("a variable named like an object's own is a variable", () =>
    Effect.gen(function* () {
      const { session, started } = yield* open()
      yield* session.env("__proto__", "x")
      yield* session.env("constructor", "y")
      yield* (yield* session.exec("env")).start(output)
      const [{ env }] = yield* Schema.decodeUnknownEffect(
        Schema.Tuple([Schema.Struct({ env: Schema.Record(Schema.String, Schema.String) })])
      )(started)
      assert.deepStrictEqual(Object.entries(env), [
        ["__proto__", "x"],
        ["constructor", "y"]
      ])
    }).pipe(Effect.scoped)
  )

  it.effect("a shell is the configured one, a subsystem its program without arguments", () =>
    Effect.gen(function* () {
      const shell = yield* (yield* open()).session.shell
      assert.deepInclude(shell, { kind: "shell", command: ["/bin/bash", "-l"], tty: false })
      const sftp = yield* (yield* open()).session.subsystem("sftp")
      assert.deepInclude(sftp, { kind: "subsystem", command: ["/usr/lib/openssh/sftp-server"] })
      const spaced = yield* (yield* open({ subsystems: { own: "/opt/my tools/run" } })).session.subsystem("own")
      assert.deepInclude(spaced, { command: ["/opt/my tools/run"] })
    })
  )

  it.effect("refuses a subsystem that is not configured, be its name in every object or not", () =>
    Effect.gen(function* () {
      const { session } = yield* open()
      for (const name of ["netconf", "", "SFTP", "toString", "__proto__", "constructor"]) {
        assert.strictEqual(yield* refusal(session.subsystem(name)), "DOCKERRUN_SUBSYSTEM_UNKNOWN", name)
      }
      const replaced = yield* open({ subsystems: { own: "/run" } })
      assert.strictEqual(yield* refusal(replaced.session.subsystem("sftp")), "DOCKERRUN_SUBSYSTEM_UNKNOWN")
    })
  )

  it.effect("refuses a kind that is disabled, and no other", () =>
    Effect.gen(function* () {
      const ask = {
        disableShell: (session: Session.Session) => session.shell,
        disableCommand: (session: Session.Session) => session.exec("ls"),
        disableSubsystem: (session: Session.Session) => session.subsystem("sftp")
      }
      for (const disabled of ["disableShell", "disableCommand", "disableSubsystem"] as const) {
        for (const asked of ["disableShell", "disableCommand", "disableSubsystem"] as const) {
          const { session, started } = yield* open({ [disabled]: true })
          const exit = yield* Effect.result(ask[asked](session))
          assert.strictEqual(exit._tag, disabled === asked ? "Failure" : "Success", `${disabled}, ${asked}`)
          if (exit._tag === "Failure") assert.strictEqual(exit.failure.code, "DOCKERRUN_KIND_DISABLED")
          assert.deepStrictEqual(started, [])
        }
      }
    })
  )

  it.effect("a request that was refused leaves the channel free for another", () =>
    Effect.gen(function* () {
      const { session } = yield* open({ disableShell: true })
      assert.strictEqual(yield* refusal(session.shell), "DOCKERRUN_KIND_DISABLED")
      assert.strictEqual(yield* refusal(session.subsystem("netconf")), "DOCKERRUN_SUBSYSTEM_UNKNOWN")
      yield* session.env("A", "1")
      assert.strictEqual((yield* session.exec("ls")).kind, "command")
    })
  )

  it.effect("one program per channel: everything that comes later is an error, before it has started too", () =>
    Effect.gen(function* () {
      const { session } = yield* open()
      const program = yield* session.exec("sleep 1")
      const late = Effect.gen(function* () {
        const requests: ReadonlyArray<Effect.Effect<unknown, ProgramError>> = [
          session.exec("ls"),
          session.shell,
          session.subsystem("sftp"),
          session.subsystem("netconf"),
          session.env("A", "1"),
          session.pty({ term: "xterm", ...window })
        ]
        for (const request of requests) {
          const error = yield* Effect.flip(Effect.asVoid(request))
          assert.strictEqual(error.code, "DOCKERRUN_PROGRAM_ALREADY_RUNNING")
          assert.strictEqual(
            error.clientMessage,
            `a program is already running on this channel [DOCKERRUN_PROGRAM_ALREADY_RUNNING, connection ${connectionId}]`
          )
        }
      })
      yield* late
      yield* program.start(output)
      yield* late
    }).pipe(Effect.scoped)
  )

  it.effect("of two programs that are asked for at once one is admitted", () =>
    Effect.gen(function* () {
      const { session } = yield* open()
      const results = yield* Effect.forEach(["a", "b", "c"], (line) => Effect.result(session.exec(line)), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(
        results.map(({ _tag }) => _tag),
        ["Success", "Failure", "Failure"]
      )
    })
  )

  it.effect("a signal needs a program that runs, and a name that there is", () =>
    Effect.gen(function* () {
      const { seen, session } = yield* open()
      assert.strictEqual(yield* refusal(session.signal("TERM")), "DOCKERRUN_NO_PROGRAM_RUNNING")
      assert.strictEqual(yield* refusal(session.signal("SIGTERM")), "DOCKERRUN_SIGNAL_UNKNOWN")
      const program = yield* session.exec("sleep 1")
      assert.strictEqual(yield* refusal(session.signal("TERM")), "DOCKERRUN_NO_PROGRAM_RUNNING")
      yield* program.start(output)
      yield* session.signal("TERM")
      yield* session.signal("USR1")
      assert.strictEqual(yield* refusal(session.signal("NOPE")), "DOCKERRUN_SIGNAL_UNKNOWN")
      assert.deepStrictEqual(seen, ["signal TERM", "signal USR1"])
    }).pipe(Effect.scoped)
  )

  it.effect("a window change before the start counts at the start, one after it resizes", () =>
    Effect.gen(function* () {
      const { seen, session, started } = yield* open()
      assert.strictEqual(yield* refusal(session.window(window)), "DOCKERRUN_NO_PROGRAM_RUNNING")
      yield* session.pty({ term: "xterm", ...window })
      assert.strictEqual(yield* refusal(session.window(window)), "DOCKERRUN_NO_PROGRAM_RUNNING")
      const program = yield* session.shell
      yield* session.window({ columns: 100, rows: 30 })
      assert.deepStrictEqual(seen, [])
      yield* program.start(output)
      assert.deepInclude(started[0], { terminal: { term: "xterm", columns: 100, rows: 30 } })
      yield* session.window({ columns: 120, rows: 40 })
      assert.deepStrictEqual(seen, ["resize 120x40"])
    }).pipe(Effect.scoped)
  )

  it.effect("signals while the program is being started wait for it, so many and no more", () =>
    Effect.gen(function* () {
      const mayGoOn = yield* Latch.make()
      const delivered: Array<string> = []
      const { session } = yield* open({}, () =>
        Effect.as(mayGoOn.await, {
          stdin: ByteSink.discard,
          exit: Effect.never,
          resize: () => Effect.void,
          signal: (name) => Effect.sync(() => void delivered.push(name))
        })
      )
      const starting = yield* Effect.forkChild((yield* session.shell).start(output), { startImmediately: true })
      const early = Effect.forkChild(session.signal("USR1"), { startImmediately: true })
      const held = yield* Effect.replicateEffect(early, 16)
      assert.strictEqual(yield* refusal(session.signal("TERM")), "DOCKERRUN_NO_PROGRAM_RUNNING")
      yield* mayGoOn.open
      yield* Fiber.join(starting)
      yield* Effect.forEach(held, (fiber) => Fiber.join(fiber))
      yield* session.signal("TERM")
      assert.deepStrictEqual(delivered, [...Array.from({ length: 16 }, () => "USR1"), "TERM"])
    }).pipe(Effect.scoped)
  )

  it.effect("a signal to a program that could not be started is refused", () =>
    Effect.gen(function* () {
      const mayFail = yield* Latch.make()
      const { session } = yield* open({}, () =>
        Effect.andThen(
          mayFail.await,
          Effect.fail(new ContainerError({ connectionId, reason: new EngineUnreachable() }))
        )
      )
      yield* Effect.forkChild(Effect.exit((yield* session.shell).start(output)), { startImmediately: true })
      const signal = yield* Effect.forkChild(refusal(session.signal("TERM")), { startImmediately: true })
      yield* mayFail.open
      assert.strictEqual(yield* Fiber.join(signal), "DOCKERRUN_NO_PROGRAM_RUNNING")
    }).pipe(Effect.scoped)
  )

  it.effect("a window change while the program is being started reaches it", () =>
    Effect.gen(function* () {
      const asked = yield* Latch.make()
      const mayGoOn = yield* Latch.make()
      const resized = yield* Deferred.make<unknown>()
      const { session } = yield* open({}, ({ terminal }) =>
        Effect.gen(function* () {
          terminal()
          yield* asked.open
          yield* mayGoOn.await
          return {
            stdin: ByteSink.discard,
            exit: Effect.never,
            resize: (size) => Effect.asVoid(Deferred.succeed(resized, size)),
            signal: () => Effect.void
          }
        })
      )
      yield* session.pty({ term: "xterm", ...window })
      const starting = yield* Effect.forkChild((yield* session.shell).start(output))
      yield* asked.await
      yield* session.window({ columns: 100, rows: 30 })
      yield* mayGoOn.open
      yield* Fiber.join(starting)
      assert.deepInclude(yield* Deferred.await(resized), { columns: 100, rows: 30 })
    }).pipe(Effect.scoped)
  )

  it.effect("a window change means nothing to a program without a terminal", () =>
    Effect.gen(function* () {
      const { seen, session, started } = yield* open()
      yield* (yield* session.exec("ls")).start(output)
      yield* session.window(window)
      assert.deepStrictEqual(seen, [])
      assert.deepInclude(started[0], { terminal: undefined })
    }).pipe(Effect.scoped)
  )

  it.effect("a program that could not be started is none, and the reason is the start's own", () =>
    Effect.gen(function* () {
      const reason = new ContainerError({ connectionId, reason: new EngineUnreachable() })
      const { session } = yield* open({}, () => Effect.fail(reason))
      const program = yield* session.exec("ls")
      assert.strictEqual(yield* Effect.flip(program.start(output)), reason)
      assert.strictEqual(yield* refusal(session.signal("TERM")), "DOCKERRUN_NO_PROGRAM_RUNNING")
      assert.strictEqual(yield* refusal(session.exec("ls")), "DOCKERRUN_PROGRAM_ALREADY_RUNNING")
    }).pipe(Effect.scoped)
  )

  it.effect("an error tells the channel and the connection that it belongs to", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip((yield* open()).session.subsystem('net"conf'))
      assert.deepInclude(error, { connectionId, channelId })
      assert.strictEqual(error.message, 'this server has no subsystem "net\\"conf"')
      assert.strictEqual(error.exitStatus, 125)
    })
  )
})
