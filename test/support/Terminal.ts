/**
 * A person at a terminal: the OpenSSH client on a real pseudo-terminal, which util-linux's `script` provides. What is
 * sent goes in as if typed, escape sequences such as `~.` included; what is expected is looked for in what the person
 * would see.
 */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { waitFor, within } from "./Deadline.ts"
import { type HarnessError, harnessError } from "./HarnessError.ts"
import { passwordEnvironment, sshArguments, type SshRequest } from "./OpenSsh.ts"
import { output, type ProgramExit, start } from "./Program.ts"
import { temporaryDirectory } from "./TemporaryDirectory.ts"

export interface TerminalOptions extends SshRequest {
  /** 80 unless told. */
  readonly columns?: number
  /** 24 unless told. */
  readonly rows?: number
  /** How else the person's terminal is set, in words of `stty`. */
  readonly stty?: string
}

export interface Terminal {
  /** The pid of the ssh itself. */
  readonly sshPid: number
  /** Types text; `\r` is the Enter key. */
  readonly send: (text: string) => Effect.Effect<void>
  /**
   * Waits until the pattern appears in what came after the last match, and returns the match. Deadline in milliseconds,
   * 15 000 unless told.
   */
  readonly expect: (pattern: RegExp, deadline?: number) => Effect.Effect<RegExpExecArray, HarnessError>
  /** Makes the person's window another size; ssh is told as a window manager would tell it. */
  readonly resize: (columns: number, rows: number) => Effect.Effect<void, HarnessError>
  /** Everything that was seen so far. */
  readonly output: () => string
  /** Waits for ssh to end. */
  readonly exit: (deadline?: number) => Effect.Effect<ProgramExit, HarnessError>
  /** To the ssh itself. */
  readonly kill: (signal: NodeJS.Signals) => Effect.Effect<void, HarnessError>
}

const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`

/** Opens a terminal with an ssh in it. It ends with the Scope. */
export const openTerminal = (options: TerminalOptions): Effect.Effect<Terminal, HarnessError, Scope.Scope> =>
  Effect.gen(function* () {
    const pidFile = join(yield* temporaryDirectory, "pid")
    const env = yield* passwordEnvironment(options)
    const line = ["ssh", ...sshArguments(options)].map(quoted).join(" ")
    const size = `stty cols ${options.columns ?? 80} rows ${options.rows ?? 24} ${options.stty ?? ""}`
    // The rename makes the pid appear whole or not at all. `exec` keeps it for ssh.
    const announce = `echo $$ >${pidFile}.new && mv ${pidFile}.new ${pidFile}`
    const program = yield* start("script", ["-qefc", `${size}; ${announce}; exec ${line}`, "/dev/null"], {
      stdin: "open",
      env: { TERM: "xterm-256color", SHELL: "/bin/sh", ...env, ...options.env }
    })

    let seen = ""
    let matched = 0
    const decoder = new TextDecoder()
    const see = (chunk: Buffer): void => {
      seen += decoder.decode(chunk, { stream: true })
    }
    program.stdout.on("data", see)
    program.stderr.on("data", see)

    const sshPid = yield* waitFor(
      "ssh on its terminal",
      Effect.promise(() =>
        readFile(pidFile, "utf8").then(
          (text) => Number.parseInt(text, 10),
          () => undefined
        )
      )
    )

    return {
      sshPid,
      send: (text) => Effect.sync(() => void program.stdin.write(text)),
      expect: (pattern, deadline = 15_000) => {
        // A sticky or global pattern would keep its own place in the text.
        const plain = new RegExp(pattern.source, pattern.flags.replace(/[gy]/gu, ""))
        return waitFor(
          `${String(pattern)} on the terminal`,
          Effect.sync(() => {
            const match = plain.exec(seen.slice(matched))
            if (match === null) return undefined
            matched += match.index + match[0].length
            return match
          }),
          deadline
        ).pipe(
          Effect.mapError((error) =>
            harnessError(error.operation)(
              `${error.detail}; seen since the last match: ${JSON.stringify(seen.slice(matched))}`
            )
          )
        )
      },
      // The kernel sends SIGWINCH to the foreground process of the terminal, which is ssh.
      resize: (columns, rows) =>
        Effect.asVoid(output("stty", ["-F", `/proc/${sshPid}/fd/0`, "cols", String(columns), "rows", String(rows)])),
      output: () => seen,
      exit: (deadline = 15_000) =>
        within(program.closed, deadline, () => `waiting for ssh to end; seen so far: ${JSON.stringify(seen)}`),
      kill: (signal) =>
        Effect.try({
          try: () => {
            if (!program.hasExited()) process.kill(sshPid, signal)
          },
          catch: harnessError(`sending ${signal} to ssh`)
        })
    }
  })
