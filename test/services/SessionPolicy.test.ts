import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ChannelId, ConnectionId } from "../../src/schema/Identifiers.ts"
import * as ByteSink from "../../src/services/ByteSink.ts"
import * as ClientEnvironment from "../../src/services/ClientEnvironment.ts"
import { DockerRunConfig } from "../../src/services/DockerRunConfig.ts"
import { layer, SecurityConfig } from "../../src/services/SecurityConfig.ts"
import * as Session from "../../src/services/Session.ts"

type Section = Parameters<typeof layer>[0]

/** A session under a policy; what it starts is written down. */
const open = (
  section: Section,
  options: Pick<Session.SessionOptions, "acceptEnv" | "environment" | "forcedCommand"> = {}
) =>
  Effect.gen(function* () {
    const started: Array<{ readonly command: ReadonlyArray<string>; readonly env: Readonly<Record<string, string>> }> =
      []
    const session = Session.make({
      connectionId: ConnectionId.make("0123456789abcdef"),
      channelId: ChannelId.make(0),
      config: (yield* DockerRunConfig).config,
      security: yield* SecurityConfig,
      ...options,
      start: ({ command, env }) =>
        Effect.sync(() => {
          started.push({ command, env })
          return {
            stdin: ByteSink.discard,
            exit: Effect.never,
            resize: () => Effect.void,
            signal: () => Effect.void
          }
        })
    })
    const run = Effect.fnUntraced(function* (admit: Session.Session["shell"]) {
      const program = yield* admit
      yield* program.start({ stdout: ByteSink.discard, stderr: ByteSink.discard })
      return started.at(-1)
    })
    return { session, run }
  }).pipe(
    Effect.provide(
      Layer.merge(
        DockerRunConfig.layer({
          config: { shellCommand: ["/bin/sh"], subsystems: { sftp: "/bin/sftp", other: "/bin/other" } }
        }),
        layer(section)
      )
    ),
    Effect.orDie
  )

const verdict = <A, R>(effect: Effect.Effect<A, { readonly reason: { readonly _tag: string } }, R>) =>
  Effect.match(effect, { onSuccess: () => "ok", onFailure: ({ reason }) => reason._tag })

const pty = { term: "xterm", columns: 80, rows: 24 }

/** What becomes of one request of each kind. */
const verdicts = Effect.fnUntraced(function* (section: Section) {
  const fresh = Effect.map(open(section), ({ session }) => session)
  return {
    env: yield* verdict(Effect.flatMap(fresh, (session) => session.env("LANG", "C"))),
    command: yield* verdict(Effect.flatMap(fresh, (session) => session.exec("id"))),
    shell: yield* verdict(Effect.flatMap(fresh, (session) => session.shell)),
    subsystem: yield* verdict(Effect.flatMap(fresh, (session) => session.subsystem("sftp"))),
    tty: yield* verdict(Effect.flatMap(fresh, (session) => session.pty(pty))),
    signal: yield* verdict(Effect.flatMap(fresh, (session) => session.signal("TERM")))
  }
})

const all = { env: "ok", command: "ok", shell: "ok", subsystem: "ok", tty: "ok", signal: "NoProgramRunning" }
const forbidden = "RequestForbidden"
const none = {
  env: forbidden,
  command: forbidden,
  shell: forbidden,
  subsystem: forbidden,
  tty: forbidden,
  signal: forbidden
}

describe("the policy of a session", () => {
  it.effect("refuses nothing unless told, and everything when the default mode says so", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* verdicts({}), all)
      assert.deepStrictEqual(yield* verdicts({ defaultMode: "disable" }), none)
      assert.deepStrictEqual(yield* verdicts({ defaultMode: "filter" }), none)
    })
  )

  it.effect("has a mode for each kind, which wins over the default mode", () =>
    Effect.gen(function* () {
      for (const kind of ["env", "command", "shell", "subsystem", "tty", "signal"] as const) {
        assert.deepStrictEqual(yield* verdicts({ [kind]: { mode: "disable" } }), { ...all, [kind]: "RequestForbidden" })
        assert.deepStrictEqual(yield* verdicts({ defaultMode: "disable", [kind]: { mode: "enable" } }), {
          ...none,
          [kind]: all[kind]
        })
      }
    })
  )

  it.effect("allows what is listed, and denies what is listed", () =>
    Effect.gen(function* () {
      const filter = {
        defaultMode: "filter",
        env: { allow: ["LANG"] },
        command: { allow: ["id"] },
        subsystem: { allow: ["sftp"] },
        signal: { allow: ["TERM"] }
      } as const
      assert.deepStrictEqual(yield* verdicts(filter), { ...all, shell: "RequestForbidden", tty: "RequestForbidden" })
      const { session } = yield* open(filter)
      assert.strictEqual(yield* verdict(session.exec("id -u")), "RequestForbidden")
      assert.strictEqual(yield* verdict(session.exec("id; id")), "RequestForbidden")
      assert.strictEqual(yield* verdict(session.subsystem("other")), "RequestForbidden")
      assert.strictEqual(yield* verdict(session.signal("KILL")), "RequestForbidden")
      const deny = { env: { deny: ["LANG"] }, subsystem: { deny: ["sftp"] }, signal: { deny: ["TERM"] } } as const
      assert.deepStrictEqual(yield* verdicts(deny), {
        ...all,
        env: "RequestForbidden",
        subsystem: "RequestForbidden",
        signal: "RequestForbidden"
      })
    })
  )

  it.effect("after a refusal the channel may still ask for what is allowed", () =>
    Effect.gen(function* () {
      const { run, session } = yield* open({ tty: { mode: "disable" }, command: { mode: "filter", allow: ["id"] } })
      assert.strictEqual(yield* verdict(session.pty(pty)), "RequestForbidden")
      assert.strictEqual(yield* verdict(session.exec("reboot")), "RequestForbidden")
      assert.deepStrictEqual(yield* run(session.exec("id")), { command: ["/bin/sh", "-c", "id"], env: {} })
    }).pipe(Effect.scoped)
  )
})

describe("a forced command", () => {
  const forcedCommand = "/bin/menu --for 'a b'"
  const command = ["/bin/menu", "--for", "a b"]

  it.effect(
    "runs in place of commands, shells and subsystems, is told what was asked for, and has the key's variables",
    () =>
      Effect.gen(function* () {
        const ask = Effect.fnUntraced(function* (request: (session: Session.Session) => Session.Session["shell"]) {
          const { run, session } = yield* open({}, { forcedCommand, environment: { LANG: "the key's" } })
          yield* session.env("LANG", "C")
          return yield* run(request(session))
        })
        const env = { LANG: "the key's" }
        assert.deepStrictEqual(yield* ask(({ exec }) => exec("rm -rf /")), {
          command,
          env: { ...env, SSH_ORIGINAL_COMMAND: "rm -rf /" }
        })
        assert.deepStrictEqual(yield* ask(({ subsystem }) => subsystem("sftp")), {
          command,
          env: { ...env, SSH_ORIGINAL_COMMAND: "/bin/sftp" }
        })
        assert.deepStrictEqual(yield* ask(({ shell }) => shell), { command, env })
      }).pipe(Effect.scoped)
  )

  it.effect("cannot be lied to by the client, and the policy still judges what was asked for", () =>
    Effect.gen(function* () {
      const { session } = yield* open({ shell: { mode: "disable" } }, { forcedCommand })
      assert.strictEqual(yield* verdict(session.env("SSH_ORIGINAL_COMMAND", "id")), "EnvNotAccepted")
      assert.strictEqual(yield* verdict(session.shell), "RequestForbidden")
      assert.strictEqual(yield* verdict(session.subsystem("unknown")), "SubsystemUnknown")
      assert.strictEqual(yield* verdict(session.exec("id")), "ok")
    })
  )
})

describe("the client's variables", () => {
  it.effect("are accepted by pattern", () =>
    Effect.gen(function* () {
      const { session } = yield* open({ env: { deny: ["LC_DENIED"] } }, { acceptEnv: ["LANG", "LC_*"] })
      assert.strictEqual(yield* verdict(session.env("LC_ALL", "C")), "ok")
      assert.strictEqual(yield* verdict(session.env("LC_DENIED", "C")), "RequestForbidden")
      assert.strictEqual(yield* verdict(session.env("LD_PRELOAD", "x")), "EnvNotAccepted")
    })
  )

  it.effect("are variables", () =>
    Effect.gen(function* () {
      const { session } = yield* open({}, { acceptEnv: ["*"] })
      for (const [name, value] of [
        ["", "x"],
        ["A=B", "x"],
        ["A\0B", "x"],
        ["A", "x\0y"],
        ["DOCKERRUN_PROGRAM", "x"],
        ["SSH_CONNECTION", "x"]
      ] as const) {
        assert.strictEqual(yield* verdict(session.env(name, value)), "EnvNotAccepted", JSON.stringify(name))
      }
      assert.strictEqual(yield* verdict(session.env("A", "=x\n")), "ok")
    })
  )

  it.effect("are limited in number and size, counted on what is kept", () =>
    Effect.gen(function* () {
      const { run, session } = yield* open({})
      for (let number = 0; number < ClientEnvironment.maxCount; number += 1) yield* session.env(`N${number}`, "")
      assert.strictEqual(yield* verdict(session.env("MORE", "")), "EnvLimitExceeded")
      for (let time = 0; time < 10; time += 1) yield* session.env("N0", "x".repeat(ClientEnvironment.maxSize / 2))
      assert.strictEqual(
        yield* verdict(session.env("N1", "x".repeat(ClientEnvironment.maxSize / 2))),
        "EnvLimitExceeded"
      )
      yield* session.env("N0", "small")
      yield* session.env("N1", "x".repeat(ClientEnvironment.maxSize / 2))
      const program = yield* run(session.exec("id"))
      assert.strictEqual(Object.keys(program?.env ?? {}).length, ClientEnvironment.maxCount)
      assert.strictEqual(program?.env["N0"], "small")
    }).pipe(Effect.scoped)
  )
})
