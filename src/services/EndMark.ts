/**
 * The end of one direction in a stream that cannot end in one direction.
 *
 * An engine closes the input of a program together with its output. A program that wants to say "no more output, but
 * I still read" writes a mark as its last bytes, which nobody else knows.
 *
 * @since 0.1.0
 */
import type { ByteSink } from "./ByteSink.ts"

/**
 * Passes bytes on, up to the mark. `onMark` is called when the mark was the last that came; more may not follow.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (sink: ByteSink, mark: Uint8Array, onMark: () => void): ByteSink => {
  // How much of the mark, from its beginning, has been kept back as the last bytes that came.
  let kept = 0
  const release = () => {
    if (kept > 0) sink.write(mark.slice(0, kept))
    kept = 0
  }
  return {
    write: (chunk) => {
      if (chunk.byteLength === 0) return true
      let bytes = chunk
      if (chunk.byteLength >= mark.byteLength) {
        release()
      } else if (kept > 0) {
        bytes = new Uint8Array(kept + chunk.byteLength)
        bytes.set(mark.subarray(0, kept))
        bytes.set(chunk, kept)
      }
      kept = overlap(bytes, mark)
      const isMarked = kept === mark.byteLength
      const isReady = kept === bytes.byteLength || sink.write(bytes.subarray(0, bytes.byteLength - kept))
      if (isMarked) {
        kept = 0
        onMark()
      }
      return isReady
    },
    end: () => {
      release()
      sink.end()
    },
    onDrain: (callback) => sink.onDrain(callback)
  }
}

/** The length of the longest end of the bytes with which the mark begins. */
const overlap = (bytes: Uint8Array, mark: Uint8Array): number => {
  const from = Math.max(0, bytes.byteLength - mark.byteLength)
  for (let start = bytes.indexOf(mark[0] ?? 0, from); start >= 0; start = bytes.indexOf(mark[0] ?? 0, start + 1)) {
    const length = bytes.byteLength - start
    let same = 1
    while (same < length && bytes[start + same] === mark[same]) same += 1
    if (same === length) return length
  }
  return 0
}
