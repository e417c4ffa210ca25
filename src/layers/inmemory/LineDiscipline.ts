/**
 * What a terminal does between the person and the program: echo, lines, signals, and carriage returns.
 *
 * @since 0.1.0
 */
import type * as Signal from "../../services/Signal.ts"

/**
 * @internal
 */
export interface LineDiscipline {
  /** What the person types. */
  readonly type: (bytes: Uint8Array) => void
  readonly setRaw: (raw: boolean) => void
}

const controlC = 0x03
const controlD = 0x04
const lineFeed = 0x0a
const carriageReturn = 0x0d
const controlBackslash = 0x1c
const erase = new Set([0x08, 0x7f])

/**
 * Line feeds become carriage return and line feed on the way out.
 *
 * @internal
 */
export const toTerminal = (bytes: Uint8Array): Uint8Array => {
  const out: Array<number> = []
  for (const byte of bytes) {
    if (byte === lineFeed) out.push(carriageReturn)
    out.push(byte)
  }
  return Uint8Array.from(out)
}

/**
 * @internal
 */
export const make = (options: {
  readonly echo: (bytes: Uint8Array) => void
  readonly deliver: (bytes: Uint8Array) => void
  readonly end: () => void
  readonly signal: (name: Signal.Name) => void
}): LineDiscipline => {
  let raw = false
  let line: Array<number> = []

  const flush = () => {
    const complete = Uint8Array.from(line)
    line = []
    options.deliver(complete)
  }
  const interrupt = (letter: string, name: Signal.Name) => {
    line = []
    options.echo(new TextEncoder().encode(`^${letter}`))
    options.signal(name)
  }
  const cook = (byte: number) => {
    if (byte === controlC) interrupt("C", "INT")
    else if (byte === controlBackslash) interrupt("\\", "QUIT")
    else if (byte === controlD) {
      if (line.length === 0) options.end()
      else flush()
    } else if (byte === carriageReturn || byte === lineFeed) {
      options.echo(Uint8Array.of(carriageReturn, lineFeed))
      line.push(lineFeed)
      flush()
    } else if (erase.has(byte)) {
      if (line.pop() !== undefined) options.echo(new TextEncoder().encode("\b \b"))
    } else {
      options.echo(Uint8Array.of(byte))
      line.push(byte)
    }
  }

  return {
    type: (bytes) => {
      if (raw) options.deliver(bytes)
      else for (const byte of bytes) cook(byte)
    },
    setRaw: (next) => {
      raw = next
      if (raw && line.length > 0) flush()
    }
  }
}
