/**
 * Where a program's bytes go.
 *
 * Control is written in Effect; bytes are pushed, synchronously, from one socket to the next, and the answer of
 * `write` is the back-pressure. Nothing here knows what is behind a sink: an SSH channel, a hijacked engine socket,
 * or a queue in memory.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import type * as Cause from "effect/Cause"
import * as Sink from "effect/Sink"
import * as Stream from "effect/Stream"

/**
 * A place that takes bytes and says when it has had enough.
 *
 * @since 0.1.0
 * @category models
 */
export interface ByteSink {
  /**
   * Takes the bytes, which belong to the sink from then on, unless it `copies`. `false` means: keep the next ones back
   * until `onDrain` fires. A sink that is closed drops what it gets and answers `true`, so that nobody waits for it.
   */
  readonly write: (chunk: Uint8Array) => boolean
  /**
   * The sink copies what it keeps, so that the bytes are the writer's again when `write` returns: a writer that reads
   * into one and the same buffer need not copy them first.
   */
  readonly copies?: true
  /** No more bytes will come: a half-close. May be called more than once. */
  readonly end: () => void
  /** Sets the one callback that runs each time the sink can take bytes again after `write` answered `false`. */
  readonly onDrain: (callback: () => void) => void
}

/**
 * Where the two outputs of a program go. With a terminal everything comes on `stdout`. Both are ended when the program
 * is over, and also when it could not be started.
 *
 * @since 0.1.0
 * @category models
 */
export interface ProgramOutput {
  readonly stdout: ByteSink
  readonly stderr: ByteSink
}

/**
 * Drops everything.
 *
 * @since 0.1.0
 * @category constructors
 */
export const discard: ByteSink = {
  write: () => true,
  copies: true,
  end: () => {},
  onDrain: () => {}
}

/**
 * Makes something of each output, such as a sink in front of it. One sink that takes both is one, for it has room for one
 * callback.
 *
 * @since 0.1.0
 * @category combinators
 */
export const mapOutput = <A>(
  { stderr, stdout }: ProgramOutput,
  make: (sink: ByteSink) => A
): { readonly stdout: A; readonly stderr: A } => {
  const made = make(stdout)
  return { stdout: made, stderr: stderr === stdout ? made : make(stderr) }
}

/**
 * An output whose reader can be given up. Nobody is asked to wait any more then: what a sink has no room for is dropped,
 * and who waited for room goes on.
 *
 * An engine may have to write the last of a program's output before it can say that the program, or any other one in the
 * container, has ended.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeAbandonable = (
  output: ProgramOutput
): { readonly output: ProgramOutput; readonly abandon: () => void } => {
  let isAbandoned = false
  const waiting = new Set<() => void>()
  const wrap = (sink: ByteSink): ByteSink => {
    let isFull = false
    let drain = () => {}
    const goOn = () => drain()
    return {
      ...sink,
      write: (chunk) => {
        if (isAbandoned && isFull) return true
        isFull = !sink.write(chunk)
        if (isFull) waiting.add(goOn)
        return !isFull || isAbandoned
      },
      onDrain: (callback) => {
        drain = callback
        sink.onDrain(() => {
          isFull = false
          waiting.delete(goOn)
          callback()
        })
      }
    }
  }
  return {
    output: mapOutput(output, wrap),
    abandon: () => {
      isAbandoned = true
      const told = [...waiting]
      waiting.clear()
      for (const goOn of told) goOn()
    }
  }
}

/**
 * A sink and the `Stream` of what was written to it. The sink asks its writer to pause while `capacity` bytes or more
 * wait for the stream's reader (64 KiB unless told).
 *
 * @since 0.1.0
 * @category constructors
 */
export const makePipe = Effect.fnUntraced(function* (options?: { readonly capacity?: number }) {
  const capacity = options?.capacity ?? 65_536
  const queue = yield* Queue.unbounded<Uint8Array, Cause.Done>()
  let waiting = 0
  let paused = false
  let drain = () => {}
  const sink: ByteSink = {
    write: (chunk) => {
      if (chunk.byteLength === 0) return true
      if (!Queue.offerUnsafe(queue, chunk)) return true
      waiting += chunk.byteLength
      paused = waiting >= capacity
      return !paused
    },
    end: () => {
      Queue.endUnsafe(queue)
    },
    onDrain: (callback) => {
      drain = callback
    }
  }
  const stream: Stream.Stream<Uint8Array> = Stream.fromQueue(queue).pipe(
    Stream.tap((chunk) =>
      Effect.sync(() => {
        waiting -= chunk.byteLength
        if (paused && waiting < capacity) {
          paused = false
          drain()
        }
      })
    )
  )
  return { sink, stream } as const
})

/**
 * Writes to a `ByteSink` as an Effect `Sink`: waits whenever the sink asks for a pause, and ends it with the stream. A
 * stream that fails or is given up leaves it open: half of an input must not look like the whole.
 *
 * @since 0.1.0
 * @category conversions
 */
export const toSink = (sink: ByteSink): Sink.Sink<void, Uint8Array> =>
  Sink.forEach((chunk: Uint8Array) =>
    Effect.callback<void>((resume) => {
      sink.onDrain(() => resume(Effect.void))
      if (sink.write(chunk)) resume(Effect.void)
    })
  ).pipe(Sink.onExit((exit) => (Exit.isSuccess(exit) ? Effect.sync(() => sink.end()) : Effect.void)))
