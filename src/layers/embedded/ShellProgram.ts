/**
 * A program of a virtual container, as the engine runs it: its streams and its terminal on this side, the shell in the
 * container's thread on the other.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as InputBuffer from "./InputBuffer.ts"
import * as LineEditor from "./LineEditor.ts"
import type { OutputName, Size } from "./Protocol.ts"
import * as Terminal from "./Terminal.ts"
import type { Death, RunningShell, VirtualMachine } from "./VirtualMachine.ts"

interface Output {
  readonly write: (data: Uint8Array | string) => Effect.Effect<void>
}

/**
 * What a program knows of the world.
 *
 * @internal
 */
export interface ProgramProcess {
  readonly arguments: readonly [string, ...ReadonlyArray<string>]
  readonly env: Readonly<Record<string, string>>
  readonly workingDirectory: string
  readonly stdin: Stream.Stream<Uint8Array>
  readonly stdout: Output
  readonly stderr: Output
  readonly terminal?: {
    readonly size: Effect.Effect<Size>
    readonly resizes: Stream.Stream<Size>
    readonly setRaw: (raw: boolean) => Effect.Effect<void>
  }
  readonly trap: (signal: "INT" | "QUIT" | "TERM", handler: Effect.Effect<number | void>) => Effect.Effect<void>
}

/** How much input may wait for a program to read it. */
const inputWindow = 65_536

const lastWords = (death: Death): string | undefined => {
  if (death === "memory") return "the virtual container was killed: it used more memory than it may\n"
  if (death === "overtime") return "the virtual container was killed: it used more CPU time than it may\n"
  return death === "removed" ? undefined : "the virtual container has died\n"
}

/** Bytes on their way out, and how many of them the container is told about when they are. */
interface Parcel {
  readonly output: OutputName
  readonly bytes: Uint8Array
  readonly taken: number
}

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes).replace(/\r?\n$/u, "")

/** What a terminal adds to a program: an editor for its commands, and keys that are signals. */
const attachTerminal = Effect.fnUntraced(function* (
  process: ProgramProcess,
  terminal: NonNullable<ProgramProcess["terminal"]>,
  shell: RunningShell,
  input: InputBuffer.InputBuffer,
  send: (bytes: Uint8Array) => void
) {
  let size = yield* terminal.size
  const editor = yield* Effect.acquireRelease(
    Effect.sync(() =>
      LineEditor.make({
        size: () => size,
        write: send,
        complete: shell.complete,
        onLine: (line) => {
          keys.leavePrompt()
          shell.post({ _tag: "Line", id: shell.id, line })
        },
        onCancel: () => {
          keys.leavePrompt()
          shell.post({ _tag: "LineEnd", id: shell.id, reason: "cancel" })
        },
        onEnd: () => {
          keys.leavePrompt()
          shell.post({ _tag: "LineEnd", id: shell.id, reason: "end" })
        }
      })
    ),
    (made) => Effect.sync(made.close)
  )
  const keys: Terminal.Terminal = Terminal.make({
    editor,
    input,
    echo: send,
    interrupt: () => shell.stop("interrupt")
  })
  // The kernel's work is done here, because it changes from prompt to program and back.
  yield* terminal.setRaw(true)
  const resized = (next: typeof size) =>
    Effect.sync(() => {
      size = next
      shell.post({ _tag: "Resize", id: shell.id, size: next })
      editor.resized()
    })
  yield* terminal.resizes.pipe(Stream.runForEach(resized), Effect.forkScoped({ startImmediately: true }))
  // It may have changed while the shell was being started with the size before.
  yield* Effect.flatMap(terminal.size, resized)
  yield* Effect.forEach(["INT", "QUIT"] as const, (name) =>
    process.trap(
      name,
      Effect.sync(() => shell.stop("interrupt"))
    )
  )
  return keys
})

/**
 * Runs the program and gives its exit status.
 *
 * @internal
 */
export const run = (machine: VirtualMachine) =>
  Effect.fnUntraced(function* (process: ProgramProcess): Effect.fn.Return<number, never, Scope.Scope> {
    const { terminal } = process
    const size = terminal === undefined ? undefined : yield* terminal.size
    const shell = yield* machine.run({
      command: process.arguments,
      env: process.env,
      workingDirectory: process.workingDirectory,
      ...(size === undefined ? {} : { size })
    })
    const { id } = shell
    const room = Latch.makeUnsafe(true)
    const input = InputBuffer.make({
      endsOnce: terminal !== undefined,
      onRead: () => {
        if (input.size() < inputWindow) room.openUnsafe()
      }
    })
    const parcels = yield* Queue.unbounded<Parcel | "last">()
    const send = (bytes: Uint8Array) => {
      Queue.offerUnsafe(parcels, { output: "stdout", bytes, taken: 0 })
    }
    const keys = terminal === undefined ? undefined : yield* attachTerminal(process, terminal, shell, input, send)

    yield* process.stdin.pipe(
      Stream.runForEach((bytes) =>
        Effect.suspend(() => {
          if (keys !== undefined) {
            keys.type(bytes)
            return Effect.void
          }
          input.push(bytes)
          if (input.size() < inputWindow) return Effect.void
          room.closeUnsafe()
          return room.await
        })
      ),
      Effect.andThen(Effect.sync(() => (terminal === undefined ? input.end() : undefined))),
      Effect.forkScoped
    )

    const deliver = yield* Effect.gen(function* () {
      while (true) {
        const parcel = yield* Queue.take(parcels)
        if (parcel === "last") return
        yield* process[parcel.output].write(parcel.bytes)
        if (parcel.taken > 0) shell.post({ _tag: "Taken", id, bytes: parcel.taken })
      }
    }).pipe(Effect.forkScoped)

    let status: number | undefined
    while (status === undefined) {
      const message = yield* Queue.take(shell.messages)
      switch (message._tag) {
        case "Output":
          Queue.offerUnsafe(parcels, {
            output: message.output,
            bytes: message.bytes,
            taken: message.bytes.byteLength
          })
          break
        case "Prompt":
          input.cancel()
          if (keys !== undefined) keys.prompt(message.text)
          else {
            input.want("line", (bytes) =>
              shell.post(
                bytes.byteLength === 0
                  ? { _tag: "LineEnd", id, reason: "end" }
                  : { _tag: "Line", id, line: textOf(bytes) }
              )
            )
          }
          break
        case "Wants":
          input.want(message.amount, (bytes, isLast) => shell.post({ _tag: "Input", id, bytes, isLast }))
          break
        case "Exited":
          status = message.status
      }
    }
    const words = yield* Effect.map(machine.deathNow, (death) => (death === undefined ? undefined : lastWords(death)))
    if (words !== undefined) {
      Queue.offerUnsafe(parcels, {
        output: terminal === undefined ? "stderr" : "stdout",
        bytes: new TextEncoder().encode(`dockerrun: ${words}`),
        taken: 0
      })
    }
    Queue.offerUnsafe(parcels, "last")
    yield* Fiber.join(deliver)
    return status
  }, Effect.scoped)
