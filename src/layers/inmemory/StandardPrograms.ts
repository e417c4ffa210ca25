/**
 * The small programs that an image with a shell has.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { waitScript, wrapScript } from "../../services/DeadMansSwitch.ts"
import * as Signal from "../../services/Signal.ts"
import type { SimulatedProgram } from "./SimulatedProgram.ts"

const echo: SimulatedProgram = ({ arguments: [, ...words], stdout }) =>
  Effect.as(stdout.write(`${words.join(" ")}\n`), 0)

const cat: SimulatedProgram = ({ stdin, stdout }) => Effect.as(Stream.runForEach(stdin, stdout.write), 0)

const sleep: SimulatedProgram = ({ arguments: [, text = ""] }) => {
  if (text === "infinity") return Effect.never
  const seconds = Number(text)
  return Number.isFinite(seconds) && text !== ""
    ? Effect.as(Effect.sleep(Duration.seconds(seconds)), 0)
    : Effect.succeed(1)
}

const env: SimulatedProgram = ({ env, stdout }) =>
  Effect.as(
    Effect.forEach(Object.entries(env), ([name, value]) => stdout.write(`${name}=${value}\n`), { discard: true }),
    0
  )

const printenv: SimulatedProgram = ({ arguments: [, name = ""], env, stdout }) => {
  const value = Object.hasOwn(env, name) ? env[name] : undefined
  return value === undefined ? Effect.succeed(1) : Effect.as(stdout.write(`${value}\n`), 0)
}

const pwd: SimulatedProgram = ({ stdout, workingDirectory }) => Effect.as(stdout.write(`${workingDirectory}\n`), 0)

const seq: SimulatedProgram = Effect.fnUntraced(function* ({ arguments: [, first = "1", second], stdout }) {
  const from = second === undefined ? 1 : Number(first)
  const to = Number(second ?? first)
  let block = ""
  for (let number = from; number <= to; number += 1) {
    block += `${number}\n`
    if (block.length < 4096) continue
    yield* stdout.write(block)
    block = ""
  }
  yield* stdout.write(block)
  return 0
})

const stty: SimulatedProgram = Effect.fnUntraced(function* ({ arguments: [, ...words], stderr, stdout, terminal }) {
  if (terminal === undefined) {
    yield* stderr.write("stty: standard input: Inappropriate ioctl for device\n")
    return 1
  }
  if (words.includes("raw")) yield* terminal.setRaw(true)
  if (words.includes("size")) {
    const { columns, rows } = yield* terminal.size
    yield* stdout.write(`${rows} ${columns}\n`)
  }
  return 0
})

const status =
  (code: number): SimulatedProgram =>
  () =>
    Effect.succeed(code)

/**
 * By their names.
 *
 * @internal
 */
export const programs: Readonly<Record<string, SimulatedProgram>> = {
  cat,
  echo,
  env,
  false: status(1),
  printenv,
  pwd,
  seq,
  sleep,
  stty,
  true: status(0)
}

/** Waits for the end of the input, INT or TERM. */
const watch: SimulatedProgram = ({ stdin, trap }) =>
  trap("INT", Effect.succeed(0)).pipe(
    Effect.andThen(trap("TERM", Effect.succeed(0))),
    Effect.andThen(Stream.runDrain(stdin)),
    Effect.as(0)
  )

/**
 * The texts that the backend has a shell run as the first process of a container.
 *
 * @internal
 */
export const scripts = (find: (name: string) => SimulatedProgram | undefined): Record<string, SimulatedProgram> => ({
  [waitScript]: watch,
  // Runs the command behind it, without its input, and ends with it or with the input.
  [wrapScript]: (process) => {
    const [, , , , name = "", ...rest] = process.arguments
    const program = find(name)
    if (program === undefined) return Effect.succeed(127)
    const idle = program({ ...process, arguments: [name, ...rest], stdin: Stream.empty })
    return Effect.raceFirst(idle, Effect.as(Stream.runDrain(process.stdin), 0))
  }
})

const idleScript = /^trap '(?:[^']*; *)?exit (?<status>\d+)' (?<signals>[A-Z0-9 ]+); *while :; do sleep .*done$/u

/**
 * What the first process of a container usually runs: it sleeps for ever, and ends with a status on some signals.
 *
 * @internal
 */
export const idle = (text: string): SimulatedProgram | undefined => {
  const { signals = "", status = "" } = idleScript.exec(text)?.groups ?? {}
  if (status === "") return undefined
  return ({ trap }) =>
    Effect.forEach(signals.split(" ").filter(Signal.isName), (name) => trap(name, Effect.succeed(Number(status))), {
      discard: true
    }).pipe(Effect.andThen(Effect.never))
}

/**
 * What the first process of a container with a dead man's switch does: it ends with its input, and on TERM and INT.
 *
 * @internal
 */
export const untilInputEnds: SimulatedProgram = ({ stdin, trap }) =>
  Effect.forEach(["INT", "TERM"] as const, (name) => trap(name, Effect.succeed(0)), { discard: true }).pipe(
    Effect.andThen(Stream.runDrain(stdin)),
    Effect.as(0)
  )
