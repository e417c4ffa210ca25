/**
 * What is said to a shell that waits in a container for the program that it shall become.
 *
 * The shell evaluates each line that it is sent. A POSIX shell's `read` takes its input byte by byte up to the end of
 * the line, so that what follows the last line is the program's own. The program gets its environment from `env -i`, word
 * for word: what a shell adds to its own environment (PWD, SHLVL, …) does not reach it, and what is no name for a shell
 * does.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import type { TerminalSize } from "./Docker.ts"

/**
 * The longest line that is sent, in bytes: a terminal takes no longer one, and the shell reads it byte by byte.
 *
 * @since 0.1.0
 * @category constants
 */
export const longestLine = 4000

/**
 * The waiting shell. What stands behind the script tells whoever lists the processes of the container what it is.
 *
 * @since 0.1.0
 * @category scripts
 */
export const command = (shell: string): readonly [string, ...ReadonlyArray<string>] => [
  shell,
  "-c",
  'while IFS= read -r line; do eval "$line"; done',
  "waiting for a program"
]

/** To a terminal it would be typed, not sent: the line discipline acts upon it. A tab it takes as it is. */
const isControl = (character: string): boolean => (character < " " && character !== "\t") || character === "\u007f"

/** A word that the shell takes for nothing but this text. `$n` is the end of a line, which would end what is read. */
const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`).replaceAll("\n", `'"$n"'`)}'`

/**
 * The words as a shell reads them back from one line; `None` when they cannot be sent: there is a NUL in them, or, to a
 * terminal, another control character than a tab and the end of a line.
 *
 * @since 0.1.0
 * @category quoting
 */
export const words = (texts: ReadonlyArray<string>, tty: boolean): Option.Option<string> =>
  texts.some((text) => (tty ? Array.from(text.replaceAll("\n", "")).some(isControl) : text.includes("\0")))
    ? Option.none()
    : Option.some(texts.map(quote).join(" "))

/** Has the shell say a token. A terminal echoes the line, and so the token does not stand in it as a whole. */
const say = (token: string): string => `echo '${token.slice(0, 4)}''${token.slice(4)}'`

/** What the kernel starts by itself. A shell would take anything else for a script of its own. */
const isProgram = `[ -f "$p" ] && [ -x "$p" ] && IFS= read -r h <"$p" && case $h in ?ELF* | '#!'*) ;; *) false ;; esac`

/**
 * What the introduction has read as the line behind it.
 *
 * @since 0.1.0
 * @category lines
 */
export const nextLine = "the line behind it"

/**
 * The first line. The shell says `hello`, then its environment as it was given to it, each variable ended by a NUL; then
 * `goodbye`, which of the programs are there, and `end`.
 *
 * To a pipe {@link nextLine} is sent right behind it, and another program has to read that: a shell that reads ahead
 * does not get further than this. A terminal gives a line at a time by itself.
 *
 * @since 0.1.0
 * @category lines
 */
export const introduction = (options: {
  readonly shell: string
  readonly tty: boolean
  readonly programs: ReadonlyArray<string>
  readonly tokens: { readonly hello: string; readonly goodbye: string; readonly end: string }
}): string => {
  const { programs, shell, tokens, tty } = options
  return [
    // A substitution loses the ends of lines at its end.
    "n=$(echo; echo x); n=${n%x}; w=$(pwd -P); e=; IFS=:; set -f",
    'for d in $PATH; do if [ -f "$d/env" ] && [ -x "$d/env" ]; then e=$d/env; break; fi; done; set +f; unset IFS',
    `${say(tokens.hello)}; cat /proc/$$/environ; ${say(tokens.goodbye)}`,
    `for p in ${programs.map(quote).join(" ")}; do if ${isProgram}; then echo "$p"; fi; done 2>/dev/null`,
    ...(tty ? [] : [`"$e" -i ${quote(shell)} -c 'IFS= read -r next; echo "$next"'`]),
    say(tokens.end)
  ].join("; ")
}

/**
 * Gives the shell words to keep, for the programs to come.
 *
 * @since 0.1.0
 * @category lines
 */
export const keep = (quoted: string): string => `set -- "$@" ${quoted}`

/**
 * Has the shell say that it has done all it was told so far.
 *
 * @since 0.1.0
 * @category lines
 */
export const confirm = say

/**
 * The line that makes the program of the shell: in the working directory, which may be another one of that name by now,
 * the shell says `token`, and then it is the program. When something is not as it should be it says nothing and ends.
 *
 * @since 0.1.0
 * @category lines
 */
export const become = (options: {
  readonly token: string
  readonly program: string
  /** Whether the shell has said of it that it is a program. */
  readonly isKnown: boolean
  readonly workingDirectory: string | undefined
  /** Variables, the program and its arguments, as {@link words} gives them. */
  readonly quoted: string
  /** How the terminal is to behave, in the words of `stty`. It does not matter where there is none. */
  readonly modes: ReadonlyArray<string>
  /** Whether the program gets the name of its terminal as `SSH_TTY`. */
  readonly isNamed: boolean
}): string => {
  const directory = options.workingDirectory === undefined ? '"$w"' : quote(options.workingDirectory)
  const program = quote(options.program)
  const modes = options.modes.length === 0 ? "" : `{ stty ${options.modes.map(quote).join(" ")} 2>/dev/null || :; } && `
  const name = options.isNamed ? `SSH_TTY="$(tty || echo /dev/tty)" ` : ""
  const check = options.isKnown
    ? `[ -f ${program} ] && [ -x ${program} ]`
    : `{ p=${program}; ${isProgram}; } 2>/dev/null`
  return `cd -P -- ${directory} && ${check} && ${modes}${say(options.token)} && exec "$e" -i "$@" ${name}${options.quoted}; exit`
}

/**
 * Whether both are one size.
 *
 * @since 0.1.0
 * @category equivalence
 */
export const isSameSize = (one: TerminalSize | undefined, other: TerminalSize): boolean =>
  one?.columns === other.columns && one.rows === other.rows
