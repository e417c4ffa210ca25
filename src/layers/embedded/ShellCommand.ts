/**
 * From the words of a program to what the shell is to do: everything in a virtual container runs in its one shell.
 *
 * @since 0.1.0
 */

/** What to run. */
export type ShellCommand =
  | { readonly _tag: "Text"; readonly text: string; readonly settings: string }
  | { readonly _tag: "File"; readonly path: string; readonly settings: string }
  /** Commands come from the input, or from the person at the terminal. */
  | { readonly _tag: "Input"; readonly settings: string }

/** A word that stands for itself. */
export const quote = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`

const shells = new Set(["sh", "bash", "/bin/sh", "/bin/bash", "/usr/bin/sh", "/usr/bin/bash"])

const positional = (words: ReadonlyArray<string>): string =>
  words.length === 0 ? "" : `set -- ${words.map(quote).join(" ")}\n`

/**
 * @internal
 */
export const make = (command: readonly [string, ...ReadonlyArray<string>]): ShellCommand => {
  const [program, ...words] = command
  if (!shells.has(program)) return { _tag: "Text", text: command.map(quote).join(" "), settings: "" }
  let options = ""
  let isText = false
  let rest: ReadonlyArray<string> = words
  while (rest[0] !== undefined && /^[-+]./u.test(rest[0])) {
    const [word, ...others] = rest
    rest = others
    if (word === "--") break
    if (word === undefined || word.startsWith("--")) continue
    const [value, ...afterValue] = others
    if (word.endsWith("o") && value !== undefined) {
      options += `set ${word.slice(0, 1)}o ${quote(value)}\n`
      rest = afterValue
    }
    for (const letter of word.slice(1)) {
      if (letter === "c") isText = true
      else if ("eux".includes(letter)) options += `set ${word.slice(0, 1)}${letter}\n`
    }
  }
  const [first, ...others] = rest
  // After the text comes the name of the shell itself, and then its arguments.
  if (isText) return { _tag: "Text", text: first ?? "", settings: options + positional(others.slice(1)) }
  return first === undefined
    ? { _tag: "Input", settings: options }
    : { _tag: "File", path: first, settings: options + positional(others) }
}
