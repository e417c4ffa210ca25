/** What a person at a client sees, and when. Milliseconds throughout. */
import { spawn } from "node:child_process"
import * as Effect from "effect/Effect"
import { within } from "../test/support/Deadline.ts"
import { HarnessError, harnessError } from "../test/support/HarnessError.ts"
import { sshArguments, type SshRequest } from "../test/support/OpenSsh.ts"

export interface Moments {
  /** From the start of the process to its first byte of output. */
  readonly firstByte: number
  /** From the start of the process to the output that was waited for. */
  readonly found: number
  /** From the last byte of output to the end of the process. */
  readonly exit: number
  /** From the start of the process to its end. */
  readonly elapsed: number
  readonly bytes: number
}

/** Once the output matches, `answer` is written to the input. `behind` is what may stand behind the match. */
export interface Until {
  readonly pattern: RegExp
  readonly behind: string
  readonly answer: string
}

export const isFound = ({ behind, pattern }: Until, text: string) => pattern.test(text.replace(behind, ""))

export interface WatchOptions {
  /** `eof`: /dev/null. `open`: a pipe that stays open to the end. Bytes: so many zeros, and then the end. */
  readonly stdin: "eof" | "open" | number
  readonly env?: Readonly<Record<string, string>>
  readonly until?: Until
  readonly deadline?: number
}

const block = Buffer.alloc(256 * 1024)

/** Runs a program to its end, which must be a good one, and notes the moments. */
export const watch = (
  command: string,
  args: ReadonlyArray<string>,
  options: WatchOptions
): Effect.Effect<Moments, HarnessError> =>
  within(
    Effect.callback<Moments, HarnessError>((resume) => {
      const { env, stdin, until } = options
      const started = performance.now()
      const child = spawn(command, args, {
        stdio: [stdin === "eof" ? "ignore" : "pipe", "pipe", "pipe"],
        detached: true,
        ...(env === undefined ? {} : { env: { ...process.env, ...env } })
      })
      let first: number | undefined
      let last = started
      let found: number | undefined
      let bytes = 0
      let text = ""
      let complaints = ""
      child.once("error", (cause) => resume(Effect.fail(harnessError(`running ${command}`)(cause))))
      child.stdout?.on("data", (chunk: Buffer) => {
        last = performance.now()
        first ??= last
        bytes += chunk.length
        if (until === undefined || found !== undefined) return
        text += chunk.toString()
        if (!isFound(until, text)) return
        found = last
        child.stdin?.write(until.answer)
      })
      child.stderr?.on("data", (chunk: Buffer) => (complaints += chunk.toString()))
      // A program that ends before it has read everything tells so by its status.
      child.stdin?.on("error", () => child.stdin?.destroy())
      if (typeof stdin === "number" && child.stdin !== null) feed(child.stdin, stdin)
      let ended = started
      child.once("exit", () => {
        ended = performance.now()
      })
      child.once("close", (status, signal) => {
        if (status !== 0) {
          const detail = `${status ?? signal}: ${complaints}`
          resume(Effect.fail(new HarnessError({ operation: `${command} ${args.join(" ")}`, detail })))
          return
        }
        resume(
          Effect.succeed({
            firstByte: (first ?? ended) - started,
            found: (found ?? ended) - started,
            exit: ended - last,
            elapsed: ended - started,
            bytes
          })
        )
      })
      return Effect.sync(() => child.kill("SIGKILL"))
    }),
    options.deadline ?? 60_000,
    () => `${command} ${args.join(" ")}`
  )

const feed = (stdin: NodeJS.WritableStream, bytes: number) => {
  let left = bytes
  const write = () => {
    while (left > 0) {
      const size = Math.min(left, block.length)
      left -= size
      if (!stdin.write(block.subarray(0, size))) return
    }
    stdin.off("drain", write)
    stdin.end()
  }
  stdin.on("drain", write)
  write()
}

export const watchSsh = (request: SshRequest, options: WatchOptions) => watch("ssh", sshArguments(request), options)

/** BusyBox asks behind its prompt where the cursor is. */
const whereIsCursor = `${String.fromCharCode(27)}[6n`

/** A shell's prompt. */
export const prompt: Until = { pattern: /[#$] $/u, behind: whereIsCursor, answer: "exit\n" }
