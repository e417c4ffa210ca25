import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type ClientOptions, handshake, hybrid, string } from "../../support/HandshakeClient.ts"
import { listening, loginlessServer } from "../../support/LoginlessServer.ts"

const fails = (port: number, options: ClientOptions) =>
  handshake(port, (client) => client.exchangeKeys(options)).pipe(Effect.flip)

const x25519Part = (init: Buffer) => init.subarray(1184)

describe("the key exchange of ML-KEM and X25519", () => {
  it.live("comes to the keys to which a client comes that was written from the draft, again and again", () =>
    Effect.gen(function* () {
      const port = yield* listening
      yield* handshake(port, async (client) => {
        const first = await client.exchangeKeys({ kex: [hybrid, "curve25519-sha256"] })
        assert.strictEqual(first.reply.length, 1088 + 32)
        assert.strictEqual((await client.requestService())[0], 6)
        assert.strictEqual(await client.askMethods("alice"), "publickey,password")
        // Another one, and one in which the client has changed its mind, on the same connection.
        const second = await client.exchangeKeys({ kex: [hybrid] })
        assert.notDeepEqual(second.exchangeHash, first.exchangeHash)
        assert.strictEqual(await client.askMethods("alice"), "publickey,password")
        const third = await client.exchangeKeys({ kex: ["curve25519-sha256", hybrid] })
        assert.strictEqual(third.reply.length, 32)
        assert.strictEqual(await client.askMethods("alice"), "publickey,password")
        await client.exchangeKeys({ kex: [hybrid] })
        assert.strictEqual(await client.askMethods("alice"), "publickey,password")
      })
    }).pipe(Effect.provide(loginlessServer()))
  )

  it.live("is offered first, and left to clients that prefer another", () =>
    Effect.gen(function* () {
      const port = yield* listening
      const { kexAlgorithms, reply } = yield* handshake(port, (client) =>
        client.exchangeKeys({ kex: ["curve25519-sha256", hybrid] })
      )
      assert.deepStrictEqual(kexAlgorithms, [
        hybrid,
        "curve25519-sha256",
        "curve25519-sha256@libssh.org",
        "diffie-hellman-group16-sha512",
        "kex-strict-s-v00@openssh.com"
      ])
      assert.strictEqual(reply.length, 32)
    }).pipe(Effect.provide(loginlessServer()))
  )

  it.live("passes over a wrong guess of the client", () =>
    Effect.gen(function* () {
      const port = yield* listening
      const wrongGuess = Buffer.concat([Buffer.from([30]), string(Buffer.alloc(32, 9))])
      const { reply } = yield* handshake(port, (client) =>
        client.exchangeKeys({ kex: ["sntrup761x25519-sha512@openssh.com", hybrid], wrongGuess })
      )
      assert.strictEqual(reply.length, 1088 + 32)
    }).pipe(Effect.provide(loginlessServer()))
  )

  it.live("can be all that there is; then its relative, under whose name ssh2 sees it, is not there", () =>
    Effect.gen(function* () {
      const port = yield* listening
      const { kexAlgorithms } = yield* handshake(port, (client) =>
        client.exchangeKeys({ kex: ["curve25519-sha256", hybrid] })
      )
      assert.deepStrictEqual(kexAlgorithms, [hybrid, "kex-strict-s-v00@openssh.com"])
    }).pipe(Effect.provide(loginlessServer({ kex: [hybrid] })))
  )

  it.live("can be left out", () =>
    Effect.gen(function* () {
      const port = yield* listening
      const { kexAlgorithms } = yield* handshake(port, (client) =>
        client.exchangeKeys({ kex: [hybrid, "curve25519-sha256"] })
      )
      assert.deepStrictEqual(kexAlgorithms, ["curve25519-sha256", "kex-strict-s-v00@openssh.com"])
    }).pipe(Effect.provide(loginlessServer({ kex: ["curve25519-sha256"] })))
  )

  it.live("ends with what is not a client's half, and the server goes on", () =>
    Effect.gen(function* () {
      const port = yield* listening
      const wrong: Record<string, (honest: Buffer) => Buffer> = {
        nothing: () => Buffer.alloc(0),
        "a byte too few": (honest) => honest.subarray(1),
        "a byte too many": (honest) => Buffer.concat([honest, Buffer.from([0])]),
        "X25519 alone": x25519Part,
        "ML-KEM alone": (honest) => honest.subarray(0, 1184),
        "a coefficient out of range": (honest) => Buffer.concat([Buffer.alloc(1184, 0xff), x25519Part(honest)]),
        "a point of X25519 that leads to zeros": (honest) => Buffer.concat([honest.subarray(0, 1184), Buffer.alloc(32)])
      }
      for (const [what, init] of Object.entries(wrong)) {
        const error = yield* fails(port, { kex: [hybrid], init })
        assert.match(error.message, /disconnected with reason 3|closed the connection/u, what)
      }
      const zeros = yield* fails(port, { kex: ["curve25519-sha256"], init: () => Buffer.alloc(32) })
      assert.match(zeros.message, /disconnected with reason 3|closed the connection/u)
      // The halves in the wrong order are of the right length.
      yield* fails(port, {
        kex: [hybrid],
        init: (honest) => Buffer.concat([x25519Part(honest), honest.subarray(0, 1184)])
      })
      yield* handshake(port, (client) => client.exchangeKeys({ kex: [hybrid] }))
    }).pipe(Effect.provide(loginlessServer()))
  )
})
