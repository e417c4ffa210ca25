/**
 * A short program of the server's own in a container: it is run to its end, and what it wrote is kept.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { DockerError } from "../schema/DockerError.ts"
import type { ContainerId } from "../schema/Identifiers.ts"
import type { ByteSink } from "./ByteSink.ts"
import { Docker } from "./Docker.ts"

/**
 * How a program ended, and what it wrote.
 *
 * @since 0.1.0
 * @category models
 */
export interface CommandResult {
  readonly exitStatus: number
  readonly stdout: Uint8Array
  /** The beginning of it: a few lines for a log or an error. */
  readonly stderr: string
  /** Whether there was more on standard output than was kept. */
  readonly isCut: boolean
}

const stderrLimit = 4_096

/** Keeps the first bytes and drops the rest. */
const keep = (limit: number) => {
  const chunks: Array<Uint8Array> = []
  let kept = 0
  let isCut = false
  const sink: ByteSink = {
    write: (chunk) => {
      const part = chunk.subarray(0, limit - kept)
      isCut ||= part.length < chunk.length
      // The bytes may be overwritten as soon as this returns.
      if (part.length > 0) chunks.push(part.slice())
      kept += part.length
      return true
    },
    end: () => {},
    onDrain: () => {}
  }
  const bytes = (): Uint8Array => {
    const whole = new Uint8Array(kept)
    let at = 0
    for (const chunk of chunks) {
      whole.set(chunk, at)
      at += chunk.length
    }
    return whole
  }
  return { sink, bytes, isCut: () => isCut }
}

/** The engine may take a moment longer than the output to know how a program ended. */
const statusAgain = Schedule.min([Schedule.exponential("2 millis"), Schedule.spaced("100 millis")])

/**
 * Runs a program without input. Standard output is kept up to `limit` bytes (1 MiB unless told). Fails with the engine's
 * error, among them `ProgramNotStarted` when there is no such program. There is no end to it while the program runs: set
 * a deadline around it.
 *
 * @since 0.1.0
 * @category operations
 */
export const run = Effect.fnUntraced(function* (
  container: ContainerId,
  options: {
    readonly command: readonly [string, ...ReadonlyArray<string>]
    readonly user?: string | undefined
    readonly limit?: number
  }
): Effect.fn.Return<CommandResult, DockerError, Docker> {
  const docker = yield* Docker
  const stdout = keep(options.limit ?? 1_048_576)
  const stderr = keep(stderrLimit)
  const exec = yield* docker.createExec(container, {
    command: options.command,
    env: [],
    tty: false,
    ...(options.user === undefined ? {} : { user: options.user })
  })
  yield* Effect.scoped(
    Effect.gen(function* () {
      const streams = yield* docker.startExec(exec, {
        tty: false,
        output: { stdout: stdout.sink, stderr: stderr.sink }
      })
      streams.stdin.end()
      yield* streams.ended
    })
  )
  const { exitCode } = yield* docker.inspectExec(exec).pipe(
    Effect.repeat({
      schedule: statusAgain,
      while: ({ exitCode, running }) => running || exitCode === undefined
    })
  )
  return {
    exitStatus: exitCode ?? 0,
    stdout: stdout.bytes(),
    stderr: new TextDecoder().decode(stderr.bytes()),
    isCut: stdout.isCut()
  }
})
