/**
 * Lines that a person edits: the prompt of a shell, with history, keys and completion, by Node's own editor.
 *
 * @since 0.1.0
 */
import { createInterface, type Interface } from "node:readline"
import { Readable, Writable } from "node:stream"
import type { Size } from "./Protocol.ts"

/**
 * @internal
 */
export interface LineEditor {
  /** Shows the prompt and begins a line. */
  readonly prompt: (text: string) => void
  /** What the person types into the line. */
  readonly type: (bytes: Uint8Array) => void
  /** The terminal has another size. */
  readonly resized: () => void
  readonly close: () => void
}

/** Lines that are remembered. */
const historySize = 500

/** How long the rest of an escape sequence may take, in milliseconds. */
const escapeTimeout = 50

/**
 * @internal
 */
export const make = (options: {
  readonly size: () => Size
  /** Takes text in which a line feed ends a line, as programs write. */
  readonly write: (bytes: Uint8Array) => void
  /** What the last word of a line could become. */
  readonly complete: (line: string, done: (candidates: ReadonlyArray<string>) => void) => void
  /** A line was entered. */
  readonly onLine: (line: string) => void
  /** Ctrl-C: the line is given up. */
  readonly onCancel: () => void
  /** Ctrl-D on an empty line. */
  readonly onEnd: () => void
}): LineEditor => {
  // Bytes are handed to the editor one event at a time, so that it has nothing to read by itself.
  const input = new Readable({ read: () => {} })
  const output = Object.defineProperties(
    new Writable({
      decodeStrings: false,
      write: (chunk: string, _encoding, done) => {
        if (!isMuted) options.write(new TextEncoder().encode(chunk.replaceAll("\r\n", "\n")))
        done()
      }
    }),
    { columns: { get: () => options.size().columns }, rows: { get: () => options.size().rows } }
  )
  let isClosed = false
  let isEditing = false
  let isMuted = false

  const complete = (line: string, callback: (error: null, result: [Array<string>, string]) => void) => {
    const word = /[^\s'"|&;<>()]*$/u.exec(line)?.[0] ?? ""
    options.complete(line, (candidates) => callback(null, [[...candidates], word]))
  }
  const editor: Interface = createInterface({
    input,
    output,
    terminal: true,
    historySize,
    removeHistoryDuplicates: true,
    escapeCodeTimeout: escapeTimeout,
    completer: complete
  })
  editor.on("line", (line) => {
    isEditing = false
    options.onLine(line)
  })
  editor.on("SIGINT", () => {
    // The line goes out of the editor, and stays on the screen.
    isMuted = true
    editor.write(null, { ctrl: true, name: "e" })
    editor.write(null, { ctrl: true, name: "u" })
    isMuted = false
    options.write(new TextEncoder().encode("^C\n"))
    isEditing = false
    options.onCancel()
  })
  // There is no job to stop, and the editor must not stop this process.
  editor.on("SIGTSTP", () => {})
  editor.on("close", () => {
    if (isClosed) return
    isClosed = true
    options.onEnd()
  })

  return {
    prompt: (text) => {
      if (isClosed) return
      isEditing = true
      editor.setPrompt(text)
      editor.prompt()
    },
    type: (bytes) => {
      if (!isClosed) input.emit("data", Buffer.from(bytes))
    },
    resized: () => {
      if (isEditing && !isClosed) output.emit("resize")
    },
    close: () => {
      isClosed = true
      editor.close()
    }
  }
}
