/**
 * The connection between one client and the output of a program: an exec's, or an attachment to a main process.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { DockerError } from "../../schema/DockerError.ts"
import { type ByteSink, mapOutput, type ProgramOutput } from "../../services/ByteSink.ts"

/**
 * @internal
 */
export interface ClientStream {
  /** Hands bytes to the client, and waits while it is slow. A client that is gone drops them. */
  readonly write: (output: "stdout" | "stderr", bytes: Uint8Array) => Effect.Effect<void>
  /** Bytes that nobody waits for: the echo of a terminal. */
  readonly writeUnsafe: (bytes: Uint8Array) => void
  /** The output has ended; or, with an error, was never there. */
  readonly end: (error?: DockerError) => void
  /** The connection breaks. */
  readonly break: (error: DockerError) => void
  /** The client has gone. */
  readonly close: () => void
  readonly isOpen: () => boolean
  readonly ended: Effect.Effect<void, DockerError>
}

/**
 * @internal
 */
export const make = (options: {
  readonly output: ProgramOutput
  /** How many bytes of output the connection lasts for, and what happens then. */
  readonly breakAfter: { readonly bytes: number; readonly error: DockerError } | undefined
  readonly onClosed: () => void
}): ClientStream => {
  const { output } = options
  const ended = Deferred.makeUnsafe<void, DockerError>()
  let open = true
  let left = options.breakAfter?.bytes ?? Number.POSITIVE_INFINITY

  const outlet = (sink: ByteSink) => {
    const room = Latch.makeUnsafe(true)
    sink.onDrain(() => {
      room.openUnsafe()
    })
    return { sink, room }
  }
  const outlets = mapOutput(output, outlet)

  const shut = () => {
    if (!open) return
    open = false
    outlets.stdout.room.openUnsafe()
    outlets.stderr.room.openUnsafe()
    options.onClosed()
  }
  const breakWith = (error: DockerError) => {
    if (!open) return
    shut()
    Deferred.doneUnsafe(ended, Effect.fail(error))
  }
  const push = ({ room, sink }: (typeof outlets)["stdout"], bytes: Uint8Array): boolean => {
    const now = bytes.subarray(0, left)
    left -= now.byteLength
    // Closed before the write: a sink may say that it has room while it is being written to.
    room.closeUnsafe()
    if (now.byteLength === 0 || sink.write(now)) room.openUnsafe()
    if (left === 0 && options.breakAfter !== undefined) breakWith(options.breakAfter.error)
    return room.isOpen()
  }

  return {
    write: (name, bytes) =>
      Effect.suspend(() => {
        const outlet = outlets[name]
        return Effect.flatMap(outlet.room.await, () => {
          if (!open || push(outlet, bytes)) return Effect.void
          return outlet.room.await
        })
      }),
    writeUnsafe: (bytes) => {
      if (open) push(outlets.stdout, bytes)
    },
    end: (error) => {
      if (!open) return
      if (error === undefined) {
        output.stdout.end()
        output.stderr.end()
      }
      shut()
      Deferred.doneUnsafe(ended, error === undefined ? Effect.void : Effect.fail(error))
    },
    break: breakWith,
    close: shut,
    isOpen: () => open,
    ended: Deferred.await(ended)
  }
}
