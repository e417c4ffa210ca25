/**
 * What the cases of the conformance suite are made of.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { DockerError } from "../schema/DockerError.ts"
import type { HostConfig } from "../schema/HostConfig.ts"
import type { ContainerId, ExecId } from "../schema/Identifiers.ts"
import type { ByteSink, ProgramOutput } from "../services/ByteSink.ts"
import {
  type ContainerSpec,
  Docker,
  type ExecSpec,
  type ProgramStreams,
  type TerminalSize
} from "../services/Docker.ts"

/**
 * An engine, or the layer before it, does not do what this product needs.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConformanceError extends Schema.TaggedError<ConformanceError>("dockerrun/ConformanceError")(
  "ConformanceError",
  { claim: Schema.String, expected: Schema.Unknown, actual: Schema.Unknown }
) {
  override get message(): string {
    return `${this.claim}: expected ${JSON.stringify(this.expected)}, got ${JSON.stringify(this.actual)}`
  }
}

/**
 * What the suite finds on the engine and in a registry.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConformanceImages {
  /** On the engine: has `/bin/sh`, and `cat`, `echo`, `env`, `pwd`, `seq`, `sleep`, `stty`, `true` of POSIX. */
  readonly shell: string
  /** On the engine: has `/bin/sleep`, `/bin/cat` and `/bin/echo`, and no `/bin/sh`. */
  readonly withoutShell: string
  /** A path in `shell` that is there and cannot be executed. */
  readonly notExecutable: string
  /** What a registry offers, if the suite is to pull. */
  readonly pull?: {
    /** Can be pulled. It need not be on the engine. */
    readonly present: string
    /** The registry answers that it has no such image. */
    readonly missing: string
    /** Nobody listens at the registry. */
    readonly unreachable: string
  }
}

/**
 * One claim about an engine.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConformanceCase {
  readonly group: string
  readonly name: string
  /** Succeeds when the claim holds. It cleans up after itself. It runs on a clock that goes. */
  readonly check: Effect.Effect<void, ConformanceError | DockerError, Docker>
}

/**
 * What the cases need to know.
 *
 * @internal
 */
export interface Setting {
  readonly images: ConformanceImages
  readonly host: HostConfig
}

/** A case that takes longer than this has failed. */
const caseTimeout = Duration.seconds(20)

/**
 * @internal
 */
export const makeCase = (
  group: string,
  name: string,
  check: Effect.Effect<void, ConformanceError | DockerError, Docker | Scope.Scope>
): ConformanceCase => ({
  group,
  name,
  check: check.pipe(
    Effect.timeoutOrElse({
      duration: caseTimeout,
      orElse: () =>
        Effect.fail(
          new ConformanceError({ claim: "it ends in time", expected: Duration.format(caseTimeout), actual: "longer" })
        )
    }),
    Effect.scoped
  )
})

/**
 * @internal
 */
export const expectEqual = <A>(claim: string, actual: A, expected: A): Effect.Effect<void, ConformanceError> =>
  Equal.equals(actual, expected) ? Effect.void : Effect.fail(new ConformanceError({ claim, expected, actual }))

/**
 * @internal
 */
export const expectReason = <A, R>(
  claim: string,
  effect: Effect.Effect<A, DockerError, R>,
  ...expected: ReadonlyArray<DockerError["reason"]["_tag"]>
): Effect.Effect<DockerError, ConformanceError, R> =>
  Effect.matchEffect(effect, {
    onSuccess: () => Effect.fail(new ConformanceError({ claim, expected, actual: "success" })),
    onFailure: (error) =>
      expected.includes(error.reason._tag)
        ? Effect.succeed(error)
        : Effect.fail(new ConformanceError({ claim, expected, actual: `${error.reason._tag}: ${error.message}` }))
  })

/**
 * Asks again until it is so; the case's own time limit ends it.
 *
 * @internal
 */
export const until = <A, E, R>(ask: Effect.Effect<A, E, R>, isSo: (value: A) => boolean): Effect.Effect<A, E, R> =>
  ask.pipe(
    Effect.tap(() => Effect.sleep("20 millis")),
    Effect.repeat({ until: isSo })
  )

/**
 * A container that keeps running until INT or TERM; removed with the Scope.
 *
 * @internal
 */
export const idle = ["/bin/sh", "-c", "trap 'exit 0' INT TERM; while :; do sleep 1; done"] as const

/**
 * @internal
 */
export const uniqueName = (prefix: string) =>
  Effect.map(
    Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER),
    (number) => `dockerrun-conformance-${prefix}-${number.toString(36)}`
  )

/**
 * @internal
 */
export const makeContainer = Effect.fnUntraced(function* (
  setting: Setting,
  overrides: Partial<ContainerSpec["config"]> & {
    readonly name?: string
    readonly autoRemove?: boolean
  } = {}
) {
  const docker = yield* Docker
  const { autoRemove, name, ...config } = overrides
  const spec: ContainerSpec = {
    ...(name === undefined ? {} : { name }),
    config: { Image: setting.images.shell, Cmd: [...idle], ...config },
    host: { ...setting.host, ...(autoRemove === true ? { AutoRemove: true } : {}) },
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

/**
 * @internal
 */
export interface RunningExec {
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

/**
 * Runs in the background, begun at once.
 *
 * @internal
 */
export const begin = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.forkScoped(effect, { startImmediately: true }), Fiber.join)
