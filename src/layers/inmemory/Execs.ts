/**
 * Programs that are started in containers.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { Conflict, type DockerErrorReason, NotFound, ProgramNotStarted } from "../../schema/DockerError.ts"
import { ExecId } from "../../schema/Identifiers.ts"
import { discard, type ProgramOutput } from "../../services/ByteSink.ts"
import type { ExecInfo, ExecSpec, ProgramStreams, TerminalSize } from "../../services/Docker.ts"
import type { ExecRecord } from "../../services/InMemoryEngine.ts"
import { type BreakPoint, failure } from "./Calls.ts"
import type { ClientStream } from "./ClientStream.ts"
import type { Container, Containers } from "./Containers.ts"
import type * as Process from "./Process.ts"

interface Exec {
  readonly id: ExecId
  readonly container: Container
  readonly spec: ExecSpec
  process: Process.Process | undefined
  state: "created" | "running" | "ended"
  exitCode: number | undefined
  size: TerminalSize | undefined
}

/** Opens the way to a client; it closes with the caller's Scope. */
type OpenStream = (
  output: ProgramOutput,
  breakPoint: BreakPoint | undefined,
  onClosed: () => void
) => Effect.Effect<ClientStream, never, Scope.Scope>

/**
 * @internal
 */
export interface Execs {
  readonly create: (container: string, spec: ExecSpec) => Effect.Effect<ExecId, DockerErrorReason>
  readonly start: (
    id: ExecId,
    options: { readonly size?: TerminalSize; readonly output: ProgramOutput },
    breakPoint: BreakPoint | undefined
  ) => Effect.Effect<ProgramStreams, DockerErrorReason, Scope.Scope>
  readonly resize: (id: ExecId, size: TerminalSize) => Effect.Effect<void, DockerErrorReason>
  readonly inspect: (id: ExecId) => Effect.Effect<ExecInfo, DockerErrorReason>
  readonly list: () => ReadonlyArray<ExecRecord>
}

const info = (exec: Exec): ExecInfo => ({
  running: exec.state === "running",
  pid: exec.process?.pid ?? 0,
  ...(exec.state === "running" || exec.exitCode === undefined ? {} : { exitCode: exec.exitCode })
})

/**
 * @internal
 */
export const make = (options: {
  readonly containers: Containers
  readonly openStream: OpenStream
  readonly exitDelay: Duration.Input | undefined
  readonly scope: Scope.Scope
}): Execs => {
  const { containers } = options
  const execs = new Map<string, Exec>()
  let created = 0

  containers.onRemoved((container) => {
    for (const exec of execs.values()) if (exec.container === container) execs.delete(exec.id)
  })

  const find = (id: ExecId): Effect.Effect<Exec, NotFound> => {
    const exec = execs.get(id)
    return exec === undefined
      ? Effect.fail(new NotFound({ message: `No such exec instance: ${id}` }))
      : Effect.succeed(exec)
  }

  const know = (exec: Exec, status: number) => {
    exec.state = "ended"
    exec.exitCode = status
    containers.publish(exec.container, "exec_die", { execID: exec.id, exitCode: String(status) })
  }

  return {
    create: Effect.fnUntraced(function* (containerId, spec) {
      const container = yield* containers.running(containerId)
      created += 1
      const id = ExecId.make(created.toString(16).padStart(12, "0").padEnd(64, "e"))
      execs.set(id, {
        id,
        container,
        spec,
        process: undefined,
        state: "created",
        exitCode: undefined,
        size: undefined
      })
      containers.publish(container, `exec_create: ${spec.command.join(" ")}`, { execID: id })
      return id
    }),
    start: Effect.fnUntraced(function* (id, { output, size }, breakPoint) {
      const exec = yield* find(id)
      const { container, spec } = exec
      if (exec.state !== "created") {
        return yield* new Conflict({ message: `Error: Exec command ${id} has already run` })
      }
      yield* containers.running(container.id)
      containers.publish(container, `exec_start: ${spec.command.join(" ")}`, { execID: id })
      const program = yield* containers.program(container, spec.command, spec.workingDirectory)
      if (program instanceof ProgramNotStarted) {
        exec.state = "ended"
        exec.exitCode = program.exitCode
        // An engine may open the stream before it knows: the caller learns it in one place.
        return { stdin: discard, ended: Effect.fail(failure("startExec", program)) }
      }
      // The engine takes a client that has gone for the end of the input.
      const client = yield* options.openStream(output, breakPoint, () => exec.process?.stdin.end())
      exec.size = spec.tty ? (size ?? { columns: 80, rows: 24 }) : undefined
      const process = yield* containers.run(container, {
        arguments: spec.command,
        program,
        env: spec.env,
        user: spec.user,
        workingDirectory: spec.workingDirectory,
        size: exec.size,
        write: client.write,
        echo: client.writeUnsafe
      })
      exec.process = process
      exec.state = "running"
      const context = yield* Effect.context()
      process.onExit((status) => {
        if (options.exitDelay === undefined) {
          know(exec, status)
          client.end()
          return
        }
        client.end()
        const later = Effect.andThen(
          Effect.sleep(options.exitDelay),
          Effect.sync(() => know(exec, status))
        )
        Fiber.runIn(Effect.runForkWith(context)(later), options.scope)
      })
      // A connection that is gone takes nothing.
      const stdin: ProgramStreams["stdin"] = {
        ...process.stdin,
        write: (chunk) => !client.isOpen() || process.stdin.write(chunk)
      }
      return { stdin, ended: client.ended }
    }),
    resize: Effect.fnUntraced(function* (id, size) {
      const exec = yield* find(id)
      yield* containers.running(exec.container.id)
      if (exec.state !== "running") {
        return yield* new Conflict({ message: `Exec ${id} is not running` })
      }
      if (!exec.spec.tty) return
      exec.size = size
      exec.process?.resize(size)
    }),
    inspect: (id) => Effect.map(find(id), info),
    list: () =>
      [...execs.values()].map((exec) => ({
        ...info(exec),
        id: exec.id,
        container: exec.container.id,
        spec: exec.spec,
        ...(exec.size === undefined ? {} : { size: exec.size })
      }))
  }
}
