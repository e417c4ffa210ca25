/**
 * A shell small enough to be read at a glance: simple commands joined by `;`, `&&` and ends of lines, quotes, `>&2`,
 * `$?` alone as a word, `exit` and `:`. What it does not understand it refuses as a shell does, with status 2.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { plainWords } from "../../services/CommandLine.ts"
import * as DeadMansSwitch from "../../services/DeadMansSwitch.ts"
import { idle, untilInputEnds } from "./StandardPrograms.ts"
import type { SimulatedProcess, SimulatedProgram } from "./SimulatedProgram.ts"

/** Finds a program by its path or name. */
type Find = (name: string) => SimulatedProgram | undefined

interface Step {
  readonly text: string
  /** Runs only when the one before succeeded. */
  readonly onSuccess: boolean
}

/** Cuts a line at `;`, `&&` and ends of lines that stand outside of quotes. */
const stepsOf = (line: string): ReadonlyArray<Step> => {
  const steps: Array<Step> = []
  let text = ""
  let quote = ""
  let onSuccess = false
  const cut = (next: boolean) => {
    if (text.trim() !== "") steps.push({ text: text.trim(), onSuccess })
    text = ""
    onSuccess = next
  }
  for (let index = 0; index < line.length; index += 1) {
    const character = line.charAt(index)
    if (quote !== "") {
      if (character === quote) quote = ""
      text += character
    } else if (character === "'" || character === '"') {
      quote = character
      text += character
    } else if (character === ";" || character === "\n") {
      cut(false)
    } else if (line.startsWith("&&", index)) {
      cut(true)
      index += 1
    } else {
      text += character
    }
  }
  cut(false)
  return steps
}

interface Outcome {
  readonly status: number
  readonly isOver: boolean
}

const runLine = Effect.fnUntraced(function* (
  process: SimulatedProcess,
  find: Find,
  line: string,
  before: number
): Effect.fn.Return<Outcome> {
  let status = before
  for (const step of stepsOf(line)) {
    if (step.onSuccess && status !== 0) continue
    const toStderr = step.text.endsWith(">&2")
    const words = plainWords(step.text.replace(/\s*>&2$/u, "").replaceAll(/(?<=^|\s)\$\?(?=\s|$)/gu, String(status)))
    const [name, ...rest] = Option.getOrElse(words, () => [])
    if (Option.isNone(words)) {
      yield* process.stderr.write(`sh: this simulated shell does not understand: ${step.text}\n`)
      status = 2
    } else if (name === "exit") {
      return { status: rest[0] === undefined ? status : Number(rest[0]) & 255, isOver: true }
    } else if (name === undefined || name === ":") {
      status = 0
    } else {
      const program = find(name)
      if (program === undefined) {
        yield* process.stderr.write(`sh: ${name}: not found\n`)
        status = 127
      } else {
        const stdout = toStderr ? process.stderr : process.stdout
        status = (yield* program({ ...process, arguments: [name, ...rest], stdout })) & 255
      }
    }
  }
  return { status, isOver: false }
})

/** Reads commands from the input until its end; with a terminal, with prompts, and deaf to the signals of its keys. */
const interactive = Effect.fnUntraced(function* (process: SimulatedProcess, find: Find) {
  const prompt = process.terminal === undefined ? "" : "$ "
  let outcome: Outcome = { status: 0, isOver: false }
  if (process.terminal !== undefined) {
    yield* process.trap("INT", process.stdout.write(`\n${prompt}`))
    yield* process.trap("QUIT", Effect.void)
    yield* process.trap("TERM", Effect.void)
  }
  yield* process.stdout.write(prompt)
  yield* process.stdin.pipe(
    Stream.decodeText,
    Stream.splitLines,
    Stream.runForEachWhile((line) =>
      runLine(process, find, line, outcome.status).pipe(
        Effect.tap((next) => {
          outcome = next
          return next.isOver ? Effect.void : process.stdout.write(prompt)
        }),
        Effect.map((next) => !next.isOver)
      )
    )
  )
  return outcome.status
})

/** Runs an idle command without input, until it or the shell's own input ends. */
const wrapped = (process: SimulatedProcess, find: Find): Effect.Effect<number> => {
  const [, , , , name = "", ...rest] = process.arguments
  const program = find(name)
  return program === undefined
    ? Effect.succeed(127)
    : Effect.raceFirst(
        program({ ...process, arguments: [name, ...rest], stdin: Stream.empty }),
        untilInputEnds(process)
      )
}

/**
 * `sh`, `sh -c TEXT`. `scripts` are the texts that it knows as a whole.
 *
 * @internal
 */
export const make =
  (find: Find, scripts: Readonly<Record<string, SimulatedProgram>>): SimulatedProgram =>
  (process) => {
    const [, option, text] = process.arguments
    if (option !== "-c") return interactive(process, find)
    if (text === undefined) return Effect.as(process.stderr.write("sh: -c: option requires an argument\n"), 2)
    if (text === DeadMansSwitch.waitScript) return untilInputEnds(process)
    if (text === DeadMansSwitch.wrapScript) return wrapped(process, find)
    const script = Object.hasOwn(scripts, text) ? scripts[text] : idle(text)
    return script === undefined ? Effect.map(runLine(process, find, text, 0), ({ status }) => status) : script(process)
  }
