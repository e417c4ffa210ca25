import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as EngineAddress from "../../../src/layers/dockerode/EngineAddress.ts"

const tls: EngineAddress.EngineTls = { ca: "CA", cert: "CERT", key: Redacted.make("KEY"), verify: true }

const endpoint = (url: string, material?: EngineAddress.EngineTls) =>
  Effect.map(EngineAddress.parse({ url, origin: "config", tls: material }), (address) => address.endpoint)

describe("EngineAddress", () => {
  it.effect("reads every form of a connect URL", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* endpoint("unix:///var/run/docker.sock"), {
        _tag: "Socket",
        path: "/var/run/docker.sock"
      })
      assert.deepStrictEqual(yield* endpoint("npipe:////./pipe/docker_engine"), {
        _tag: "Socket",
        path: "//./pipe/docker_engine"
      })
      assert.deepStrictEqual(yield* endpoint("tcp://engine"), { _tag: "Tcp", hostname: "engine", port: 2375 })
      assert.deepStrictEqual(yield* endpoint("tcp://[::1]:9"), { _tag: "Tcp", hostname: "::1", port: 9 })
      assert.deepStrictEqual(yield* endpoint("http://engine:80/"), { _tag: "Tcp", hostname: "engine", port: 80 })
      assert.deepStrictEqual(yield* endpoint("https://engine"), {
        _tag: "Tcp",
        hostname: "engine",
        port: 443,
        tls: { verify: true }
      })
    })
  )

  it.effect("tcp:// with TLS material means TLS", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* endpoint("tcp://engine", tls), { _tag: "Tcp", hostname: "engine", port: 2376, tls })
      assert.deepStrictEqual(yield* endpoint("https://engine:1", tls), {
        _tag: "Tcp",
        hostname: "engine",
        port: 1,
        tls
      })
    })
  )

  it.effect("says what is wrong with an address, and shows no password", () =>
    Effect.gen(function* () {
      for (const [url, word] of [
        ["ssh://me@engine", "ssh://"],
        ["/var/run/docker.sock", "begins with none of"],
        ["unix://", "path of the socket"],
        ["tcp://engine:99999", "malformed"],
        ["tcp://engine/prefix", "path behind the host"],
        ["https://me:secret@engine", "user name or password"]
      ] as const) {
        const error = yield* Effect.flip(endpoint(url))
        assert.strictEqual(error.reason._tag, "BadRequest", url)
        assert.include(error.message, word)
        assert.notInclude(error.message, "secret")
        assert.isFalse(error.isTransient)
      }
      assert.include((yield* Effect.flip(endpoint("http://engine", tls))).message, "is not TLS")
    })
  )
})
