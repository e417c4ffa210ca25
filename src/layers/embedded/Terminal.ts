/**
 * The terminal of a program in a virtual container: lines for the program while it runs, and an editor for the commands
 * of a shell.
 *
 * @since 0.1.0
 */
import type { InputBuffer } from "./InputBuffer.ts"
import type { LineEditor } from "./LineEditor.ts"

/**
 * @internal
 */
export interface Terminal {
  readonly type: (bytes: Uint8Array) => void
  /** The shell wants commands: the editor takes what is typed. */
  readonly prompt: (text: string) => void
  /** The line was entered, or given up: what is typed is for the program. */
  readonly leavePrompt: () => void
}

const controlC = 0x03
const controlD = 0x04
const lineFeed = 0x0a
const carriageReturn = 0x0d
const controlU = 0x15
const controlBackslash = 0x1c
const escape = 0x1b
const erase = new Set([0x08, 0x7f])

const isLineEnd = (byte: number): boolean => byte === carriageReturn || byte === lineFeed

/** Takes the last character away, which may be several bytes of UTF-8. */
const eraseLast = (line: Array<number>): boolean => {
  if (line.length === 0) return false
  while (((line.pop() ?? 0) & 0xc0) === 0x80);
  return true
}

/**
 * @internal
 */
export const make = (options: {
  readonly editor: LineEditor
  readonly input: InputBuffer
  readonly echo: (bytes: Uint8Array) => void
  readonly interrupt: (reason: "interrupt" | "quit") => void
}): Terminal => {
  const { echo, editor, input } = options
  let isPrompting = false
  let line: Array<number> = []

  const say = (text: string) => echo(new TextEncoder().encode(text))
  const flush = () => {
    input.push(Uint8Array.from(line))
    line = []
  }

  /** As the line discipline of a kernel: echo, lines, and keys that are signals. */
  const cook = (byte: number) => {
    if (byte === controlC || byte === controlBackslash) {
      line = []
      say(byte === controlC ? "^C" : "^\\")
      options.interrupt(byte === controlC ? "interrupt" : "quit")
    } else if (byte === controlD) {
      if (line.length === 0) input.end()
      else flush()
    } else if (isLineEnd(byte)) {
      say("\n")
      line.push(lineFeed)
      flush()
    } else if (erase.has(byte)) {
      if (eraseLast(line)) say("\b \b")
    } else if (byte === controlU) {
      while (eraseLast(line)) say("\b \b")
    } else {
      if (byte === escape) say("^[")
      else echo(Uint8Array.of(byte))
      line.push(byte)
    }
  }

  /** What comes after the end of a line is not for that line: the program that it starts may read it. */
  const type = (bytes: Uint8Array) => {
    let from = 0
    while (from < bytes.byteLength) {
      if (!isPrompting) {
        cook(bytes[from] ?? 0)
        from += 1
        continue
      }
      const end = bytes.findIndex((byte, index) => index >= from && (isLineEnd(byte) || byte === controlC))
      const next = end === -1 ? bytes.byteLength : end + 1
      editor.type(bytes.subarray(from, next))
      from = next
      // A carriage return and a line feed end one line.
      if (bytes[next - 1] === carriageReturn && bytes[next] === lineFeed) from += 1
    }
  }

  return {
    type,
    prompt: (text) => {
      isPrompting = true
      editor.prompt(text)
      // What was typed ahead, and no program has read.
      const ahead = Buffer.concat([input.rest(), Uint8Array.from(line)])
      line = []
      if (ahead.byteLength > 0) type(ahead)
    },
    leavePrompt: () => {
      isPrompting = false
    }
  }
}
