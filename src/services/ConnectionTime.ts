/**
 * How long a connection lasts: until it was idle for too long, or has lasted for as long as it may.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as GoDuration from "../schema/GoDuration.ts"
import { ConnectionIdle, ConnectionTimeReached, LimitError } from "../schema/LimitError.ts"
import type { SshLimits } from "../schema/SshLimits.ts"

/**
 * What is known of the people on a connection.
 *
 * @since 0.1.0
 * @category models
 */
export interface Presence {
  /**
   * Bytes went through a channel of the connection, in whichever direction. It is called for each chunk, and does no
   * more than to look at the clock.
   */
  readonly touch: () => void
  /** Somebody waits for the server: until the result is called, nobody is idle. */
  readonly wait: () => () => void
  /** When something happened for the last time, in milliseconds of the clock. */
  readonly lastTouch: () => number
  /** A person has a terminal on the connection; what is given writes a line on it. The result takes it away again. */
  readonly addTerminal: (write: (line: string) => void) => () => void
  /** Writes a line on every terminal. */
  readonly tell: (line: string) => void
}

/**
 * The presence on a connection that begins now.
 *
 * @since 0.1.0
 * @category constructors
 */
export const makePresence: Effect.Effect<Presence> = Clock.clockWith((clock) =>
  Effect.sync(() => {
    let lastTouch = clock.currentTimeMillisUnsafe()
    const waits = new Set<object>()
    const terminals = new Set<{ readonly write: (line: string) => void }>()
    const touch = () => {
      lastTouch = clock.currentTimeMillisUnsafe()
    }
    return {
      touch,
      wait: () => {
        const wait = {}
        waits.add(wait)
        return () => {
          if (waits.delete(wait)) touch()
        }
      },
      lastTouch: () => (waits.size > 0 ? clock.currentTimeMillisUnsafe() : lastTouch),
      addTerminal: (write) => {
        const terminal = { write }
        terminals.add(terminal)
        return () => terminals.delete(terminal)
      },
      tell: (line) => {
        for (const { write } of terminals) write(line)
      }
    }
  })
)

/** People with a terminal are told this long before their connection ends, in milliseconds. */
const noticeBefore = (limit: number): number => Math.min(60_000, limit / 4)

/** The longest that a timer of the platform waits for. */
const longestSleep = 2 ** 31 - 1

const sleepUntil = (time: number): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    now >= time
      ? Effect.void
      : Effect.andThen(
          Effect.sleep(Math.min(time - now, longestSleep)),
          Effect.suspend(() => sleepUntil(time))
        )
  )

const format = (millis: number): string => GoDuration.format(BigInt(Math.round(millis)) * 1_000_000n)

const idle = Effect.fnUntraced(function* (presence: Presence, limit: number) {
  const notice = noticeBefore(limit)
  for (;;) {
    const since = presence.lastTouch()
    yield* sleepUntil(since + limit - notice)
    if (presence.lastTouch() !== since) continue
    presence.tell(`nothing has happened here for ${format(limit - notice)}; this connection ends in ${format(notice)}`)
    yield* sleepUntil(since + limit)
    if (presence.lastTouch() === since) {
      return new LimitError({ reason: new ConnectionIdle({ duration: format(limit) }) })
    }
  }
})

const lasted = Effect.fnUntraced(function* (presence: Presence, limit: number) {
  const start = yield* Clock.currentTimeMillis
  const notice = noticeBefore(limit)
  yield* sleepUntil(start + limit - notice)
  presence.tell(`this connection may last for ${format(limit)}; it ends in ${format(notice)}`)
  yield* sleepUntil(start + limit)
  return new LimitError({ reason: new ConnectionTimeReached({ duration: format(limit) }) })
})

/**
 * Waits until the time of a connection that has just logged in is over, and says which limit that was. People with a
 * terminal are told a minute before, or a quarter of the limit, whichever is less.
 *
 * @since 0.1.0
 * @category constructors
 */
export const untilOver = (
  { idleTimeout, maxConnectionTime }: Pick<SshLimits, "idleTimeout" | "maxConnectionTime">,
  presence: Presence
): Effect.Effect<LimitError> =>
  Effect.raceFirst(
    Duration.isZero(idleTimeout) ? Effect.never : idle(presence, Duration.toMillis(idleTimeout)),
    Duration.isZero(maxConnectionTime) ? Effect.never : lasted(presence, Duration.toMillis(maxConnectionTime))
  )
