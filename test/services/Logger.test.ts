import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as EffectLogger from "effect/Logger"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import { Logger, type LogEvent } from "../../src/services/Logger.ts"

interface Seen {
  readonly level: string
  readonly message: unknown
  readonly annotations: Readonly<Record<string, unknown>>
}

/** What an app's own logger receives. */
const received = (log: Effect.Effect<void, never, Logger>) =>
  Effect.gen(function* () {
    const seen: Array<Seen> = []
    const own = EffectLogger.make<unknown, void>(({ fiber, logLevel, message }) => {
      seen.push({ level: logLevel, message, annotations: fiber.getRef(References.CurrentLogAnnotations) })
    })
    yield* log.pipe(
      Effect.provide(
        Layer.mergeAll(Logger.layer, EffectLogger.layer([own]), Layer.succeed(References.MinimumLogLevel, "All"))
      )
    )
    return seen
  })

const log = (event: LogEvent) => Logger.use((logger) => logger.log(event))

describe("Logger", () => {
  it.effect("hands events to the app's loggers: code and fields are annotations, beside those of the connection", () =>
    Effect.gen(function* () {
      const seen = yield* received(
        log({ level: "info", code: "CONTAINER_STARTED", message: "started", fields: { startMs: 7 } }).pipe(
          Effect.annotateLogs({ connectionId: "0123456789abcdef" })
        )
      )
      assert.deepStrictEqual(seen, [
        {
          level: "Info",
          message: ["started"],
          annotations: { connectionId: "0123456789abcdef", code: "CONTAINER_STARTED", startMs: 7 }
        }
      ])
    })
  )

  it.effect("has Effect's levels; notice is Info, and can be told apart", () =>
    Effect.gen(function* () {
      const seen = yield* received(
        Effect.forEach(
          ["debug", "info", "notice", "warning", "error"] as const,
          (level) => log({ level, code: "C", message: "m" }),
          { discard: true }
        )
      )
      assert.deepStrictEqual(
        seen.map(({ annotations, level }) => [level, annotations["level"]]),
        [
          ["Debug", undefined],
          ["Info", undefined],
          ["Info", "notice"],
          ["Warn", undefined],
          ["Error", undefined]
        ]
      )
    })
  )

  it.effect("passes a cause on as it is, also one that is false", () =>
    Effect.gen(function* () {
      const cause = new Error("why")
      const seen = yield* received(
        Effect.andThen(
          log({ level: "error", code: "C", message: "m", cause }),
          log({ level: "error", code: "C", message: "m", cause: 0 })
        )
      )
      assert.deepStrictEqual(
        seen.map(({ message }) => message),
        [
          ["m", cause],
          ["m", 0]
        ]
      )
    })
  )

  it.effect("one event's fields are not the next one's; its code is its own", () =>
    Effect.gen(function* () {
      const seen = yield* received(
        Effect.andThen(
          log({ level: "info", code: "A", message: "m", fields: { a: 1, code: "forged" } }),
          log({ level: "info", code: "B", message: "m" })
        )
      )
      assert.deepStrictEqual(
        seen.map(({ annotations }) => annotations),
        [{ a: 1, code: "A" }, { code: "B" }]
      )
    })
  )
})
