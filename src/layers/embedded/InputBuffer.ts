/**
 * Input that waits for a program to read it.
 *
 * @since 0.1.0
 */

import type { Amount } from "./Protocol.ts"

/** Takes a part of what was wanted. */
type Deliver = (bytes: Uint8Array, isLast: boolean) => void

interface Reader {
  readonly amount: Amount
  readonly deliver: Deliver
}

/**
 * @internal
 */
export interface InputBuffer {
  readonly push: (bytes: Uint8Array) => void
  /** The end of the input. On a terminal it is typed, and counts once: what reads after that waits for more. */
  readonly end: () => void
  /** Gives what is wanted when it is there; nothing is the end. A new reader takes the place of the one before. */
  readonly want: (amount: Amount, deliver: Deliver) => void
  /** Nobody reads any more. */
  readonly cancel: () => void
  /** Takes what nobody has read. */
  readonly rest: () => Uint8Array
  /** Bytes that wait. */
  readonly size: () => number
}

const lineFeed = 0x0a

/**
 * @internal
 */
export const make = (options: { readonly endsOnce: boolean; readonly onRead: () => void }): InputBuffer => {
  let waiting: Array<Uint8Array | "end"> = []
  let size = 0
  let reader: Reader | undefined

  const takeBytes = (): Uint8Array => {
    const end = waiting.indexOf("end")
    const taken = waiting.slice(0, end === -1 ? undefined : end).filter((item) => item !== "end")
    waiting = end === -1 ? [] : waiting.slice(end)
    const bytes = Buffer.concat(taken)
    size -= bytes.byteLength
    return bytes
  }
  const isAtEnd = () => waiting[0] === "end"
  const passEnd = () => {
    if (options.endsOnce) waiting = waiting.slice(1)
  }

  const serve = () => {
    if (reader === undefined) return
    const { amount, deliver } = reader
    const bytes = takeBytes()
    if (amount === "some") {
      if (bytes.byteLength === 0 && !isAtEnd()) return
      if (bytes.byteLength === 0) passEnd()
      reader = undefined
      deliver(bytes, true)
      options.onRead()
      return
    }
    if (amount === "all") {
      const isLast = isAtEnd()
      if (isLast) {
        passEnd()
        reader = undefined
      }
      if (bytes.byteLength > 0 || isLast) deliver(bytes, isLast)
      options.onRead()
      return
    }
    const newline = bytes.indexOf(lineFeed)
    if (newline === -1 && !isAtEnd()) {
      if (bytes.byteLength > 0) putBack(bytes)
      // Whoever waits for a line takes all the room that it needs.
      options.onRead()
      return
    }
    reader = undefined
    if (newline === -1) {
      if (bytes.byteLength === 0) passEnd()
      deliver(bytes, true)
    } else {
      if (newline + 1 < bytes.byteLength) putBack(bytes.subarray(newline + 1))
      deliver(bytes.subarray(0, newline + 1), true)
    }
    options.onRead()
  }
  const putBack = (bytes: Uint8Array) => {
    waiting = [bytes, ...waiting]
    size += bytes.byteLength
  }

  return {
    push: (bytes) => {
      if (bytes.byteLength === 0) return
      waiting.push(bytes)
      size += bytes.byteLength
      serve()
    },
    end: () => {
      waiting.push("end")
      serve()
    },
    want: (amount, deliver) => {
      reader = { amount, deliver }
      serve()
    },
    cancel: () => {
      reader = undefined
    },
    rest: () => {
      waiting = waiting.filter((item) => item !== "end")
      return takeBytes()
    },
    size: () => (reader === undefined ? size : 0)
  }
}
