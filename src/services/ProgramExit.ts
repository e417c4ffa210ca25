/**
 * How a program ended.
 *
 * @since 0.1.0
 */
import * as Signal from "./Signal.ts"

/**
 * How a program ended: by itself, with an exit status (0 to 255), or by a signal that was sent to it through its channel
 * or that the engine reports. Any other signal looks like the status 128 and its number.
 *
 * @since 0.1.0
 * @category models
 */
export type ProgramExit =
  | { readonly _tag: "Exited"; readonly status: number }
  | {
      readonly _tag: "Killed"
      readonly signal: Signal.Name
      /** The kernel ended it because its container may have no more memory. */
      readonly isOutOfMemory: boolean
    }

/**
 * @since 0.1.0
 * @category constructors
 */
export const exited = (status: number): ProgramExit => ({ _tag: "Exited", status })

/**
 * @since 0.1.0
 * @category constructors
 */
export const killed = (signal: Signal.Name, isOutOfMemory = false): ProgramExit => ({
  _tag: "Killed",
  signal,
  isOutOfMemory
})

/**
 * The exit status as a shell reports it: 128 and the number of the signal for a program that one ended.
 *
 * @since 0.1.0
 * @category getters
 */
export const status = (exit: ProgramExit): number =>
  exit._tag === "Exited" ? exit.status : 128 + Signal.numbers[exit.signal]
