/** Real programs as child processes: always bounded by a deadline, always ended by their pid, never left behind. */
import { type ChildProcess, spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { closeSync, openSync } from "node:fs"
import { PassThrough, type Readable, type Writable } from "node:stream"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { within } from "./Deadline.ts"
import { HarnessError, harnessError } from "./HarnessError.ts"

/**
 * What the program reads: `"ignore"` is /dev/null, `"open"` a pipe that the test writes to and closes, text and bytes a
 * pipe that is closed after them, a stream likewise, a file the file itself.
 */
type Stdin = "ignore" | "open" | Uint8Array | Readable | { readonly text: string } | { readonly file: string }

export interface StartOptions {
  readonly stdin?: Stdin
  /** On top of this process's own environment; `undefined` takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly cwd?: string
}

export interface RunOptions extends StartOptions {
  /** In milliseconds, 30 000 unless told. */
  readonly deadline?: number
  /** False: only count and digest what comes on stdout, for volumes that need not be kept in memory. */
  readonly keepOutput?: boolean
}

export interface ProgramExit {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  /** Milliseconds from start to exit. */
  readonly elapsed: number
}

export interface ProgramResult extends ProgramExit {
  readonly stdout: string
  readonly stderr: string
  readonly bytes: Buffer
  readonly length: number
  readonly sha256: string
}

export interface RunningProgram {
  readonly pid: number
  readonly stdin: Writable
  readonly stdout: Readable
  readonly stderr: Readable
  /** Ends when the process has exited. */
  readonly exit: Effect.Effect<ProgramExit>
  /** Ends when the process has exited and its output has been read to the end. */
  readonly closed: Effect.Effect<ProgramExit>
  readonly hasExited: () => boolean
  /** To the process alone. A process that has exited already is left alone. */
  readonly kill: (signal: NodeJS.Signals) => Effect.Effect<void>
}

const feed = (stdin: Writable, source: Stdin): void => {
  // A program that ends without reading its input is no fault: what it wrote and its status tell the story.
  stdin.on("error", () => stdin.destroy())
  if (source === "ignore" || source === "open") return
  if (source instanceof Uint8Array) stdin.end(source)
  else if ("text" in source) stdin.end(source.text)
  else if ("pipe" in source) source.pipe(stdin)
}

const launch = (
  command: string,
  args: ReadonlyArray<string>,
  options: StartOptions
): Effect.Effect<RunningProgram, HarnessError> =>
  Effect.callback((resume) => {
    const stdin = options.stdin ?? "ignore"
    const fromFile = typeof stdin === "object" && "file" in stdin
    const file = fromFile ? openSync(stdin.file, "r") : undefined
    const started = performance.now()
    let ended: ProgramExit | undefined
    let closed = false
    const child: ChildProcess = spawn(command, args, {
      stdio: [file ?? (stdin === "ignore" ? "ignore" : "pipe"), "pipe", "pipe"],
      env: { ...process.env, ...options.env },
      // Its own session: no terminal of the person who runs the tests to ask for passwords, and a group of its own.
      detached: true,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd })
    })
    if (file !== undefined) closeSync(file)
    child.once("error", (cause) => {
      if (child.pid === undefined) resume(Effect.fail(harnessError(`starting ${command}`)(cause)))
    })
    child.once("exit", (status, signal) => {
      ended = { status, signal, elapsed: performance.now() - started }
    })
    child.once("close", () => {
      closed = true
    })
    child.once("spawn", () => {
      const { pid, stdout, stderr } = child
      if (pid === undefined || stdout === null || stderr === null) {
        resume(Effect.fail(new HarnessError({ operation: `starting ${command}`, detail: "no pid or no pipes" })))
        return
      }
      if (child.stdin !== null) feed(child.stdin, stdin)
      const on = (event: "exit" | "close", happened: () => boolean): Effect.Effect<ProgramExit> =>
        Effect.callback((resumeExit) => {
          const finish = () => {
            if (ended !== undefined) resumeExit(Effect.succeed(ended))
          }
          if (happened()) return finish()
          child.once(event, finish)
          return Effect.sync(() => child.off(event, finish))
        })
      resume(
        Effect.succeed({
          pid,
          stdin: child.stdin ?? new PassThrough().end(),
          stdout,
          stderr,
          exit: on("exit", () => ended !== undefined),
          closed: on("close", () => closed),
          hasExited: () => ended !== undefined,
          kill: (signal) =>
            Effect.sync(() => {
              if (ended === undefined) child.kill(signal)
            })
        })
      )
    })
  })

/** The process with everything that it started in its group; what has exited is not signalled, its pid may be another's. */
const killGroup = (program: RunningProgram): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (program.hasExited()) return Effect.void
    process.kill(-program.pid, "SIGKILL")
    return Effect.asVoid(program.exit)
  })

/** Starts a program that lives until it ends or the Scope closes. */
export const start = (
  command: string,
  args: ReadonlyArray<string>,
  options: StartOptions = {}
): Effect.Effect<RunningProgram, HarnessError, Scope.Scope> =>
  Effect.acquireRelease(launch(command, args, options), (program) =>
    Effect.andThen(killGroup(program), () => {
      program.stdin.destroy()
      program.stdout.destroy()
      program.stderr.destroy()
      return Effect.void
    })
  )

const collect = (stream: Readable, keep: boolean) => {
  const chunks: Array<Buffer> = []
  const digest = createHash("sha256")
  let length = 0
  stream.on("data", (chunk: Buffer) => {
    digest.update(chunk)
    length += chunk.length
    if (keep) chunks.push(chunk)
  })
  return { bytes: () => Buffer.concat(chunks), length: () => length, sha256: () => digest.digest("hex") }
}

/** Reads a running program's output to its end and waits for its exit; fails when the deadline passes first. */
export const finish = (
  program: RunningProgram,
  described: string,
  options: Pick<RunOptions, "deadline" | "keepOutput"> = {}
): Effect.Effect<ProgramResult, HarnessError> =>
  Effect.suspend(() => {
    const stdout = collect(program.stdout, options.keepOutput ?? true)
    const stderr = collect(program.stderr, true)
    return within(
      program.closed,
      options.deadline ?? 30_000,
      () =>
        `${described}\nstdout (${stdout.length()} bytes): ${stdout.bytes().subarray(-2_000).toString()}\nstderr: ${stderr.bytes().toString()}\n`
    ).pipe(
      Effect.map((exit) => ({
        ...exit,
        stdout: stdout.bytes().toString(),
        stderr: stderr.bytes().toString(),
        bytes: stdout.bytes(),
        length: stdout.length(),
        sha256: stdout.sha256()
      }))
    )
  })

/** Runs a program to its end. Any status is a result; only a program that cannot start, or does not end, is a failure. */
export const run = (
  command: string,
  args: ReadonlyArray<string>,
  options: RunOptions = {}
): Effect.Effect<ProgramResult, HarnessError> =>
  Effect.scoped(
    Effect.flatMap(start(command, args, options), (program) => finish(program, `${command} ${args.join(" ")}`, options))
  )

/** Runs a program that must succeed, and returns what it printed. */
export const output = (
  command: string,
  args: ReadonlyArray<string>,
  options: RunOptions = {}
): Effect.Effect<string, HarnessError> =>
  Effect.flatMap(run(command, args, options), (result) =>
    result.status === 0
      ? Effect.succeed(result.stdout)
      : Effect.fail(
          new HarnessError({
            operation: `${command} ${args.join(" ")}`,
            detail: `status ${result.status ?? result.signal}: ${result.stderr.trim()}`
          })
        )
  )
