/**
 * The data types of SSH's messages (RFC 4251, section 5), read defensively.
 *
 * @since 0.1.0
 */

/**
 * Takes values off the front of what is left.
 *
 * @since 0.1.0
 * @category models
 */
export interface WireReader {
  readonly uint32: () => number
  readonly uint64: () => bigint
  readonly string: () => Uint8Array
  /** How many bytes were taken. */
  readonly position: () => number
  readonly isAtEnd: () => boolean
  /** Whether everything that was asked for was there. What was not there is zero, or empty. */
  readonly isWhole: () => boolean
}

/**
 * Reads bytes. Nothing throws: whoever has read what should be there asks whether it was.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makeReader = (bytes: Uint8Array): WireReader => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let position = 0
  let whole = true
  const advance = (length: number): number | undefined => {
    if (!whole || length > bytes.length - position) {
      whole = false
      return undefined
    }
    const start = position
    position += length
    return start
  }
  const uint32 = () => {
    const start = advance(4)
    return start === undefined ? 0 : view.getUint32(start)
  }
  return {
    uint32,
    uint64: () => {
      const start = advance(8)
      return start === undefined ? 0n : view.getBigUint64(start)
    },
    string: () => {
      const length = uint32()
      const start = advance(length)
      return start === undefined ? new Uint8Array() : bytes.subarray(start, start + length)
    },
    position: () => position,
    isAtEnd: () => position === bytes.length,
    isWhole: () => whole
  }
}

/**
 * The strings that fill these bytes; none if they do not.
 *
 * @since 0.1.0
 * @category decoding
 */
export const readStrings = (bytes: Uint8Array): ReadonlyArray<Uint8Array> | undefined => {
  const reader = makeReader(bytes)
  const strings: Array<Uint8Array> = []
  while (reader.isWhole() && !reader.isAtEnd()) strings.push(reader.string())
  return reader.isWhole() ? strings : undefined
}

/**
 * A string as it is written: its length in four bytes, and itself.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encodeString = (value: string | Uint8Array): Uint8Array => {
  const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value
  const encoded = new Uint8Array(4 + bytes.length)
  new DataView(encoded.buffer).setUint32(0, bytes.length)
  encoded.set(bytes, 4)
  return encoded
}

/**
 * Bytes as text, if they are text in UTF-8. Nothing is replaced: of two texts that differ, none may become the other.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decodeText = (bytes: Uint8Array): string | undefined => {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
