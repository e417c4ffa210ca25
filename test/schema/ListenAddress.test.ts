import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ListenAddress } from "../../src/schema/ListenAddress.ts"

describe("ListenAddress", () => {
  it.effect.each([
    ["127.0.0.1:2222", { host: "127.0.0.1", port: 2222 }],
    ["localhost:22", { host: "localhost", port: 22 }],
    ["[::1]:2222", { host: "::1", port: 2222 }],
    ["[fe80::1%eth0]:2222", { host: "fe80::1%eth0", port: 2222 }],
    [":2222", { port: 2222 }],
    ["127.0.0.1:0", { host: "127.0.0.1", port: 0 }]
  ] as const)("%j", ([text, address]) =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* Schema.decodeUnknownEffect(ListenAddress)(text), address)
      assert.strictEqual(yield* Schema.encodeEffect(ListenAddress)(address), text)
    })
  )

  it.effect.each(["", "2222", "host", "host:", "::1:2222", "[::1]", "host:65536", "host:-1", "a b:1", "host:22x"])(
    "refuses %j",
    (text) =>
      Effect.gen(function* () {
        assert.strictEqual((yield* Effect.exit(Schema.decodeUnknownEffect(ListenAddress)(text)))._tag, "Failure")
      })
  )
})
