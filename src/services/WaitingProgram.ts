/**
 * A shell that was started in a container ahead of time, and becomes the next program there in a fraction of the time
 * that it takes an engine to start one.
 *
 * It is made so that nobody can tell the difference: the program has the waiting shell's place, as the first process of
 * an exec, and all else that the engine gave to it. Where that cannot be said for certain, there is no hand-over, and
 * the program is started as any other.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import type { DockerError } from "../schema/DockerError.ts"
import type { ContainerId, ExecId } from "../schema/Identifiers.ts"
import type { ProgramOutput } from "./ByteSink.ts"
import * as Conversation from "./Conversation.ts"
import { Docker, type ProgramStreams, type TerminalSize } from "./Docker.ts"
import * as Signal from "./Signal.ts"
import * as WaitingShell from "./WaitingShell.ts"

/**
 * What a waiting shell may be asked to become.
 *
 * @since 0.1.0
 * @category models
 */
export interface WantedProgram {
  readonly command: readonly [string, ...ReadonlyArray<string>]
  readonly env: Readonly<Record<string, string>>
  /** Absent: no terminal. */
  readonly terminal?: TerminalSize
  /** How the terminal is to behave, in the words of `stty`. */
  readonly modes?: ReadonlyArray<string>
  /** Default: the container's own. */
  readonly user?: string
  /** Default: the container's own. */
  readonly workingDirectory?: string
}

/**
 * How a hand-over went. `Refused`: the shell did not become the program and has ended. `Silent`: it has not answered in
 * time, and may still become the program.
 *
 * @since 0.1.0
 * @category models
 */
export type HandOver =
  | { readonly _tag: "Begun"; readonly streams: ProgramStreams }
  | { readonly _tag: "Refused" }
  | { readonly _tag: "Silent"; readonly begun: () => ProgramStreams | undefined }

/**
 * @since 0.1.0
 * @category models
 */
export interface WaitingProgram {
  readonly exec: ExecId
  /** Marks its processes, as that of any program. */
  readonly programId: string
  /** Who it is; absent: the container's own user. */
  readonly user: string | undefined
  /** Owns the streams. To be closed by whoever takes it. */
  readonly scope: Scope.Closeable
  /** Whether the shell is still there, as far as its streams say. */
  readonly isWaiting: () => boolean
  /** The line for this shell, when it can become the program. */
  readonly lineFor: (wanted: WantedProgram) => Option.Option<string>
  /** Has it become the program. To be asked once. */
  readonly handOver: (
    line: string,
    size: TerminalSize | undefined,
    output: ProgramOutput
  ) => Effect.Effect<HandOver, never, Docker>
}

/**
 * What is to wait, and where.
 *
 * @since 0.1.0
 * @category models
 */
export interface WaitingProgramOptions {
  readonly container: ContainerId
  readonly shell: string
  readonly tty: boolean
  /** The terminal's size until the program says another. */
  readonly size: TerminalSize
  readonly user: string | undefined
  /** The container's; absent: as the shell finds it. */
  readonly workingDirectory: string | undefined
  /** What it will probably be asked to become, besides the shell itself. */
  readonly programs: ReadonlyArray<string>
  /** Whether the program has run in another container of the image in the meantime. */
  readonly isProven: (program: string) => boolean
}

/** A shell that does not answer for so long will not. */
const answerTime = "10 seconds"

const utf8 = new TextEncoder()

const token = Effect.map(
  Effect.all([Random.nextIntBetween(0, 2 ** 32), Random.nextIntBetween(0, 2 ** 32)]),
  (numbers) => `dockerrun${numbers.map((number) => number.toString(36).padStart(7, "0")).join("")}`
)

/** Functions that take the place of builtins, a file that is read first, options: with these a shell is another one. */
const changesShell = /^(?:BASH_|BASHOPTS$|SHELLOPTS$)/u

/** What the shell was given as its environment; `None` when it cannot be known to the letter. */
const environment = (bytes: Uint8Array, tty: boolean): Option.Option<ReadonlyArray<string>> => {
  if (bytes.at(-1) !== 0) return Option.none()
  // A terminal makes CR LF of the ends of lines.
  if (tty && bytes.includes(10)) return Option.none()
  try {
    const variables = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes).split("\0").slice(0, -1)
    const names = variables.map((variable) => variable.slice(0, Math.max(0, variable.indexOf("="))))
    // `env` takes no empty name, and of two variables with one name it keeps the last.
    if (names.includes("") || new Set(names).size < names.length) return Option.none()
    return names.some((name) => changesShell.test(name)) ? Option.none() : Option.some(variables)
  } catch (cause) {
    if (cause instanceof TypeError) return Option.none()
    throw cause
  }
}

/** Puts the words together to lines that are no longer than may be. */
const keepLines = (variables: ReadonlyArray<string>, tty: boolean): Option.Option<ReadonlyArray<string>> => {
  const lines: Array<string> = []
  let quoted = ""
  for (const variable of variables) {
    const word = Option.getOrUndefined(WaitingShell.words([variable], tty))
    if (word === undefined || utf8.encode(WaitingShell.keep(word)).length > WaitingShell.longestLine) {
      return Option.none()
    }
    const longer = `${quoted} ${word}`
    if (utf8.encode(WaitingShell.keep(longer)).length > WaitingShell.longestLine) {
      lines.push(WaitingShell.keep(quoted))
      quoted = word
    } else quoted = longer
  }
  return Option.some([...lines, WaitingShell.keep(quoted)])
}

/**
 * Starts a shell in the container and makes sure that it is one that can become another program. `None` when it is not.
 *
 * It ends with its `scope`, which closes with the Scope of the container at the latest.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (
  options: WaitingProgramOptions
): Effect.fn.Return<Option.Option<WaitingProgram>, DockerError, Docker | Scope.Scope> {
  const { container, shell, size, tty, user } = options
  const docker = yield* Docker
  const scope = yield* Scope.fork(yield* Effect.scope)
  const programId = yield* token
  const conversation = Conversation.make()
  const hello = yield* token
  const goodbye = yield* token
  const end = yield* token
  const ready = yield* token
  const begin = yield* token
  let isWaiting = true

  const start = Effect.gen(function* () {
    const exec = yield* docker.createExec(container, {
      command: WaitingShell.command(shell),
      env: [`${Signal.marker}=${programId}`],
      tty,
      ...(tty ? { size } : {}),
      ...(user === undefined ? {} : { user })
    })
    const streams = yield* docker.startExec(exec, {
      tty,
      output: conversation.output,
      ...(tty ? { size } : {})
    })
    const ended = Effect.exit(streams.ended)
    yield* ended.pipe(
      Effect.tap(() => {
        isWaiting = false
        return Effect.void
      }),
      Effect.forkScoped({ startImmediately: true })
    )
    /** What it says up to the token, unless it ends or says nothing for long. */
    const answer = (upTo: string) =>
      Effect.raceFirst(Effect.asSome(conversation.hear(upTo)), Effect.as(ended, Option.none<Uint8Array>())).pipe(
        Effect.timeoutOption(answerTime),
        Effect.map(Option.flatten)
      )
    const send = (line: string) => streams.stdin.write(utf8.encode(`${line}\n`))

    send(
      `${WaitingShell.introduction({ shell, tty, programs: options.programs, tokens: { hello, goodbye, end } })}${tty ? "" : `\n${WaitingShell.nextLine}`}`
    )
    const dump = Option.flatMap(Option.andThen(yield* answer(hello), yield* answer(goodbye)), (bytes) =>
      environment(bytes, tty)
    )
    const base = Option.flatMap(dump, (variables) => keepLines(variables, tty))
    const facts = yield* answer(end)
    if (Option.isNone(base) || Option.isNone(facts)) return Option.none()
    const known = new TextDecoder().decode(facts.value).split(/\r?\n/u).slice(0, -1)
    if (!tty && known.pop() !== WaitingShell.nextLine) return Option.none()
    for (const line of base.value) send(line)
    send(WaitingShell.confirm(ready))
    if (Option.isNone(yield* answer(ready))) return Option.none()
    return Option.some({ exec, streams, ended, send, known: new Set([shell, ...known]) })
  })

  const started = yield* start.pipe(
    Scope.provide(scope),
    Effect.onExit((exit) =>
      Exit.isSuccess(exit) && Option.isSome(exit.value) ? Effect.void : Scope.close(scope, Exit.void)
    )
  )
  return Option.map(started, ({ ended, exec, known, send, streams }): WaitingProgram => ({
    exec,
    programId,
    user,
    scope,
    isWaiting: () => isWaiting,
    lineFor: ({ command, env, modes, workingDirectory = options.workingDirectory, ...wanted }) => {
      const [program] = command
      if (wanted.user !== user) return Option.none()
      // `env` would take it for a variable.
      const isKnown = known.has(program)
      if (!(isKnown || options.isProven(program)) || program.includes("=") || Object.hasOwn(env, "")) {
        return Option.none()
      }
      // The name that the terminal has in the container the shell can tell.
      const isNamed = tty && Object.hasOwn(env, "SSH_TTY")
      const sent = Object.entries(env).filter(([name]) => !isNamed || name !== "SSH_TTY")
      const variables = sent.map(([name, value]) => `${name}=${value}`)
      return WaitingShell.words([...variables, ...command], tty).pipe(
        Option.map((quoted) =>
          WaitingShell.become({ token: begin, program, isKnown, workingDirectory, quoted, modes: modes ?? [], isNamed })
        ),
        Option.filter((line) => utf8.encode(line).length <= WaitingShell.longestLine)
      )
    },
    handOver: Effect.fnUntraced(function* (line, wantedSize, output) {
      if (wantedSize !== undefined && !WaitingShell.isSameSize(size, wantedSize)) {
        yield* Effect.ignore(docker.resizeExec(exec, wantedSize), {
          log: "Debug",
          message: "the first size of a terminal could not be set"
        })
      }
      const begun = () => (conversation.isHandedOver() ? streams : undefined)
      const begins = conversation.handOver(begin, output)
      send(line)
      const isOver = yield* Effect.raceFirst(begins, ended).pipe(Effect.timeoutOption(answerTime))
      if (begun() !== undefined) return { _tag: "Begun", streams }
      return Option.isSome(isOver) ? { _tag: "Refused" } : { _tag: "Silent", begun }
    })
  }))
})
