import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { SshLimits } from "../../src/schema/SshLimits.ts"
import { Network } from "../../src/schema/Network.ts"
import { Admission, blockOf, type Place, refusedPercent } from "../../src/services/Admission.ts"
import { SshConfig } from "../../src/services/SshConfig.ts"

/** A gate with the limits, as a configuration would write them, and `random` for chance. */
const makeGate = Effect.fnUntraced(function* (
  section: Parameters<typeof SshConfig.layer>[0],
  random: () => number = Math.random
) {
  const limits: SshLimits = yield* SshConfig.pipe(Effect.provide(SshConfig.layer(section)))
  return yield* (yield* Admission)(limits).pipe(
    Effect.provideService(Random.Random, { nextIntUnsafe: () => 0, nextDoubleUnsafe: random })
  )
})

const none = { maxStartups: 1_000_000, maxStartupsPerAddress: 0 }

const take = (entered: Result.Result<Place, unknown>): Place => Result.getOrThrow(entered)

const tag = (result: Result.Result<unknown, { readonly reason: { readonly _tag: string } }>): string =>
  Result.isFailure(result) ? result.failure.reason._tag : "in"

describe("maxStartups", () => {
  it.each([
    [0, 0],
    [9, 0],
    [10, 30],
    [11, 30],
    [55, 65],
    [99, 99],
    [100, 100],
    [500, 100]
  ] as const)("10:30:100 with %i waiting refuses %i of a hundred", (startups, percent) => {
    assert.strictEqual(refusedPercent({ start: 10, rate: 30, full: 100 }, startups), percent)
  })

  it.prop(
    "never refuses below its start, always from full on, and never fewer when more wait",
    {
      start: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 500 })),
      more: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 500 })),
      rate: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 }))
    },
    ({ more, rate, start }) => {
      const limit = { start, rate, full: start + more }
      const percents = Array.from({ length: start + more + 5 }, (_, startups) => refusedPercent(limit, startups))
      assert.isTrue(percents.slice(0, start).every((percent) => percent === 0))
      assert.isTrue(percents.slice(start + more).every((percent) => percent === 100))
      assert.isTrue(percents.every((percent, index) => index === 0 || percent >= (percents[index - 1] ?? 0)))
      if (more > 0) assert.strictEqual(percents[start], rate)
    }
  )

  it.effect("is a matter of chance between the two, and of the draw alone", () =>
    Effect.gen(function* () {
      let draw = 0.999
      const gate = yield* makeGate({ maxStartups: "2:50:4", maxStartupsPerAddress: 0 }, () => draw)
      const first = take(gate.enter())
      take(gate.enter())
      draw = 0.499
      assert.strictEqual(tag(gate.enter()), "TooManyStartups")
      draw = 0.5
      take(gate.enter())
      // Three: 75 of a hundred.
      draw = 0.749
      assert.strictEqual(tag(gate.enter()), "TooManyStartups")
      draw = 0.999
      take(gate.enter())
      assert.strictEqual(tag(gate.enter()), "TooManyStartups")
      first.release()
      first.release()
      take(gate.enter())
      assert.strictEqual(tag(gate.enter()), "TooManyStartups")
    })
  )

  it.effect("does not count who has logged in", () =>
    Effect.gen(function* () {
      const gate = yield* makeGate({ maxStartups: 1, maxStartupsPerAddress: 1 })
      for (let number = 0; number < 5; number += 1) {
        const place = take(gate.enter())
        assert.strictEqual(tag(place.identify("192.0.2.7")), "in")
        assert.strictEqual(tag(gate.enter()), "TooManyStartups")
        yield* place.login("alice")
      }
    })
  )
})

describe("addresses", () => {
  it.each([
    ["192.0.2.7", "192.0.2.7"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2::9", "2001:db8:1:2::/64"],
    ["fe80::1%eth0", "fe80::/64"]
  ] as const)("%s is counted as %s", (address, block) => {
    assert.strictEqual(blockOf(address), block)
  })

  it.effect("are limited each on its own before the login", () =>
    Effect.gen(function* () {
      const gate = yield* makeGate({ ...none, maxStartupsPerAddress: 2 })
      const enter = (address: string) => take(gate.enter()).identify(address)
      assert.deepStrictEqual(
        ["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1", "192.0.2.7"].map((address) =>
          tag(enter(address))
        ),
        ["in", "in", "TooManyStartupsOfAddress", "in", "in"]
      )
    })
  )

  it.effect("allow and deny: deny wins, and what is not allowed is denied", () =>
    Effect.gen(function* () {
      const gate = yield* makeGate({
        ...none,
        allow: ["192.0.2.0/24", "2001:db8::/32"],
        deny: ["192.0.2.66", "2001:db8:bad::/48"]
      })
      const enter = (address: string) => tag(take(gate.enter()).identify(address))
      assert.strictEqual(enter("192.0.2.7"), "in")
      assert.strictEqual(enter("::ffff:192.0.2.7"), "in")
      assert.strictEqual(enter("2001:db8::1"), "in")
      assert.strictEqual(enter("192.0.2.66"), "AddressDenied")
      assert.strictEqual(enter("2001:db8:bad::1"), "AddressDenied")
      assert.strictEqual(enter("198.51.100.1"), "AddressDenied")
      assert.strictEqual(enter("nonsense"), "AddressDenied")
    })
  )

  it.effect("a list names networks and addresses, and nothing else", () =>
    Effect.gen(function* () {
      const decode = Schema.decodeUnknownEffect(Schema.Array(Network))
      yield* decode(["10.0.0.0/8", "::1", "192.0.2.7", "2001:db8::/32"])
      for (const wrong of ["10.0.0.0/33", "example.com", "10.0.0", "", "10.0.0.0/"]) {
        yield* Effect.flip(decode([wrong]))
      }
    })
  )
})

describe("connections after the login", () => {
  it.effect("are limited per user and per address, and the message says how many there may be", () =>
    Effect.gen(function* () {
      const gate = yield* makeGate({ ...none, maxConnectionsPerUser: 2, maxConnectionsPerAddress: 3 })
      const login = Effect.fnUntraced(function* (user: string, address: string) {
        const place = take(gate.enter())
        place.identify(address)
        const result = yield* Effect.result(place.login(user))
        if (Result.isFailure(result)) place.release()
        return { place, result }
      })
      const first = yield* login("alice", "192.0.2.1")
      yield* login("alice", "192.0.2.1")
      const third = yield* login("alice", "192.0.2.1")
      assert.strictEqual(tag(third.result), "TooManyConnectionsOfUser")
      assert.include(Result.isFailure(third.result) ? third.result.failure.message : "", "you have 2 connections")
      yield* login("bob", "192.0.2.1")
      assert.strictEqual(tag((yield* login("carol", "192.0.2.1")).result), "TooManyConnectionsOfAddress")
      assert.strictEqual(tag((yield* login("carol", "192.0.2.2")).result), "in")
      first.place.release()
      first.place.release()
      assert.strictEqual(tag((yield* login("alice", "192.0.2.1")).result), "in")
      assert.strictEqual(tag((yield* login("alice", "192.0.2.9")).result), "TooManyConnectionsOfUser")
    })
  )

  it.effect("a place that was given back before its client proved itself counts for nobody", () =>
    Effect.gen(function* () {
      const gate = yield* makeGate({ ...none, maxStartups: 1, maxConnectionsPerUser: 1 })
      const gone = take(gate.enter())
      gone.release()
      gone.identify("192.0.2.1")
      yield* gone.login("alice")
      const place = take(gate.enter())
      yield* place.login("alice")
    })
  )
})

/** What may happen to one of the connections of a run. */
const Step = Schema.Struct({
  connection: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 7 })),
  action: Schema.Literals(["enter", "identify", "login", "release"])
})

describe("counters", () => {
  it.effect.prop(
    "whatever connections do, in whatever order, no limit is exceeded, and nothing is left when all have gone",
    { steps: Schema.Array(Step).check(Schema.isMaxLength(200)) },
    ({ steps }) =>
      Effect.gen(function* () {
        const limit = { startups: 4, address: 2, user: 2 }
        const gate = yield* makeGate({
          maxStartups: limit.startups,
          maxStartupsPerAddress: limit.address,
          maxConnectionsPerUser: limit.user
        })
        interface Connection {
          readonly place: Place
          state: "waiting" | "identified" | "in"
        }
        const open = new Map<number, Connection>()
        const count = (state: ReadonlyArray<string>, parity?: number) =>
          [...open].filter(([number, c]) => state.includes(c.state) && (parity ?? number % 2) === number % 2).length
        for (const { action, connection } of steps) {
          const known = open.get(connection)
          const parity = connection % 2
          if (action === "enter" && known === undefined) {
            const expected = count(["waiting", "identified"]) < limit.startups
            const entered = gate.enter()
            assert.strictEqual(Result.isSuccess(entered), expected)
            if (Result.isSuccess(entered)) open.set(connection, { place: entered.success, state: "waiting" })
          } else if (action === "identify" && known?.state === "waiting") {
            const expected = count(["identified"], parity) < limit.address
            assert.strictEqual(Result.isSuccess(known.place.identify(`192.0.2.${parity}`)), expected)
            if (expected) known.state = "identified"
          } else if (action === "login" && known?.state === "identified") {
            const expected = count(["in"], parity) < limit.user
            const result = yield* Effect.result(known.place.login(`user ${parity}`))
            assert.strictEqual(Result.isSuccess(result), expected)
            if (expected) known.state = "in"
          } else if (action === "release" && known !== undefined) {
            known.place.release()
            open.delete(connection)
          }
        }
        for (const { place } of open.values()) place.release()
        const all = Array.from({ length: limit.startups }, (_, number) => ({ number, place: take(gate.enter()) }))
        assert.isTrue(Result.isFailure(gate.enter()))
        for (const { number, place } of all) {
          assert.isTrue(Result.isSuccess(place.identify(`192.0.2.${number % 2}`)))
          yield* place.login(`user ${number % 2}`)
        }
      })
  )
})
