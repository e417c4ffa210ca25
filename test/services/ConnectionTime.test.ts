import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import * as ConnectionTime from "../../src/services/ConnectionTime.ts"

/** A connection with one terminal, the lines on it, and what has ended it. */
const connection = Effect.fnUntraced(function* (limits: { readonly idle?: string; readonly most?: string }) {
  const duration = (text: string | undefined) => (text === undefined ? Duration.zero : Duration.seconds(Number(text)))
  const presence = yield* ConnectionTime.makePresence
  const lines: Array<string> = []
  const removeTerminal = presence.addTerminal((line) => lines.push(line))
  const fiber = yield* Effect.forkChild(
    ConnectionTime.untilOver(
      { idleTimeout: duration(limits.idle), maxConnectionTime: duration(limits.most) },
      presence
    ),
    { startImmediately: true }
  )
  const end = () => {
    const exit = fiber.pollUnsafe()
    return exit?._tag === "Success" ? exit.value.reason._tag : undefined
  }
  return { presence, lines, removeTerminal, end }
})

describe("idleTimeout", () => {
  it.effect("tells the people a minute before, and ends the connection at the time, not sooner", () =>
    Effect.gen(function* () {
      const { end, lines } = yield* connection({ idle: "600" })
      yield* TestClock.adjust("539 seconds")
      assert.deepStrictEqual(lines, [])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(lines, ["nothing has happened here for 9m0s; this connection ends in 1m0s"])
      yield* TestClock.adjust("59 seconds")
      assert.isUndefined(end())
      yield* TestClock.adjust("1 second")
      assert.strictEqual(end(), "ConnectionIdle")
    })
  )

  it.effect("begins anew with each byte, also after the warning, which comes again", () =>
    Effect.gen(function* () {
      const { end, lines, presence } = yield* connection({ idle: "600" })
      yield* TestClock.adjust("500 seconds")
      presence.touch()
      yield* TestClock.adjust("539 seconds")
      assert.deepStrictEqual(lines, [])
      yield* TestClock.adjust("11 seconds")
      assert.lengthOf(lines, 1)
      presence.touch()
      yield* TestClock.adjust("539 seconds")
      assert.lengthOf(lines, 1)
      yield* TestClock.adjust("1 second")
      assert.lengthOf(lines, 2)
      assert.isUndefined(end())
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual(end(), "ConnectionIdle")
    })
  )

  it.effect("someone who types each minute stays for a day, with nobody warned", () =>
    Effect.gen(function* () {
      const { end, lines, presence } = yield* connection({ idle: "120" })
      for (let minute = 0; minute < 24 * 60; minute += 1) {
        yield* TestClock.adjust("60 seconds")
        presence.touch()
      }
      assert.deepStrictEqual([end(), lines], [undefined, []])
    })
  )

  it.effect("a short one warns when a quarter of it is left; a terminal that is gone is not told", () =>
    Effect.gen(function* () {
      const { lines, presence, removeTerminal } = yield* connection({ idle: "8" })
      yield* TestClock.adjust("6 seconds")
      assert.deepStrictEqual(lines, ["nothing has happened here for 6s; this connection ends in 2s"])
      presence.touch()
      removeTerminal()
      yield* TestClock.adjust("7 seconds")
      assert.lengthOf(lines, 1)
    })
  )
})

describe("somebody who waits for the server", () => {
  it.effect("is not idle, and has all of the time when the waiting is over", () =>
    Effect.gen(function* () {
      const { end, lines, presence } = yield* connection({ idle: "120" })
      const isOver = presence.wait()
      yield* TestClock.adjust("1000 seconds")
      isOver()
      yield* TestClock.adjust("89 seconds")
      assert.deepStrictEqual([end(), lines], [undefined, []])
      isOver()
      yield* TestClock.adjust("1 second")
      assert.lengthOf(lines, 1)
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(end(), "ConnectionIdle")
    })
  )
})

describe("maxConnectionTime", () => {
  it.effect("ends a connection whatever happens on it, after a warning", () =>
    Effect.gen(function* () {
      const { end, lines, presence } = yield* connection({ idle: "7200", most: "3600" })
      for (let minute = 0; minute < 59; minute += 1) {
        assert.deepStrictEqual(lines, [])
        yield* TestClock.adjust("60 seconds")
        presence.touch()
      }
      assert.deepStrictEqual(lines, ["this connection may last for 1h0m0s; it ends in 1m0s"])
      yield* TestClock.adjust("59 seconds")
      assert.isUndefined(end())
      yield* TestClock.adjust("1 second")
      assert.strictEqual(end(), "ConnectionTimeReached")
    })
  )

  it.effect("may be longer than a timer of the platform can wait", () =>
    Effect.gen(function* () {
      const days = 40 * 24 * 3600
      const { end } = yield* connection({ most: String(days) })
      yield* TestClock.adjust(`${days - 1} seconds`)
      assert.isUndefined(end())
      yield* TestClock.adjust("1 second")
      assert.strictEqual(end(), "ConnectionTimeReached")
    })
  )

  it.effect("without limits a connection goes on for ever", () =>
    Effect.gen(function* () {
      const { end, lines } = yield* connection({})
      yield* TestClock.adjust("10000 hours")
      assert.deepStrictEqual([end(), lines], [undefined, []])
    })
  )
})
