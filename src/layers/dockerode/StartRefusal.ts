/**
 * Engines before Docker 25 open the stream of an exec first and then, when the program cannot be started, write that to
 * the program's standard output; Podman writes it to standard error. This keeps such words from the client and makes
 * them an error.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import { DockerError } from "../../schema/DockerError.ts"
import { type ByteSink, mapOutput, type ProgramOutput } from "../../services/ByteSink.ts"
import * as ErrorClassification from "./ErrorClassification.ts"

/** The engine's words are short. More than this is not kept. */
const wordsLimit = 8 * 1024

/** No beginning of a refusal is longer. Bytes. */
const longestBeginning = 64

/** Whether the first bytes of an output may be the beginning of a refusal. A frame may come in pieces. */
const isSuspicious = (payload: Uint8Array) =>
  ErrorClassification.mayBeRefusal(
    Buffer.from(payload.buffer, payload.byteOffset, Math.min(payload.byteLength, longestBeginning)).toString("latin1")
  )

/**
 * @internal
 */
export interface StartRefusal {
  /** Stands in front of the real output. */
  readonly output: ProgramOutput
  /**
   * Waits until the first bytes of the output look like a refusal, asks whether it is one, and acts on the answer. The
   * question comes with the words so far.
   */
  readonly watch: (isNotStarted: (words: string) => Effect.Effect<boolean>) => Effect.Effect<void>
  /** Fails with `ProgramNotStarted` when the engine refused the start. To be asked when the output has ended. */
  readonly verdict: (operation: string) => Effect.Effect<void, DockerError>
}

/**
 * Holds the output back only if its very first bytes are those of a refusal, and no longer than one question to the
 * engine takes. Every other output passes at once.
 *
 * @internal
 */
export const make = (output: ProgramOutput): StartRefusal => {
  const suspicion = Latch.makeUnsafe(false)
  const decided = Latch.makeUnsafe(false)
  let state: "first" | "held" | "passing" | "refused" = "first"
  let held: Array<{ readonly sink: ByteSink; readonly chunk: Uint8Array }> = []
  let ended = false
  let words = ""
  const drains = new Map<ByteSink, () => void>()

  const remember = (chunk: Uint8Array) => {
    if (words.length < wordsLimit) words += Buffer.from(chunk).toString("utf8")
  }

  const guard = (sink: ByteSink): ByteSink => ({
    ...(sink.copies === true ? { copies: true } : {}),
    write: (chunk) => {
      switch (state) {
        case "passing":
          return sink.write(chunk)
        case "refused":
          remember(chunk)
          return true
        case "held":
          held.push({ sink, chunk: Buffer.from(chunk) })
          return false
        case "first": {
          if (chunk.byteLength === 0) return true
          if (!isSuspicious(chunk)) {
            state = "passing"
            return sink.write(chunk)
          }
          state = "held"
          held.push({ sink, chunk: Buffer.from(chunk) })
          suspicion.openUnsafe()
          return false
        }
      }
    },
    end: () => {
      // The owner of a refused program still has to say so: its sinks stay open.
      if (state === "held") ended = true
      else if (state !== "refused") sink.end()
    },
    onDrain: (callback) => {
      drains.set(sink, callback)
      sink.onDrain(callback)
    }
  })

  const decide = (notStarted: boolean) => {
    const kept = held
    held = []
    if (notStarted) {
      state = "refused"
      for (const { chunk } of kept) remember(chunk)
      for (const drain of drains.values()) drain()
      return
    }
    state = "passing"
    const full = new Set<ByteSink>()
    for (const { chunk, sink } of kept) {
      if (sink.write(chunk)) full.delete(sink)
      else full.add(sink)
    }
    if (ended) {
      output.stdout.end()
      output.stderr.end()
    }
    // A sink that is full calls by itself when it has room again.
    for (const [sink, drain] of drains) if (!full.has(sink)) drain()
  }

  return {
    output: mapOutput(output, guard),
    watch: (isNotStarted) =>
      suspicion.await.pipe(
        Effect.andThen(() => isNotStarted(held.map(({ chunk }) => Buffer.from(chunk).toString("utf8")).join(""))),
        Effect.map((notStarted) => decide(notStarted)),
        Effect.onExit(() => decided.open)
      ),
    verdict: Effect.fnUntraced(function* (operation) {
      // A stream that has been read up is over, whether or not what was read is still held.
      if (state === "held") yield* decided.await
      if (state === "refused") {
        return yield* new DockerError({ operation, reason: ErrorClassification.notStarted(words) })
      }
    })
  }
}
