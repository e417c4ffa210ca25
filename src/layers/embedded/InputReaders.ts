/**
 * Which commands read their standard input.
 *
 * The shell's library takes the whole input before a script begins. A program over SSH must not wait for the end of an
 * input that it never reads: `ssh host 'echo hi'`, typed at a terminal. So a script is looked at first, and only the
 * commands that read are connected to the input.
 *
 * @since 0.1.0
 */
import type { SimpleCommandNode, WordNode } from "just-bash"

/** What the words after a command's name mean. */
interface Reader {
  /** Operands before the first file: a pattern, a script. */
  readonly before: number
  /** Single letters of options that take a value, so that the value is not mistaken for a file. */
  readonly values: string
  /** Letters of options that take the place of the operands before the first file: `grep -e PATTERN FILE`. */
  readonly instead: string
  /** Letters of options with which it reads no input at all. */
  readonly never: string
}

const reader = (before: number, values = "", instead = "", never = ""): Reader => ({ before, values, instead, never })

/** Read their input unless a file is named. */
const readers: ReadonlyMap<string, Reader> = new Map([
  ["awk", reader(1, "Ffv", "f")],
  ["base64", reader(0, "w")],
  ["bash", reader(0, "oc", "", "c")],
  ["cat", reader(0)],
  ["column", reader(0, "cstN")],
  ["cut", reader(0, "bcdf")],
  ["egrep", reader(1, "efmABC", "ef", "rR")],
  ["expand", reader(0, "t")],
  ["fgrep", reader(1, "efmABC", "ef", "rR")],
  ["fold", reader(0, "w")],
  ["grep", reader(1, "efmABC", "ef", "rR")],
  ["gunzip", reader(0)],
  ["gzip", reader(0)],
  ["head", reader(0, "nc")],
  ["jq", reader(1, "f", "f")],
  ["md5sum", reader(0)],
  ["nl", reader(0, "bdfhilnsvw")],
  ["od", reader(0, "AjNtw")],
  ["rev", reader(0)],
  ["rg", reader(1, "efmABCgt", "ef")],
  ["sed", reader(1, "efl", "ef")],
  ["sh", reader(0, "oc", "", "c")],
  ["sha1sum", reader(0)],
  ["sha256sum", reader(0)],
  ["sort", reader(0, "koStT")],
  ["split", reader(0, "abln")],
  ["strings", reader(0, "nt")],
  ["tac", reader(0, "s")],
  ["tail", reader(0, "ncs")],
  ["unexpand", reader(0, "t")],
  ["uniq", reader(0, "fsw")],
  ["wc", reader(0)],
  ["yq", reader(1, "po")],
  ["zcat", reader(0)]
])

/** Read their input whatever their operands are. */
const alwaysReaders: ReadonlySet<string> = new Set(["mapfile", "readarray", "tee", "tr", "xargs"])

/** The text of a word in which nothing is expanded. */
export const literal = (word: WordNode | null): string | undefined => {
  if (word === null) return undefined
  let text = ""
  for (const part of word.parts) {
    switch (part.type) {
      case "Literal":
      case "SingleQuoted":
      case "Escaped":
        text += part.value
        break
      case "DoubleQuoted":
        for (const inner of part.parts) {
          if (inner.type !== "Literal" && inner.type !== "Escaped") return undefined
          text += inner.value
        }
        break
      default:
        return undefined
    }
  }
  return text
}

const baseName = (path: string): string => path.slice(path.lastIndexOf("/") + 1)

/** Whether the words after a command's name leave it without a file to read. What is expanded counts as a file. */
const isWithoutFile = (
  { before, instead, never, values }: Reader,
  words: ReadonlyArray<string | undefined>
): boolean => {
  let operands = 0
  let wanted = before
  let isValue = false
  let isPastOptions = false
  for (const word of words) {
    if (isValue) {
      isValue = false
    } else if (word === "-") {
      return true
    } else if (isPastOptions || word === undefined || !word.startsWith("-")) {
      operands += 1
    } else if (word === "--") {
      isPastOptions = true
    } else if (!word.startsWith("--")) {
      const letters = word.slice(1)
      const valued = Array.from(letters).findIndex((letter) => values.includes(letter))
      const options = valued === -1 ? letters : letters.slice(0, valued + 1)
      if (Array.from(options).some((letter) => never.includes(letter))) return false
      if (Array.from(options).some((letter) => instead.includes(letter))) wanted = 0
      // The value may be part of the same word: `-n5`.
      isValue = valued === letters.length - 1 && valued !== -1
    }
  }
  return operands <= wanted
}

/**
 * How much of the input a command reads, as far as its words tell; nothing for what is unknown.
 *
 * @internal
 */
export const amountRead = (command: SimpleCommandNode): "line" | "all" | undefined => {
  const name = literal(command.name)
  if (name === undefined) return undefined
  const words = command.args.map(literal)
  const base = baseName(name)
  if (base === "read") return words.some((word) => word?.startsWith("-u") === true) ? undefined : "line"
  if (alwaysReaders.has(base)) return "all"
  const known = readers.get(base)
  return known !== undefined && isWithoutFile(known, words) ? "all" : undefined
}
