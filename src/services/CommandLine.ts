/**
 * What to execute for a command line (RFC 4254, section 6.5).
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"

/** Characters that mean something to a shell when they stand outside of quotes, wherever they stand in a word. */
const special = new Set("|&;<>()$`*?[]{}!\n\r")

const isBlank = (character: string): boolean => character === " " || character === "\t"

/**
 * Splits a line into words as a shell would, when it is nothing but plain words: no operator, expansion, pattern,
 * comment or assignment that a shell would act upon. `None` says that it takes a shell to run the line.
 *
 * @since 0.1.0
 * @category parsing
 */
export const plainWords = (line: string): Option.Option<ReadonlyArray<string>> => {
  const words: Array<string> = []
  let word: string | undefined
  let index = 0
  while (index < line.length) {
    const character = line.charAt(index)
    if (isBlank(character)) {
      if (word !== undefined) words.push(word)
      word = undefined
      index += 1
    } else if (character === "'") {
      const end = line.indexOf("'", index + 1)
      if (end === -1) return Option.none()
      word = (word ?? "") + line.slice(index + 1, end)
      index = end + 1
    } else if (character === '"') {
      const quoted = doubleQuoted(line, index + 1)
      if (quoted === undefined) return Option.none()
      word = (word ?? "") + quoted.text
      index = quoted.next
    } else if (character === "\\") {
      const next = line.charAt(index + 1)
      if (next === "" || next === "\n") return Option.none()
      word = (word ?? "") + next
      index += 2
    } else if (special.has(character) || (word === undefined && (character === "#" || character === "~"))) {
      return Option.none()
    } else {
      word = (word ?? "") + character
      index += 1
    }
  }
  if (word !== undefined) words.push(word)
  return Option.some(words)
}

/** Inside of double quotes a backslash quotes only `$`, backquote, `"`, itself and the end of a line (POSIX 2.2.3). */
const doubleQuoted = (line: string, start: number): { readonly text: string; readonly next: number } | undefined => {
  let text = ""
  let index = start
  while (index < line.length) {
    const character = line.charAt(index)
    if (character === '"') return { text, next: index + 1 }
    if (character === "$" || character === "`") return undefined
    if (character === "\\") {
      const next = line.charAt(index + 1)
      if (next === "\n" || next === "") return undefined
      text += next === "$" || next === "`" || next === '"' || next === "\\" ? next : `\\${next}`
      index += 2
    } else {
      text += character
      index += 1
    }
  }
  return undefined
}

/**
 * The argument vector for a command line. A line of plain words whose first one is a path (`/…`, `./…`, `../…`) runs
 * directly, which works without a shell in the image; everything else runs as `/bin/sh -c LINE`.
 *
 * @since 0.1.0
 * @category parsing
 */
export const toArguments = (line: string): readonly [string, ...ReadonlyArray<string>] =>
  plainWords(line).pipe(
    Option.flatMap(([program, ...rest]) =>
      program !== undefined && /^(?:\/|\.\/|\.\.\/)/u.test(program)
        ? Option.some([program, ...rest] as const)
        : Option.none()
    ),
    Option.getOrElse(() => ["/bin/sh", "-c", line] as const)
  )
