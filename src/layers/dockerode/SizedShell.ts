/**
 * The size and the modes of a terminal, set inside of the container before the program begins: engines know nothing of
 * modes, and those before API 1.42 cannot set a size that early.
 *
 * @since 0.1.0
 */
import type { TerminalSize } from "../../services/Docker.ts"

const shells = new Set(["ash", "bash", "dash", "ksh", "sh", "zsh"])

const isWord = (word: string): boolean => /^[a-z0-9^?@[\\\]_-]+$/iu.test(word)

/**
 * The same command with its terminal prepared before it begins, if it is a shell; any other command as it is, because it
 * takes a shell to do that and the image need not have one. Where `stty` does not know one of the words it does nothing,
 * so the size is then set alone. What a login calls `SSH_TTY` is made the terminal's name in the container.
 *
 * @internal
 */
export const command = (
  command: readonly [string, ...ReadonlyArray<string>],
  size: TerminalSize | undefined,
  modes: ReadonlyArray<string> = []
): readonly [string, ...ReadonlyArray<string>] => {
  const [program] = command
  if (!shells.has(program.slice(program.lastIndexOf("/") + 1))) return command
  // A dimension of 0 says nothing (RFC 4254, section 6.2), and some `stty` refuse it.
  const sizeWords = [
    ...(size === undefined || size.rows === 0 ? [] : ["rows", String(size.rows)]),
    ...(size === undefined || size.columns === 0 ? [] : ["cols", String(size.columns)])
  ]
  const stty = (words: ReadonlyArray<string>) => `stty ${words.map((word) => `'${word}'`).join(" ")} 2>/dev/null`
  const known = modes.filter(isWord)
  const attempts = [
    ...(known.length > 0 ? [stty([...sizeWords, ...known])] : []),
    ...(sizeWords.length > 0 ? [stty(sizeWords)] : [])
  ]
  if (attempts.length === 0) return command
  const script = `${attempts.join(" || ")}
[ -z "$SSH_TTY" ] || SSH_TTY=$(tty) || SSH_TTY=/dev/tty
exec "$@"`
  return [program, "-c", script, program, ...command]
}
