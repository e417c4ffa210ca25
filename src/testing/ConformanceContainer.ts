/**
 * The containers and programs with which the conformance suite tries an engine out.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Random from "effect/Random"
import type { DockerError } from "../schema/DockerError.ts"
import type { ContainerId, ExecId } from "../schema/Identifiers.ts"
import type { ByteSink, ProgramOutput } from "../services/ByteSink.ts"
import {
  type ContainerSpec,
  Docker,
  type ExecSpec,
  type ProgramStreams,
  type TerminalSize
} from "../services/Docker.ts"
import { type Setting, until } from "./Conformance.ts"

/** Keeps running until INT or TERM. */
const idle = ["/bin/sh", "-c", "trap 'exit 0' INT TERM; while :; do sleep 1; done"] as const

/**
 * @internal
 */
export const uniqueName = (prefix: string) =>
  Effect.map(
    Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER),
    (number) => `dockerrun-conformance-${prefix}-${number.toString(36)}`
  )

/**
 * A container that is removed with the Scope.
 *
 * @internal
 */
export const makeContainer = Effect.fnUntraced(function* (
  setting: Setting,
  overrides: Partial<ContainerSpec["config"]> & {
    readonly name?: string
    readonly autoRemove?: boolean
    readonly mounts?: ContainerSpec["host"]["Mounts"]
  } = {}
) {
  const docker = yield* Docker
  const { autoRemove, mounts, name, ...config } = overrides
  const spec: ContainerSpec = {
    ...(name === undefined ? {} : { name }),
    config: { Image: setting.images.shell, Cmd: [...idle], ...config },
    host: {
      ...setting.host,
      ...(autoRemove === true ? { AutoRemove: true } : {}),
      ...(mounts === undefined ? {} : { Mounts: mounts })
    },
    network: {}
  }
  return yield* Effect.acquireRelease(docker.createContainer(spec), (id) =>
    docker.removeContainer(id).pipe(
      Effect.catchReason("DockerError", "NotFound", () => Effect.void),
      Effect.catchReason("DockerError", "Conflict", () => Effect.ignore(docker.waitContainer(id, "removed"))),
      Effect.ignore({ log: "Warn", message: "a container of the conformance suite was not removed" })
    )
  )
})

/**
 * @internal
 */
export const runContainer = Effect.fnUntraced(function* (
  setting: Setting,
  overrides: Parameters<typeof makeContainer>[1] = {}
) {
  const docker = yield* Docker
  const id = yield* makeContainer(setting, overrides)
  yield* docker.startContainer(id)
  return id
})

/**
 * What a program wrote, as text.
 *
 * @internal
 */
export interface Collected {
  readonly output: ProgramOutput
  readonly stdout: () => string
  readonly stderr: () => string
  /** Waits until standard output holds the text. */
  readonly awaitText: (text: string) => Effect.Effect<void>
}

/**
 * @internal
 */
export const collect = (): Collected => {
  let waiting: ReadonlyArray<{ readonly text: string; readonly done: Deferred.Deferred<void> }> = []
  const sink = (onText: () => void) => {
    const decoder = new TextDecoder()
    let text = ""
    const byteSink: ByteSink = {
      write: (chunk) => {
        text += decoder.decode(chunk, { stream: true })
        onText()
        return true
      },
      end: () => {},
      onDrain: () => {}
    }
    return { byteSink, text: () => text }
  }
  const stdout = sink(() => {
    const met = waiting.filter(({ text }) => stdout.text().includes(text))
    // First: whoever is told may wait for the next text at once.
    waiting = waiting.filter((one) => !met.includes(one))
    for (const { done } of met) Deferred.doneUnsafe(done, Effect.void)
  })
  const stderr = sink(() => {})
  return {
    output: { stdout: stdout.byteSink, stderr: stderr.byteSink },
    stdout: stdout.text,
    stderr: stderr.text,
    awaitText: (text) =>
      Effect.suspend(() => {
        if (stdout.text().includes(text)) return Effect.void
        const done = Deferred.makeUnsafe<void>()
        waiting = [...waiting, { text, done }]
        return Deferred.await(done)
      })
  }
}

/**
 * A sink that takes one chunk and then nothing until it is told to go on.
 *
 * @internal
 */
export const makeSlowSink = () => {
  let bytes = 0
  let drain = () => {}
  let isOpen = false
  const started = Latch.makeUnsafe(false)
  const sink: ByteSink = {
    write: (chunk) => {
      bytes += chunk.byteLength
      started.openUnsafe()
      return isOpen
    },
    end: () => {},
    onDrain: (callback) => {
      drain = callback
    }
  }
  return {
    sink,
    started: started.await,
    bytes: () => bytes,
    go: Effect.sync(() => {
      isOpen = true
      drain()
    })
  }
}

interface RunningExec {
  readonly id: ExecId
  readonly streams: ProgramStreams
  readonly collected: Collected
  /** Waits for the end of the output, and for the exit status. */
  readonly status: Effect.Effect<number | undefined, DockerError>
}

const text = new TextEncoder()

/**
 * Writes a text to a program's input.
 *
 * @internal
 */
export const type = (streams: ProgramStreams, words: string): Effect.Effect<void> =>
  Effect.sync(() => void streams.stdin.write(text.encode(words)))

/**
 * @internal
 */
export const startExec = Effect.fnUntraced(function* (
  container: ContainerId,
  command: ExecSpec["command"],
  options: {
    readonly env?: ReadonlyArray<string>
    readonly size?: TerminalSize
    readonly workingDirectory?: string
    readonly output?: ProgramOutput
  } = {}
) {
  const docker = yield* Docker
  const { env = [], output, size, workingDirectory } = options
  const tty = size !== undefined
  const collected = collect()
  const id = yield* docker.createExec(container, {
    command,
    env,
    tty,
    ...(workingDirectory === undefined ? {} : { workingDirectory })
  })
  const streams = yield* docker.startExec(id, {
    tty,
    output: output ?? collected.output,
    ...(size === undefined ? {} : { size })
  })
  const running: RunningExec = {
    id,
    streams,
    collected,
    status: Effect.andThen(
      streams.ended,
      until(docker.inspectExec(id), (info) => !info.running && info.exitCode !== undefined)
    ).pipe(Effect.map((info) => info.exitCode))
  }
  return running
})

/**
 * Runs a line of the shell to its end, with an empty input.
 *
 * @internal
 */
export const shell = Effect.fnUntraced(function* (container: ContainerId, line: string) {
  const exec = yield* startExec(container, ["/bin/sh", "-c", line])
  exec.streams.stdin.end()
  const status = yield* exec.status
  return { status, stdout: exec.collected.stdout(), stderr: exec.collected.stderr() }
})
