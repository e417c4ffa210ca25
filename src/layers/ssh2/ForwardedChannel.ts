/**
 * A channel that carries a connection of the container: bytes both ways, and the end of each direction on its own.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Channel } from "ssh2"
import type { Link } from "../../services/Relay.ts"

/**
 * How long the other side may take to end once the client has closed the channel, before it is cut off; what the client
 * had sent until then still goes to it for as long as it takes it.
 */
const lingerTime = "5 seconds"

const ignore = () => {}

/**
 * Lets the bytes flow until both directions have ended, or the client closes the channel. To be called in the step in
 * which the channel was opened: an `error` that nobody hears ends the process. `touch` is called for each chunk.
 */
export const carry = (channel: Channel, link: Link, touch: () => void): Effect.Effect<void> => {
  const closed = Deferred.makeUnsafe<void>()
  const isClosed = () => Deferred.isDoneUnsafe(closed)
  let drain = ignore
  let hasEnded = false
  let taken = 0
  channel.on("error", ignore)
  channel.stderr.on("error", ignore)
  // ssh2 ends this when the client closes the channel, and says `close` only when all that came before was read.
  channel.stderr.on("finish", () => {
    Deferred.doneUnsafe(closed, Effect.void)
    drain()
  })
  channel.on("drain", () => drain())

  link.input.onDrain(() => channel.resume())
  channel.on("end", () => link.input.end())
  channel.on("data", (chunk: Uint8Array) => {
    touch()
    taken += chunk.byteLength
    if (!link.input.write(chunk)) channel.pause()
  })
  link.onOutput({
    // ssh2 never answers a write to a channel that was closed.
    write: (chunk) => {
      touch()
      return isClosed() || channel.write(chunk)
    },
    end: () => {
      if (hasEnded || isClosed()) return
      hasEnded = true
      // After everything that was written before it. Not `end`, which would close the other direction as well.
      channel.write("", () => channel.eof())
    },
    onDrain: (callback) => {
      drain = callback
    }
  })

  const flush = Effect.callback<void>((resume) => {
    if (hasEnded || !channel.writable) resume(Effect.void)
    else channel.write("", () => resume(Effect.void))
  })
  const linger: Effect.Effect<void> = Effect.suspend(() => {
    const before = taken
    return Effect.flatMap(Effect.timeoutOption(link.ended, lingerTime), (ended) =>
      Option.isSome(ended) || taken === before ? Effect.void : linger
    )
  })
  return Effect.raceFirst(Effect.andThen(link.ended, flush), Effect.andThen(Deferred.await(closed), linger)).pipe(
    Effect.ensuring(Effect.sync(() => channel.end()))
  )
}
