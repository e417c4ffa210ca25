/**
 * The first process of a container with a dead man's switch. On a real engine that takes a shell with jobs and traps; here
 * the scripts are known by their texts.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { waitScript, wrapScript } from "../../services/DeadMansSwitch.ts"
import type { ProgramProcess } from "./ShellProgram.ts"

/** Goes on until TERM or INT. */
const untilSignal = ({ trap }: ProgramProcess): Effect.Effect<number> =>
  Effect.forEach(["INT", "TERM"] as const, (name) => trap(name, Effect.succeed(0)), { discard: true }).pipe(
    Effect.andThen(Effect.never)
  )

const untilInputEnds = ({ stdin }: ProgramProcess): Effect.Effect<number> => Effect.as(Stream.runDrain(stdin), 0)

const isPresent = (words: ReadonlyArray<string>): words is readonly [string, ...ReadonlyArray<string>] =>
  words.length > 0

/**
 * Runs the switch, with the idle command that it has; gives nothing for any other command.
 *
 * @internal
 */
export const run = <R>(
  process: ProgramProcess,
  idle: (command: readonly [string, ...ReadonlyArray<string>]) => Effect.Effect<number, never, R>
): Effect.Effect<number, never, R> | undefined => {
  const [, option, text, , ...rest] = process.arguments
  if (option !== "-c") return undefined
  if (text === waitScript) return Effect.raceFirst(untilSignal(process), untilInputEnds(process))
  if (text === wrapScript && isPresent(rest)) {
    return Effect.raceFirst(untilInputEnds(process), idle(rest))
  }
  return undefined
}
