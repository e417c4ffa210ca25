/**
 * The size of a terminal for engines that cannot set it before the program runs.
 *
 * @since 0.1.0
 */
import type { TerminalSize } from "../../services/Docker.ts"

const shells = new Set(["ash", "bash", "dash", "ksh", "sh", "zsh"])

/** Sets the size, where there is an `stty`, and becomes the shell that was asked for. */
const script = 'stty rows "$1" cols "$2" 2>/dev/null; shift 2; exec "$@"'

/**
 * The same command with its terminal sized before it begins, if it is a shell; any other command as it is, because it
 * takes a shell to do that and the image need not have one.
 *
 * @internal
 */
export const command = (
  command: readonly [string, ...ReadonlyArray<string>],
  { columns, rows }: TerminalSize
): readonly [string, ...ReadonlyArray<string>] => {
  const [program] = command
  return shells.has(program.slice(program.lastIndexOf("/") + 1))
    ? [program, "-c", script, program, String(rows), String(columns), ...command]
    : command
}
