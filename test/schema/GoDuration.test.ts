import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as GoDuration from "../../src/schema/GoDuration.ts"

describe("GoDuration", () => {
  it.each([
    ["60s", 60_000_000_000n],
    ["1m30s", 90_000_000_000n],
    ["500ms", 500_000_000n],
    ["1h", 3_600_000_000_000n],
    ["1.5s", 1_500_000_000n],
    [".5s", 500_000_000n],
    ["1.s", 1_000_000_000n],
    ["7us", 7_000n],
    ["7µs", 7_000n],
    ["7μs", 7_000n],
    ["9ns", 9n],
    ["1.9ns", 1n],
    ["2h45m0.5s", 9_900_500_000_000n],
    ["-1.5h", -5_400_000_000_000n],
    ["+5s", 5_000_000_000n],
    ["0", 0n],
    ["0s", 0n]
  ])("reads %s as Go does", (text, nanos) => {
    assert.deepStrictEqual(GoDuration.parse(text), Option.some(nanos))
  })

  it.each(["", "60", "s", ".s", "1 s", "60 seconds", "1d", "5S", "1e3s", "1h-5m", "--1s", "PT1M", "300000000h"])(
    "refuses %j",
    (text) => {
      assert.isTrue(Option.isNone(GoDuration.parse(text)))
    }
  )

  it.each([
    [0n, "0s"],
    [1n, "1ns"],
    [1_500n, "1.5us"],
    [500_000_000n, "500ms"],
    [90_000_000_000n, "1m30s"],
    [3_600_000_000_000n, "1h0m0s"],
    [-1_000_000_000n, "-1s"]
  ])("writes %s as Go does", (nanos, text) => {
    assert.strictEqual(GoDuration.format(nanos), text)
  })

  it.effect.prop("reads back every duration that it writes", { nanos: Schema.Int }, ({ nanos }) =>
    Effect.sync(() => {
      assert.deepStrictEqual(GoDuration.parse(GoDuration.format(BigInt(nanos))), Option.some(BigInt(nanos)))
    })
  )

  it.effect("takes a number as nanoseconds", () =>
    Effect.gen(function* () {
      const duration = yield* Schema.decodeUnknownEffect(GoDuration.PositiveGoDuration)(1_500_000_000)
      assert.isTrue(Duration.equals(duration, Duration.millis(1500)))
      assert.strictEqual(yield* Schema.encodeEffect(GoDuration.PositiveGoDuration)(duration), "1.5s")
    })
  )

  it.effect.each([0, "0s", "-1s", -5, 1.5, "soon", null])("a limit refuses %j", (input) =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Schema.decodeUnknownEffect(GoDuration.PositiveGoDuration)(input))
      assert.strictEqual(exit._tag, "Failure")
    })
  )

  it.effect("a grace period may be zero, and not negative", () =>
    Effect.gen(function* () {
      const decode = Schema.decodeUnknownEffect(GoDuration.GoDuration)
      assert.isTrue(Duration.equals(yield* decode("0s"), Duration.zero))
      assert.strictEqual((yield* Effect.exit(decode("-1s")))._tag, "Failure")
    })
  )
})
