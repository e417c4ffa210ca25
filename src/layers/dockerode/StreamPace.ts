/**
 * How a stream is passed on that does not end: not each piece as it comes, but what has gathered in a moment. So the output
 * of a program is read, and so its input is written.
 *
 * An engine copies a program's output in pieces of 32 KiB. Each that is read by itself wakes this process, goes through
 * encryption into a packet of TCP, and wakes the client: where these cost more than the bytes, a pause of two
 * milliseconds lets one of each do for several pieces. Short output is never kept waiting, and neither is an engine that
 * fills its socket in less than the pause: it would stand still.
 *
 * @since 0.1.0
 */

/** Less is no part of a stream: a key press, a line. Bytes. */
const leastLength = 2048

/** So much may lie between two reads of one stream. Milliseconds. */
const mostGap = 10

/** So many reads are a stream. */
const leastReads = 4

/** A read of so much has emptied a socket that was as good as full (208 KiB by default on Linux). Bytes. */
const full = 192 * 1024

const pause = 2

/** After a pause that was too long, so many reads go without one; twice as many after the next. */
const leastHoldOff = 16
const mostHoldOff = 1024

/**
 * Is told of each read, or piece of input, with the time, and answers for how many milliseconds nothing more need be done.
 *
 * @internal
 */
export const make = (): ((length: number, now: number) => number) => {
  let reads = 0
  let last = Number.NEGATIVE_INFINITY
  let wasPaused = false
  let holdOff = leastHoldOff
  let withoutPause = 0

  return (length, now) => {
    reads = length >= leastLength && now - last <= mostGap ? reads + 1 : 0
    last = now
    if (wasPaused && length >= full) {
      withoutPause = holdOff
      holdOff = Math.min(holdOff * 2, mostHoldOff)
    } else if (wasPaused) holdOff = leastHoldOff
    wasPaused = false
    if (reads < leastReads || length >= full) return 0
    if (withoutPause > 0) {
      withoutPause -= 1
      return 0
    }
    wasPaused = true
    return pause
  }
}
