/**
 * What is heard from a program that answers first and is somebody else's afterwards.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { ByteSink, ProgramOutput } from "./ByteSink.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Conversation {
  /** For the program to write to. Its ends are passed on only when it was handed over. */
  readonly output: ProgramOutput
  /** Waits until the program says the token as the end of a line, and gives what it said before. */
  readonly hear: (token: string) => Effect.Effect<Uint8Array>
  /** The same, and all that comes behind the token goes to `output` from then on. */
  readonly handOver: (token: string, output: ProgramOutput) => Effect.Effect<void>
  readonly isHandedOver: () => boolean
}

/** More than this is not listened to, in bytes. */
const patience = 256 * 1024

/** One character for each byte, so that positions are the same. */
const characters = (bytes: Uint8Array): string => {
  let text = ""
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}

const join = (first: Uint8Array, second: Uint8Array): Uint8Array => {
  const joined = new Uint8Array(first.length + second.length)
  joined.set(first)
  joined.set(second, first.length)
  return joined
}

interface Expectation {
  readonly token: string
  readonly heard: (before: Uint8Array, after: Uint8Array) => void
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (): Conversation => {
  let said: Uint8Array = new Uint8Array()
  // Standard error may overtake the token: it is kept until that has come.
  let complaints: Uint8Array = new Uint8Array()
  let expectation: Expectation | undefined
  let owner: ProgramOutput | undefined
  const drains: { stdout: () => void; stderr: () => void } = { stdout: () => {}, stderr: () => {} }

  const listen = () => {
    if (expectation === undefined) return
    const { heard, token } = expectation
    const match = new RegExp(`${token}\r?\n`, "u").exec(characters(said))
    if (match === null) return
    const [before, after] = [said.slice(0, match.index), said.slice(match.index + match[0].length)]
    said = new Uint8Array()
    expectation = undefined
    heard(before, after)
  }
  const expect = (token: string, heard: Expectation["heard"]) => {
    expectation = { token, heard }
    listen()
  }

  const give = (sink: ByteSink, bytes: Uint8Array, drain: () => void) => {
    sink.onDrain(drain)
    // Whoever was told to wait goes on now, or when there is room.
    if (bytes.length === 0 || sink.write(bytes)) drain()
  }
  const takeOver = (output: ProgramOutput, rest: Uint8Array) => {
    owner = output
    // One sink may take both outputs; it has room for one callback.
    const isOne = output.stdout === output.stderr
    const both = () => {
      drains.stdout()
      drains.stderr()
    }
    give(output.stdout, rest, isOne ? both : () => drains.stdout())
    give(output.stderr, complaints, isOne ? both : () => drains.stderr())
    complaints = new Uint8Array()
  }

  return {
    output: {
      stdout: {
        write: (chunk) => {
          if (owner !== undefined) return owner.stdout.write(chunk)
          if (said.length > patience) return true
          said = join(said, chunk)
          listen()
          return true
        },
        end: () => owner?.stdout.end(),
        onDrain: (callback) => {
          drains.stdout = callback
        }
      },
      stderr: {
        write: (chunk) => {
          if (owner !== undefined) return owner.stderr.write(chunk)
          complaints = join(complaints, chunk)
          return complaints.length < patience
        },
        end: () => owner?.stderr.end(),
        onDrain: (callback) => {
          drains.stderr = callback
        }
      }
    },
    hear: (token) =>
      Effect.callback((resume) => {
        expect(token, (before, after) => {
          said = after
          resume(Effect.succeed(before))
        })
      }),
    handOver: (token, output) =>
      Effect.callback((resume) => {
        // What was complained about before is nothing of the program's.
        complaints = new Uint8Array()
        expect(token, (_before, after) => {
          takeOver(output, after)
          resume(Effect.void)
        })
      }),
    isHandedOver: () => owner !== undefined
  }
}
