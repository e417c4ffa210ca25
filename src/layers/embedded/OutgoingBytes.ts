/**
 * Output on its way out of the container's thread. Small pieces that come one right after the other are sent together,
 * because a message each costs more than the commands that write them.
 *
 * @since 0.1.0
 */
import type { OutputName } from "./Protocol.ts"

/**
 * @internal
 */
export interface OutgoingBytes {
  /** Waits while the reader is slow. */
  readonly write: (output: OutputName, bytes: Uint8Array) => Promise<void>
  /** Sends what is held back. */
  readonly flush: () => void
  /** Sends what has been held back for long enough: for a shell that is too busy for anything else. */
  readonly tick: () => void
  /** The reader has taken so many bytes. */
  readonly taken: (bytes: number) => void
  /** Nobody waits for the reader any more. */
  readonly release: () => void
}

// While a script runs, the library bars it from timers; what was taken before keeps working.
const { setImmediate } = globalThis

/** How much may be on its way to the reader. */
const window = 262_144
const messageSize = 65_536
/** Milliseconds between two messages of small pieces. */
const interval = 20

/**
 * @internal
 */
export const make = (post: (output: OutputName, bytes: Uint8Array) => void): OutgoingBytes => {
  let held: Array<Uint8Array> = []
  let heldOutput: OutputName = "stdout"
  let heldSize = 0
  let lastFlush = 0
  let isScheduled = false
  let underWay = 0
  let onTaken: (() => void) | undefined

  const flush = () => {
    if (heldSize === 0) return
    lastFlush = Date.now()
    const bytes = Buffer.concat(held)
    held = []
    heldSize = 0
    for (let offset = 0; offset < bytes.byteLength; offset += messageSize) {
      // A copy, because what is sent goes with the whole of its memory.
      const part = Uint8Array.from(bytes.subarray(offset, offset + messageSize))
      underWay += part.byteLength
      post(heldOutput, part)
    }
  }
  const scheduled = () => {
    isScheduled = false
    flush()
  }

  return {
    write: async (output, bytes) => {
      if (output !== heldOutput) flush()
      heldOutput = output
      held.push(bytes)
      heldSize += bytes.byteLength
      if (heldSize >= messageSize || Date.now() - lastFlush >= interval) flush()
      else if (!isScheduled) {
        isScheduled = true
        setImmediate(scheduled)
      }
      if (underWay < window) return
      await new Promise<void>((resolve) => {
        onTaken = resolve
      })
      onTaken = undefined
    },
    flush,
    tick: () => {
      if (heldSize > 0 && Date.now() - lastFlush >= interval) flush()
    },
    taken: (bytes) => {
      underWay -= bytes
      if (underWay < window) onTaken?.()
    },
    release: () => onTaken?.()
  }
}
