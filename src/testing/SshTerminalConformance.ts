/**
 * Claims about programs on a terminal, and about shells.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { expectEqual } from "./Conformance.ts"
import { expectEndedBy, outcomeOf, type SshCase } from "./SshCase.ts"
import { connect, type SshChannel } from "./SshClient.ts"

const terminal = { columns: 80, rows: 25 }

/** What moves the cursor and sets colours (ECMA-48, section 5.4). */
const controlSequences = new RegExp(`${String.fromCharCode(0x1b)}\\[[0-9;?]*[ -/]*[@-~]`, "gu")

/** What a person sees of an output. */
const visible = (output: string): string => output.replaceAll(controlSequences, "")

const lines = (output: string): ReadonlyArray<string> => visible(output).split(/[\r\n]+/u)

/** Types one byte, sees it, types the next. */
const typeByteByByte = Effect.fnUntraced(function* (channel: SshChannel, text: string) {
  for (let length = 1; length <= text.length; length += 1) {
    const typed = text.slice(0, length)
    yield* channel.write(text.charAt(length - 1))
    yield* channel.awaitOutput(`the echo of ${JSON.stringify(typed)}`, (output) => visible(output).endsWith(typed))
  }
})

/** A shell on a terminal that has shown its prompt. */
const openShell = Effect.gen(function* () {
  const channel = yield* (yield* connect()).shell({ terminal })
  yield* channel.awaitOutput("the prompt", (output) => visible(output).trim() !== "")
  return channel
})

/**
 * @internal
 */
export const cases: ReadonlyArray<SshCase> = [
  {
    group: "shell",
    name: "without a terminal takes commands from its input, and gives the last status",
    check: Effect.gen(function* () {
      const channel = yield* (yield* connect()).shell()
      yield* channel.write("echo one\necho two >&2\nexit 42\n")
      yield* expectEqual("the outcome", yield* outcomeOf(channel), { stdout: "one\n", stderr: "two\n", status: 42 })
    })
  },
  {
    group: "shell",
    name: "on a terminal echoes each byte as it is typed, runs the line, and gives the status",
    claim: "pty",
    check: Effect.gen(function* () {
      const channel = yield* openShell
      yield* typeByteByByte(channel, "echo one two")
      yield* channel.write("\r")
      yield* channel.awaitOutput("the line that it writes", (output) => lines(output).includes("one two"))
      yield* channel.write("exit 42\r")
      yield* expectEqual("the status", (yield* channel.closed).status, 42)
    })
  },
  {
    group: "shell",
    name: "on a terminal sees the window change from 80x25 to 120x40",
    claim: "pty",
    check: Effect.gen(function* () {
      const channel = yield* openShell
      yield* channel.write("stty size\r")
      yield* channel.awaitOutput("the size at first", (output) => lines(output).includes("25 80"))
      yield* channel.setWindow(120, 40)
      // The change and the question may take different ways to the program.
      yield* channel.write("stty size\r").pipe(Effect.andThen(Effect.sleep("200 millis")), Effect.forever, (asking) =>
        Effect.raceFirst(
          asking,
          channel.awaitOutput("the new size", (output) => lines(output).includes("40 120"))
        )
      )
    })
  },
  {
    group: "terminal",
    name: "is there with its kind and its size, and joins the two outputs",
    claim: "pty",
    check: Effect.gen(function* () {
      const connection = yield* connect()
      const channel = yield* connection.exec("stty size; env; echo err >&2", { terminal })
      const { stderr, stdout, status } = yield* outcomeOf(channel)
      const output = lines(stdout).filter((line) => !line.includes("=") || line.startsWith("TERM="))
      yield* expectEqual("the outcome", [output, stderr, status], [["25 80", "TERM=xterm", "err", ""], "", 0])
    })
  },
  {
    group: "terminal",
    name: "is not there unless asked for",
    check: Effect.gen(function* () {
      const channel = yield* (yield* connect()).exec("stty size")
      const { stderr, status } = yield* outcomeOf(channel)
      yield* expectEqual("whether it failed, and said so", [status !== 0, stderr !== ""], [true, true])
    })
  },
  {
    group: "terminal",
    name: "makes a signal of ctrl-C",
    claim: "pty",
    check: Effect.gen(function* () {
      const channel = yield* (yield* connect()).exec("echo ready; sleep 300", { terminal })
      yield* channel.awaitOutput("the program's first line", (output) => lines(output).includes("ready"))
      yield* channel.write("\u0003")
      yield* expectEndedBy("the end on ctrl-C", channel, "INT", 130)
    })
  }
]
