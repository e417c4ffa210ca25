/**
 * The operations on execs (Engine API, `/exec`).
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { ContainerId, ExecId } from "../../schema/Identifiers.ts"
import type { Docker, TerminalSize } from "../../services/Docker.ts"
import type { ApiNegotiation } from "./ApiNegotiation.ts"
import * as ApiVersion from "./ApiVersion.ts"
import * as Answers from "./EngineAnswers.ts"
import { decodeWith, type EngineClient } from "./EngineClient.ts"
import * as ExecStart from "./ExecStart.ts"
import * as SizedShell from "./SizedShell.ts"

const decodeCreated = decodeWith(Schema.fromJsonString(Answers.ExecCreated))
const decodeExec = decodeWith(Schema.fromJsonString(Answers.ExecInspect))

/** The program and its terminal, as this version of the API can say it. */
const terminal = (version: string, { command, modes, size, tty }: Parameters<Docker["Service"]["createExec"]>[1]) => {
  if (!tty) return { Cmd: command }
  return size !== undefined && ApiVersion.isAtLeast(version, ExecStart.sizeAtStart)
    ? { Cmd: SizedShell.command(command, undefined, modes), ConsoleSize: [size.rows, size.columns] }
    : { Cmd: SizedShell.command(command, size, modes) }
}

const execPath = (version: string, id: ExecId) => `/v${version}/exec/${encodeURIComponent(id)}`

/** The size that a program is to start with, until the engine takes it. */
interface FirstSize {
  size: TerminalSize
  readonly isOver: Deferred.Deferred<void>
}

/** An engine refuses to resize a program that it is still starting, so it is asked again, for about two seconds. */
const resizeAgain = Schedule.exponential("5 millis", 1.5).pipe(Schedule.upTo({ duration: "2 seconds" }))

/**
 * @internal
 */
export const make = (client: EngineClient, { withVersion }: ApiNegotiation) => {
  const createExec = Effect.fn("Docker.createExec")(function* (
    id: ContainerId,
    spec: Parameters<Docker["Service"]["createExec"]>[1]
  ) {
    const operation = "create exec"
    const answer = yield* withVersion((version) =>
      client.send({
        operation,
        method: "POST",
        path: `/v${version}/containers/${encodeURIComponent(id)}/exec`,
        body: {
          AttachStdin: true,
          AttachStdout: true,
          AttachStderr: true,
          Tty: spec.tty,
          ...terminal(version, spec),
          Env: spec.env,
          ...(spec.user === undefined ? {} : { User: spec.user }),
          ...(spec.workingDirectory === undefined ? {} : { WorkingDir: spec.workingDirectory })
        }
      })
    )
    return (yield* decodeCreated(operation, answer)).Id
  })

  const sendSize = (id: ExecId, size: TerminalSize) =>
    withVersion((version) =>
      client.send({
        operation: "resize exec",
        method: "POST",
        path: `${execPath(version, id)}/resize`,
        query: { h: size.rows, w: size.columns }
      })
    ).pipe(Effect.asVoid)

  const firstSizes = new Map<ExecId, FirstSize>()
  /** Has the program learn its first size, or the one that it has got in the meantime. */
  const setFirstSize = (id: ExecId, size: TerminalSize) =>
    Effect.suspend(() => {
      const first: FirstSize = { size, isOver: Deferred.makeUnsafe() }
      firstSizes.set(id, first)
      return Effect.suspend(() => Effect.as(sendSize(id, first.size), first.size)).pipe(
        Effect.retry(resizeAgain),
        Effect.repeat({ until: (sent) => sent === first.size }),
        // The program may be over already, and its size is then nobody's concern.
        Effect.ignore({ log: "Debug", message: "the first size of a terminal could not be set" }),
        Effect.ensuring(
          Effect.suspend(() => {
            firstSizes.delete(id)
            return Deferred.succeed(first.isOver, undefined)
          })
        )
      )
    })

  const resizeExec = Effect.fn("Docker.resizeExec")(function* (id: ExecId, size: TerminalSize) {
    const first = firstSizes.get(id)
    if (first !== undefined) {
      // Else the first size, which is asked for until the engine takes it, might come last.
      first.size = size
      yield* Deferred.await(first.isOver)
    }
    yield* sendSize(id, size)
  })

  const readExec = Effect.fnUntraced(function* (id: ExecId) {
    const operation = "inspect exec"
    const answer = yield* withVersion((version) =>
      client.send({ operation, method: "GET", path: `${execPath(version, id)}/json` })
    )
    return yield* decodeExec(operation, answer)
  })

  const inspectExec = Effect.fn("Docker.inspectExec")(function* (id: ExecId) {
    const exec = yield* readExec(id)
    // Engines give an exit code to a program that runs, too, and Podman to one that nobody has started.
    const isOver = !exec.Running && !ExecStart.isNotBegun(exec)
    return {
      running: exec.Running,
      pid: exec.Pid ?? 0,
      ...(isOver && typeof exec.ExitCode === "number" ? { exitCode: exec.ExitCode } : {})
    }
  })

  const startExec = Effect.fn("Docker.startExec")(function* (
    id: ExecId,
    options: Parameters<Docker["Service"]["startExec"]>[1]
  ) {
    return yield* withVersion((version) =>
      ExecStart.start({
        client,
        version,
        operation: "start exec",
        id,
        tty: options.tty,
        size: options.size,
        output: options.output,
        inspect: readExec(id),
        setFirstSize: (size) => setFirstSize(id, size)
      })
    )
  })

  return { createExec, startExec, resizeExec, inspectExec }
}
