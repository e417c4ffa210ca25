/**
 * The stream in which an engine sends standard output and standard error together (Engine API, "Stream format"): frames
 * of an 8-byte header (stream type, three zero bytes, length as a big-endian 32-bit number) and a payload.
 *
 * @since 0.1.0
 */

const headerLength = 8

/**
 * Receives payloads, in order. Slices of what was read: they are neither copied nor joined.
 *
 * @internal
 */
export interface Payloads {
  readonly stdout: (payload: Uint8Array) => void
  readonly stderr: (payload: Uint8Array) => void
}

/**
 * @internal
 */
export interface Demultiplexer {
  /** Takes the next bytes. Answers what is wrong with them when they are no such stream; nothing may be written then. */
  readonly write: (chunk: Uint8Array) => string | undefined
  /** Whether the stream may end here: not inside a header, nor inside a payload. */
  readonly isComplete: () => boolean
}

/**
 * Splits a multiplexed stream, however its bytes are cut into chunks.
 *
 * @internal
 */
export const make = (payloads: Payloads): Demultiplexer => {
  const header = new Uint8Array(headerLength)
  const view = new DataView(header.buffer)
  let filled = 0
  let remaining = 0
  let receive = payloads.stdout

  /** Reads the complete header. */
  const open = (): string | undefined => {
    const type = view.getUint8(0)
    // Type 0 is the echo of standard input, which belongs on the screen; 3 is the engine's own trouble.
    if (type > 2 || view.getUint16(1) !== 0 || view.getUint8(3) !== 0) {
      return `the header [${header.join(" ")}] is not one of a multiplexed stream`
    }
    receive = type === 2 ? payloads.stderr : payloads.stdout
    remaining = view.getUint32(4)
    filled = 0
    return undefined
  }

  return {
    write: (chunk) => {
      let at = 0
      while (at < chunk.length) {
        if (remaining > 0) {
          const end = Math.min(chunk.length, at + remaining)
          remaining -= end - at
          receive(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end))
          at = end
          continue
        }
        const taken = Math.min(headerLength - filled, chunk.length - at)
        for (let i = 0; i < taken; i++) header[filled + i] = chunk[at + i] ?? 0
        filled += taken
        at += taken
        if (filled === headerLength) {
          const violation = open()
          if (violation !== undefined) return violation
        }
      }
      return undefined
    },
    isComplete: () => filled === 0 && remaining === 0
  }
}
