/**
 * Claims about programs without a terminal.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { ConformanceError, expectEqual } from "./Conformance.ts"
import { expectEndedBy, outcomeOf, type SshCase } from "./SshCase.ts"
import { connect } from "./SshClient.ts"

/**
 * @internal
 */
export const trapCommand = "trap 'echo caught; exit 7' USR1; echo ready; while :; do sleep 1; done"

/** Runs a command to its end, with an empty input. */
const run = Effect.fnUntraced(function* (command: string, env: Readonly<Record<string, string>> = {}) {
  const connection = yield* connect()
  const channel = yield* connection.exec(command, { env })
  yield* channel.end
  return yield* outcomeOf(channel)
})

/** Every byte there is, in an order that repeats late. */
const sample = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, index) => (index * 31 + Math.floor(index / 251)) & 255)

/**
 * @internal
 */
export const cases: ReadonlyArray<SshCase> = [
  {
    group: "commands",
    name: "write to two outputs that stay apart",
    check: Effect.gen(function* () {
      const outcome = yield* run("echo out; echo err >&2")
      yield* expectEqual("the outcome", outcome, { stdout: "out\n", stderr: "err\n", status: 0 })
    })
  },
  {
    group: "commands",
    name: "end with the program's own status",
    check: Effect.gen(function* () {
      yield* expectEqual("of exit 42", yield* run("exit 42"), { stdout: "", stderr: "", status: 42 })
      const missing = yield* run("/no/such/program")
      yield* expectEqual("of a program that is not there", missing.status, 127)
      yield* expectEqual("whether it was said", missing.stderr !== "", true)
    })
  },
  {
    group: "commands",
    name: "get the variables that the client sets",
    claim: "env",
    check: Effect.gen(function* () {
      const { stdout } = yield* run("env", { LC_DOCKERRUN: "it's set: ä" })
      const found = stdout.split("\n").filter((line) => line.startsWith("LC_DOCKERRUN="))
      yield* expectEqual("the variable", found, ["LC_DOCKERRUN=it's set: ä"])
    })
  },
  {
    group: "commands",
    name: "print everything also when their input has ended before they begin, each time",
    check: Effect.gen(function* () {
      const connection = yield* connect()
      for (let round = 1; round <= 10; round += 1) {
        const channel = yield* connection.exec(`echo round ${round}`)
        yield* channel.end
        const expected = { stdout: `round ${round}\n`, stderr: "", status: 0 }
        yield* expectEqual(`the outcome of round ${round}`, yield* outcomeOf(channel), expected)
      }
    })
  },
  {
    group: "commands",
    name: "that have ended end the channel, though the client's side is open",
    check: Effect.gen(function* () {
      const channel = yield* (yield* connect()).exec("echo done")
      yield* expectEqual("the outcome", yield* outcomeOf(channel), { stdout: "done\n", stderr: "", status: 0 })
    })
  },
  {
    group: "half-close",
    name: "the end of the input is not the end of the output",
    check: Effect.gen(function* () {
      const channel = yield* (yield* connect()).exec("cat; echo end")
      yield* channel.write("first\n")
      yield* channel.awaitOutput("the first line", (output) => output === "first\n")
      yield* channel.write("second\n")
      yield* channel.end
      const expected = { stdout: "first\nsecond\nend\n", stderr: "", status: 0 }
      yield* expectEqual("the outcome", yield* outcomeOf(channel), expected)
    })
  },
  {
    group: "half-close",
    name: "a megabyte of any bytes goes there and back unchanged",
    check: Effect.gen(function* () {
      const sent = sample(1_048_576)
      const channel = yield* (yield* connect()).exec("cat")
      yield* channel.write(sent)
      yield* channel.end
      yield* expectEqual("the status", (yield* channel.closed).status, 0)
      const isSame = Buffer.compare(channel.bytes(), sent) === 0
      yield* expectEqual("length, and whether it is the same", [channel.bytes().length, isSame], [sent.length, true])
    })
  },
  {
    group: "channels",
    name: "many at once on one connection do not mix",
    check: Effect.gen(function* () {
      const connection = yield* connect()
      const names = Array.from({ length: 8 }, (_, index) => `channel ${index}\n`)
      const channels = yield* Effect.forEach(names, () => connection.exec("cat"), { concurrency: "unbounded" })
      yield* Effect.forEach(channels, (channel, index) => channel.write(names[index] ?? ""), { discard: true })
      yield* Effect.forEach(channels, (channel) => channel.end, { discard: true })
      const outcomes = yield* Effect.forEach(channels, outcomeOf)
      const expected = names.map((stdout) => ({ stdout, stderr: "", status: 0 }))
      yield* expectEqual("the outcomes", outcomes, expected)
    })
  },
  {
    group: "channels",
    name: "a subsystem that is not there is refused, and the connection goes on",
    check: Effect.gen(function* () {
      const connection = yield* connect()
      yield* Effect.matchEffect(connection.subsystem("no-such-subsystem"), {
        onSuccess: () =>
          Effect.fail(new ConformanceError({ claim: "the subsystem", expected: "refused", actual: "started" })),
        onFailure: () => Effect.void
      })
      const channel = yield* connection.exec("echo on")
      yield* expectEqual("the outcome", yield* outcomeOf(channel), { stdout: "on\n", stderr: "", status: 0 })
    })
  },
  {
    group: "signals",
    name: "end the program",
    claim: "signals",
    check: Effect.gen(function* () {
      const connection = yield* connect()
      for (const [name, status] of [
        ["TERM", 143],
        ["KILL", 137]
      ] as const) {
        const channel = yield* connection.exec("echo ready; sleep 300")
        yield* channel.awaitOutput("the program's first line", (output) => output === "ready\n")
        yield* channel.signal(name)
        yield* expectEndedBy(`the end on ${name}`, channel, name, status)
      }
    })
  },
  {
    group: "signals",
    name: "are the program's to handle",
    claim: "signals",
    check: Effect.gen(function* () {
      const channel = yield* (yield* connect()).exec(trapCommand)
      yield* channel.awaitOutput("the program's first line", (output) => output === "ready\n")
      yield* channel.signal("USR1")
      const outcome = yield* outcomeOf(channel)
      yield* expectEqual("what it wrote, and its status", [outcome.stdout, outcome.status], ["ready\ncaught\n", 7])
    })
  }
]
