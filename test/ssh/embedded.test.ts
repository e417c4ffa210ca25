import { existsSync } from "node:fs"
import { join } from "node:path"
import { createHash, randomBytes } from "node:crypto"
import { assert, describe, it, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { waitFor } from "../support/Deadline.ts"
import { controlMaster, sftp, ssh, type SshTarget, startSsh } from "../support/OpenSsh.ts"
import { run, start } from "../support/Program.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"
import { openTerminal } from "../support/Terminal.ts"

const main = join(import.meta.dirname, "../../src/main.ts")

/** Nothing that is set for the tests says which engine to use. */
const ownVariables = Object.fromEntries(
  Object.keys(process.env).flatMap((name) => (/^(?:DOCKERRUN|DOCKER|VITEST)/u.test(name) ? [[name, undefined]] : []))
)

/** `dockerrun try`, and how to log in to it, as it says itself. */
const startTrial = Effect.fnUntraced(function* (environment: Readonly<Record<string, string>>) {
  const directory = yield* temporaryDirectory
  const program = yield* start(process.execPath, [main, "try"], {
    cwd: directory,
    env: { ...ownVariables, HOME: directory, NO_COLOR: "1", DOCKERRUN_SSH_LISTEN: "127.0.0.1:0", ...environment }
  })
  let text = ""
  for (const stream of [program.stdout, program.stderr])
    stream.on("data", (chunk: Buffer) => (text += chunk.toString()))
  const login = yield* waitFor(
    "the login that is printed",
    Effect.sync(() => {
      const port = /ssh -p (\d+) demo@127\.0\.0\.1/u.exec(text)?.[1]
      const password = /password: (\S+)/u.exec(text)?.[1]
      return port === undefined || password === undefined ? undefined : { port: Number(port), password }
    }),
    30_000
  )
  const target: SshTarget = { ...login, user: "demo" }
  return { target, text: () => text, kill: program.kill, exit: program.exit }
})

type Trial = Effect.Success<ReturnType<typeof startTrial>>

class SharedTrial extends Context.Service<SharedTrial, Trial>()("test/SharedTrial") {
  static readonly layer = Layer.effect(
    SharedTrial,
    startTrial({ DOCKERRUN_ENGINE: "embedded", DOCKERRUN_LOG_LEVEL: "info" })
  )
}

const prompt = /user@virtual:(\S+?)\$ /u

describe("the embedded engine through ssh", () => {
  layer(SharedTrial.layer)((it) => {
    it.effect("is announced as virtual, to the operator and to whoever logs in", () =>
      Effect.gen(function* () {
        const { target, text } = yield* SharedTrial
        assert.include(text(), "VIRTUAL container")
        assert.match(text(), /WARNING ENGINE_EMBEDDED .*not isolated/u)
        const terminal = yield* openTerminal(target)
        yield* terminal.expect(/virtual container[^]*not isolated[^]*no network/u)
        yield* terminal.expect(prompt)
        yield* terminal.send("exit\r")
        assert.strictEqual((yield* terminal.exit()).status, 0)
      })
    )

    it.effect("runs commands with pipes, redirections, both outputs and the exit status", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedTrial
        const command = "printf 'b\\na\\n' | sort > /tmp/f && cat /tmp/f; echo err >&2; exit 42"
        const result = yield* ssh({ ...target, command })
        assert.deepStrictEqual([result.stdout, result.stderr, result.status], ["a\nb\n", "err\n", 42])
      })
    )

    it.effect("gives every byte of the input back", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedTrial
        const bytes = randomBytes(1_000_000)
        const result = yield* ssh({ ...target, command: "cat", stdin: bytes })
        assert.strictEqual(result.sha256, createHash("sha256").update(bytes).digest("hex"))
        const kept = yield* ssh({ ...target, command: "cat > /tmp/f; sha256sum < /tmp/f", stdin: bytes })
        assert.strictEqual(kept.stdout.slice(0, 64), result.sha256)
      })
    )

    it.effect("does not wait for the end of an input that the command does not read", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedTrial
        const program = yield* startSsh({ ...target, command: "echo done; cat /etc/hostname", stdin: "open" })
        let seen = ""
        program.stdout.on("data", (chunk: Buffer) => (seen += chunk.toString()))
        assert.strictEqual((yield* program.closed).status, 0)
        assert.strictEqual(seen, "done\nvirtual\n")
      })
    )

    it.effect("reads a script from its input, and commands in it read what comes after them", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedTrial
        const result = yield* ssh({ ...target, stdin: { text: "x=1\nread line\nthe line\necho $x $line\nexit 3\n" } })
        assert.deepStrictEqual([result.stdout, result.status], ["1 the line\n", 3])
      })
    )

    it.effect("keeps files as long as the connection, for all of its channels and for no other", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedTrial
        const shared = yield* controlMaster(target)
        yield* ssh({ ...shared.target, command: "echo kept > file" })
        assert.strictEqual((yield* ssh({ ...shared.target, command: "cat file" })).stdout, "kept\n")
        assert.strictEqual((yield* ssh({ ...target, command: "cat file" })).status, 1)
      })
    )

    it.effect("says in words, and with the right status, what it cannot run", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedTrial
        const missing = yield* ssh({ ...target, command: "/no/such" })
        assert.strictEqual(missing.status, 127)
        assert.match(missing.stderr, /not found in the container \[DOCKERRUN_PROGRAM_NOT_FOUND/u)
        const inert = yield* ssh({ ...target, command: "/etc/passwd" })
        assert.strictEqual(inert.status, 126)
        const unknown = yield* ssh({ ...target, command: "nosuch" })
        assert.deepStrictEqual([unknown.status, unknown.stderr], [127, "bash: nosuch: command not found\n"])
        const transfer = yield* sftp({ ...target, batch: ["ls"] })
        assert.notStrictEqual(transfer.status, 0)
        assert.match(transfer.stderr, /sftp-server: not found in the container/u)
      })
    )

    it.effect("edits lines, remembers them, completes words, and keeps the directory", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedTrial
        const terminal = yield* openTerminal(target)
        yield* terminal.expect(prompt)
        yield* terminal.send("cd /tmp; echo content > longname\r")
        const [, directory] = yield* terminal.expect(prompt)
        assert.strictEqual(directory, "/tmp")
        yield* terminal.send("cat lon")
        yield* terminal.expect(/cat lon/u)
        yield* terminal.send("\t")
        yield* terminal.expect(/gname /u)
        yield* terminal.send("\r")
        yield* terminal.expect(/content\r\n/u)
        yield* terminal.expect(prompt)
        // Up, back over the last word, and another one instead.
        yield* terminal.send("\u001B[A\u0017/etc/hostname\r")
        yield* terminal.expect(/\nvirtual\r\n/u)
        yield* terminal.expect(prompt)
        yield* terminal.send("for i in 1 2; do\recho number $i\rdone\r")
        yield* terminal.expect(/number 1\r\nnumber 2\r\n/u)
        yield* terminal.expect(prompt)
        yield* terminal.send("exit 7\r")
        assert.strictEqual((yield* terminal.exit()).status, 7)
      })
    )

    it.effect("heeds ctrl-C at the prompt, in a command that waits and in one that is busy, and ctrl-D", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedTrial
        const terminal = yield* openTerminal(target)
        yield* terminal.expect(prompt)
        yield* terminal.send("here=still; echo not ru\u0003")
        yield* terminal.expect(prompt)
        yield* terminal.send("here=still\r")
        yield* terminal.expect(prompt)
        for (const command of ["echo begun; sleep 1000", "echo begun; while :; do :; done"]) {
          yield* terminal.send(`${command}\r`)
          yield* terminal.expect(/\nbegun\r\n/u)
          yield* terminal.send("\u0003")
          yield* terminal.expect(prompt)
          yield* terminal.send('echo "status $? $here"\r')
          yield* terminal.expect(/\nstatus 130 still\r\n/u)
          yield* terminal.expect(prompt)
        }
        yield* terminal.send("cat\r")
        yield* terminal.send("typed\r")
        yield* terminal.expect(/typed\r\ntyped\r\n/u)
        yield* terminal.send("\u0004")
        yield* terminal.expect(prompt)
        yield* terminal.send("\u0004")
        assert.strictEqual((yield* terminal.exit()).status, 0)
      })
    )

    it.effect("has the client's TERM and size, and follows the window", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedTrial
        const terminal = yield* openTerminal({ ...target, columns: 80, rows: 25, env: { TERM: "vt220" } })
        yield* terminal.expect(prompt)
        yield* terminal.send("echo $TERM; stty size\r")
        yield* terminal.expect(/vt220\r\n25 80\r\n/u)
        yield* terminal.expect(prompt)
        yield* terminal.resize(120, 25)
        yield* terminal.send("until [ \"$(stty size)\" = '25 120' ]; do sleep 0.1; done; echo fol''lowed\r")
        yield* terminal.expect(/followed/u)
        yield* terminal.expect(prompt)
        yield* terminal.send("echo $COLUMNS\r")
        yield* terminal.expect(/\n120\r\n/u)
      })
    )

    it.effect("is rid of the container when the client is killed in the middle of a command", () =>
      Effect.gen(function* () {
        const { target, text } = yield* SharedTrial
        const program = yield* startSsh({ ...target, command: "echo begun; while :; do :; done", stdin: "open" })
        let seen = ""
        program.stdout.on("data", (chunk: Buffer) => (seen += chunk.toString()))
        yield* waitFor(
          "the command",
          Effect.sync(() => seen === "begun\n")
        )
        // The last one that was started.
        const [, connection] = /[^]*CONTAINER_STARTED .*connectionId=(\w+)/u.exec(text()) ?? []
        yield* program.kill("SIGKILL")
        yield* waitFor(
          "the removal",
          Effect.sync(() => new RegExp(`CONTAINER_REMOVED .*connectionId=${connection}`, "u").test(text()))
        )
        assert.strictEqual((yield* ssh({ ...target, command: "echo here" })).stdout, "here\n")
      })
    )
  })
})

describe("dockerrun try", () => {
  const sockets = ["/var/run/docker.sock", "/run/podman/podman.sock", `/run/user/${process.getuid?.()}/docker.sock`]

  it.effect.runIf(sockets.every((socket) => !existsSync(socket)))(
    "uses the embedded engine where there is none, says so, and ends on TERM",
    () =>
      Effect.gen(function* () {
        const trial = yield* startTrial({})
        assert.match(trial.text(), /no container engine answers .*\n\nUsing the engine inside of dockerrun instead\./u)
        const result = yield* ssh({ ...trial.target, command: "echo $((6 * 7)); hostname" })
        assert.strictEqual(result.stdout, "42\nvirtual\n")
        yield* trial.kill("SIGTERM")
        assert.strictEqual((yield* trial.exit).status, 0)
      })
  )

  it.effect("uses no other engine than one that was named", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const result = yield* run(process.execPath, [main, "try"], {
        cwd: directory,
        env: { ...ownVariables, HOME: directory, DOCKER_HOST: `unix://${directory}/none.sock` }
      })
      assert.strictEqual(result.status, 1)
      assert.match(result.stderr, /no container engine answers .*none\.sock/u)
    })
  )
})
