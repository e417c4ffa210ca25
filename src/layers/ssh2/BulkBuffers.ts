/**
 * Large buffers that are used again. They lie outside of JavaScript's heap, and for each hundred MiB or so of new ones the
 * collector goes over the whole heap.
 */

/** Room for a read of the engine's output (256 KiB), also when it is in packets. */
export const length = 296 * 1024

/** What is shorter must not keep a whole buffer from others. */
export const worthIt = 16 * 1024

const mostIdle = 16
const idle: Array<Buffer> = []

export const take = (): Buffer => idle.pop() ?? Buffer.allocUnsafeSlow(length)

/** Nobody may look at it any more. */
export const giveBack = (buffer: Buffer): void => {
  if (idle.length < mostIdle) idle.push(buffer)
}

const nothing = () => {}

/** A copy, and what is to be called once when it is not needed any more. */
export const copy = (bytes: Buffer): { readonly bytes: Buffer; readonly release: () => void } => {
  if (bytes.length < worthIt || bytes.length > length) return { bytes: Buffer.from(bytes), release: nothing }
  const buffer = take()
  bytes.copy(buffer)
  return { bytes: buffer.subarray(0, bytes.length), release: () => giveBack(buffer) }
}
