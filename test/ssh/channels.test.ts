import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { waitFor } from "../support/Deadline.ts"
import { connectionContainers, describeEngine, processes, waitForContainers } from "../support/Engine.ts"
import { controlMaster, ssh, type SshTarget, startSsh } from "../support/OpenSsh.ts"
import { finish } from "../support/Program.ts"
import { SharedServer } from "../support/Server.ts"
import { connectClient, execOn, shellOn } from "../support/Ssh2Client.ts"

const user = "channels"

const theContainer = waitFor(
  "a container that runs",
  Effect.map(waitForContainers(1, user), ([container]) => container?.State === "running" && container.Id)
)

const processCount = (id: string, line: string, count: number, deadline?: number) =>
  waitFor(
    `${count} times ${line} in the container`,
    Effect.map(processes(id), (lines) => lines.filter((one) => one === line).length === count),
    deadline
  )

/** Where to go, once the connections of the tests before have left nothing. */
const destination = Effect.gen(function* () {
  yield* waitForContainers(0, user)
  return (yield* SharedServer).target
})

const master = Effect.flatMap(destination, (target) => controlMaster(target))

const printed = (target: SshTarget, command: string) => Effect.map(ssh({ ...target, command }), ({ stdout }) => stdout)

describeEngine("channels of one connection", () => {
  layer(SharedServer.start({ user, ssh: { maxSessions: 20 } }))((it) => {
    it.effect("are programs in one container, 20 at once, each with its own bytes and status", () =>
      Effect.gen(function* () {
        const { target } = yield* master
        const numbers = Array.from({ length: 20 }, (_, index) => index + 1)
        const running = yield* Effect.forEach(
          numbers,
          (number) =>
            Effect.gen(function* () {
              const command = `cat; echo err ${number} >&2; hostname; exit ${number}`
              const program = yield* startSsh({ ...target, command })
              return { number, program }
            }),
          { concurrency: "unbounded" }
        )
        const id = yield* theContainer
        // All of them read their input at the same time.
        yield* processCount(id, "cat", 20)
        const results = yield* Effect.forEach(
          running,
          ({ number, program }) => {
            program.stdin.end(`input of ${number}\n`)
            return finish(program, `channel ${number}`)
          },
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(
          results.map(({ status, stderr, stdout }) => [stdout, stderr, status]),
          numbers.map((number) => [`input of ${number}\n${id.slice(0, 12)}\n`, `err ${number}\n`, number])
        )
        assert.lengthOf(yield* connectionContainers(user), 1)
      })
    )

    it.effect("end each for itself: the program of a client that is killed goes, the others go on", () =>
      Effect.gen(function* () {
        const { target } = yield* master
        const killed = yield* startSsh({ ...target, command: "sleep 1001" })
        const other = yield* startSsh({ ...target, command: "cat; echo end" })
        const id = yield* theContainer
        yield* processCount(id, "sleep 1001", 1)
        yield* processCount(id, "cat", 1)
        yield* killed.kill("SIGKILL")
        // The client that holds the connection may keep the channel's end to itself until something wakes it up.
        yield* ssh({ ...target, args: ["-O", "check"] })
        yield* processCount(id, "sleep 1001", 0)
        other.stdin.end("still here\n")
        const result = yield* finish(other, "the other channel")
        assert.deepStrictEqual([result.stdout, result.status], ["still here\nend\n", 0])
        // Nor does the end of the connection, while the program is still being told to end, look like a fault.
        yield* ssh({ ...target, args: ["-O", "exit"] })
        yield* waitForContainers(0, user)
        const { events } = yield* SharedServer
        assert.isUndefined(events.find((event) => event["code"] === "PROGRAM_NOT_ENDED"))
      })
    )

    it.effect("that are closed hang up their programs, and kill those that do not mind", () =>
      Effect.gen(function* () {
        const client = yield* connectClient(yield* destination)
        const polite = yield* execOn(
          client,
          "trap 'echo hung up >/tmp/polite; exit' HUP; echo ready; while :; do sleep 0.1; done"
        )
        const stubborn = yield* execOn(client, "trap '' HUP INT TERM; echo ready; sleep 1002; sleep 1002")
        const other = yield* execOn(client, "trap '' HUP; echo ready; cat; echo end")
        for (const one of [polite, stubborn, other]) {
          yield* waitFor(
            "the programs",
            Effect.sync(() => one.stdout() === "ready\n")
          )
        }
        const id = yield* theContainer
        polite.channel.close()
        stubborn.channel.close()
        yield* processCount(id, "sleep 1002", 1)
        yield* processCount(id, "sleep 1002", 0, 20_000)
        const witness = yield* execOn(client, "cat /tmp/polite")
        yield* witness.closed()
        assert.strictEqual(witness.stdout(), "hung up\n")
        other.channel.end("still here\n")
        assert.strictEqual(yield* other.closed(), 0)
        assert.strictEqual(other.stdout(), "ready\nstill here\nend\n")
      })
    )

    it.effect("deliver signals to their program alone", () =>
      Effect.gen(function* () {
        const client = yield* connectClient(yield* destination)
        const line = (name: string) =>
          `trap 'echo usr1; exit 9' USR1; trap 'echo usr2' USR2; echo ${name}; while :; do sleep 0.1; done`
        const one = yield* execOn(client, line("one"))
        const other = yield* execOn(client, line("other"))
        const terminal = yield* execOn(client, line("terminal"), { pty: true })
        const seen = (text: () => string, pattern: RegExp) =>
          waitFor(
            String(pattern),
            Effect.sync(() => pattern.test(text()))
          )
        yield* seen(one.stdout, /one/u)
        yield* seen(other.stdout, /other/u)
        yield* seen(terminal.stdout, /terminal/u)
        one.channel.signal("USR2")
        yield* seen(one.stdout, /usr2/u)
        one.channel.signal("USR1")
        assert.strictEqual(yield* one.closed(), 9)
        assert.strictEqual(one.stdout(), "one\nusr2\nusr1\n")
        terminal.channel.signal("USR1")
        assert.strictEqual(yield* terminal.closed(), 9)
        assert.strictEqual(other.stdout(), "other\n")
        other.channel.signal("KILL")
        assert.strictEqual(yield* other.closed(), undefined)
      })
    )

    it.effect("shell without a terminal reads its commands from its input", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedServer
        const result = yield* ssh({ ...target, stdin: { text: "echo one\necho two >&2\nexit 6\n" } })
        assert.deepStrictEqual([result.stdout, result.stderr, result.status], ["one\n", "two\n", 6])
        const client = yield* connectClient(target)
        const shell = yield* shellOn(client)
        shell.channel.end("echo raw; exit 2\n")
        assert.strictEqual(yield* shell.closed(), 2)
        assert.strictEqual(shell.stdout(), "raw\n")
      })
    )
  })
})

describeEngine("half-close", () => {
  layer(SharedServer.start({ user: "half-close" }))((it) => {
    it.effect("of the client's side leaves the program's output open", () =>
      Effect.gen(function* () {
        const { target } = yield* master
        const result = yield* ssh({
          ...target,
          command: "cat; sleep 1; echo later; sleep 1; echo last",
          stdin: { text: "" }
        })
        assert.deepStrictEqual([result.stdout, result.status], ["later\nlast\n", 0])
      })
    )

    it.effect("of the client's side may come much later than its last byte", () =>
      Effect.gen(function* () {
        const { target } = yield* master
        const program = yield* startSsh({ ...target, command: "while read -r line; do echo got $line; done; echo end" })
        let seen = ""
        program.stdout.on("data", (chunk: Buffer) => (seen += chunk.toString()))
        program.stdin.write("a\n")
        yield* waitFor(
          "the answer",
          Effect.sync(() => seen === "got a\n")
        )
        program.stdin.end("b\n")
        assert.strictEqual((yield* program.closed).status, 0)
        assert.strictEqual(seen, "got a\ngot b\nend\n")
      })
    )

    it.effect("of one output leaves the other open", () =>
      Effect.gen(function* () {
        const { target } = yield* master
        const one = yield* ssh({ ...target, command: "echo out; exec >&-; sleep 1; echo err >&2; exit 3" })
        assert.deepStrictEqual([one.stdout, one.stderr, one.status], ["out\n", "err\n", 3])
        const other = yield* ssh({
          ...target,
          command: "echo err >&2; exec 2>&-; sleep 1; cat; exit 4",
          stdin: { text: "in" }
        })
        assert.deepStrictEqual([other.stdout, other.stderr, other.status], ["in", "err\n", 4])
      })
    )

    it.effect("of both outputs leaves the input open, and the status is that of the end", () =>
      Effect.gen(function* () {
        const { target } = yield* master
        const program = yield* startSsh({ ...target, command: "exec >&- 2>&-; cat >/tmp/taken; exit 5" })
        program.stdin.write("first ")
        yield* waitFor(
          "the first part",
          Effect.map(printed(target, "cat /tmp/taken"), (text) => text === "first ")
        )
        program.stdin.end("second")
        assert.strictEqual((yield* program.exit).status, 5)
        assert.strictEqual(yield* printed(target, "cat /tmp/taken"), "first second")
      })
    )

    it.effect("of the program's input ends nothing: what the client still sends is dropped", () =>
      Effect.gen(function* () {
        const { target } = yield* master
        const result = yield* ssh({
          ...target,
          command: "exec <&-; sleep 1; echo done; exit 8",
          stdin: new Uint8Array(3_000_000)
        })
        assert.deepStrictEqual([result.stdout, result.stderr, result.status], ["done\n", "", 8])
      })
    )

    it.effect("does not wait for what the program left running with its output open elsewhere", () =>
      Effect.gen(function* () {
        const { target } = yield* master
        const result = yield* ssh({ ...target, command: "sleep 1003 >/dev/null 2>&1 & echo started; exit 0" })
        assert.deepStrictEqual([result.stdout, result.status], ["started\n", 0])
        assert.isBelow(result.elapsed, 10_000)
      })
    )
  })
})
