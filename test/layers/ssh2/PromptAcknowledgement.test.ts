import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { handshake } from "../../support/HandshakeClient.ts"
import { listening, loginlessServer } from "../../support/LoginlessServer.ts"

/** Bytes of the server's KEXINIT that are not there when the first ones are, before the client has sent its own. */
const heldBack = (port: number, software: string) =>
  handshake(port, async (client) => {
    await client.identify(software)
    const total = 4 + (await client.peek(4)).readUInt32BE()
    const { length } = await client.peek(total - 8)
    // And then everything goes its way.
    await client.exchangeKeys({ kex: ["curve25519-sha256"] })
    assert.strictEqual((await client.requestService())[0], 6)
    return total - length
  })

describe("a client's KEXINIT", () => {
  it.live("is acknowledged at once, by the end of the server's, where the client waits for that", () =>
    Effect.gen(function* () {
      const port = yield* listening
      assert.strictEqual(yield* heldBack(port, "OpenSSH_9.2p1 Debian-2+deb12u10"), 8)
      assert.strictEqual(yield* heldBack(port, "PuTTY_Release_0.78"), 0)
    }).pipe(Effect.provide(loginlessServer()))
  )
})
