import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as FailureTime from "../../../src/layers/authenticator/FailureTime.ts"

const hide = FailureTime.hide((accepted: boolean) => !accepted)

/** When an answer arrives, in milliseconds of the test clock. */
const answeredAfter = Effect.fnUntraced(function* (decision: Effect.Effect<boolean>) {
  const fiber = yield* Effect.forkChild(hide(decision), { startImmediately: true })
  let elapsed = 0
  while (fiber.pollUnsafe() === undefined && elapsed < 10_000) {
    yield* TestClock.adjust("1 millis")
    elapsed++
  }
  yield* Fiber.join(fiber)
  return elapsed
})

const spending = (milliseconds: number, answer: boolean) => Effect.as(Effect.sleep(milliseconds), answer)

describe("the time of a refusal", () => {
  it.effect("is the next slot of 8, 16, 32, … ms, whatever was spent in it", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* answeredAfter(Effect.succeed(false)), 8)
      assert.strictEqual(yield* answeredAfter(spending(3, false)), 8)
      assert.strictEqual(yield* answeredAfter(spending(9, false)), 16)
      assert.strictEqual(yield* answeredAfter(spending(130, false)), 256)
      assert.strictEqual(yield* answeredAfter(spending(250, false)), 256)
    })
  )

  it.effect("does not hold up whom it lets in", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* answeredAfter(spending(130, true)), 130)
    })
  )
})
