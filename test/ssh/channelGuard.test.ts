import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describeEngine } from "../support/Engine.ts"
import { handshake, type HandshakeClient, string } from "../support/HandshakeClient.ts"
import { ssh } from "../support/OpenSsh.ts"
import { SharedServer } from "../support/Server.ts"

const user = "channel-guard"
const password = "correct horse battery staple"

const uint32 = (...values: ReadonlyArray<number>) => {
  const bytes = Buffer.alloc(4 * values.length)
  for (const [index, value] of values.entries()) bytes.writeUInt32BE(value, 4 * index)
  return bytes
}

const message = (number: number, ...parts: ReadonlyArray<Buffer>) => Buffer.concat([Buffer.from([number]), ...parts])

/** Logs in, and opens a session that takes packets of that size. */
const openSession = async (client: HandshakeClient, packetSize: number) => {
  await client.exchangeKeys({ kex: ["curve25519-sha256"] })
  await client.requestService()
  const login = [string(user), string("ssh-connection"), string("password"), Buffer.from([0]), string(password)]
  client.send(message(50, ...login))
  await client.receiveMessage(52)
  client.send(message(90, string("session"), uint32(0, 2_000_000, packetSize)))
}

/** The last words of the server. */
const lastWords = async (client: HandshakeClient) => {
  for (;;) {
    const payload = await client.receive()
    if (payload[0] === 1) return payload.toString("utf8", 9, 9 + payload.readUInt32BE(5))
  }
}

describeEngine("a client that does with its channels what it may not", () => {
  const program = (server: { readonly port: number }) => ssh({ port: server.port, user, password, command: "echo in" })

  layer(SharedServer.start({ user, users: { [user]: { password } } }))((it) => {
    it.effect.each([0, 1, 255])("is shown out when it takes packets of %d bytes, and others go on", (size) =>
      Effect.gen(function* () {
        const server = yield* SharedServer
        const words = yield* handshake(server.port, async (client) => {
          await openSession(client, size)
          client.send(message(98, uint32(0), string("exec"), Buffer.from([1]), string("echo in")))
          return lastWords(client)
        })
        assert.include(words, `packets of ${size} bytes are not served`)
        assert.strictEqual((yield* program(server)).stdout, "in\n")
      })
    )

    it.effect("is shown out when it sends more than its window allows", () =>
      Effect.gen(function* () {
        const server = yield* SharedServer
        const words = yield* handshake(server.port, async (client) => {
          await openSession(client, 32_768)
          const confirmed = await client.receiveMessage(91)
          const window = confirmed.readUInt32BE(9)
          client.send(message(98, uint32(0), string("exec"), Buffer.from([1]), string("sleep 60")))
          await client.receiveMessage(99)
          const chunk = string(Buffer.alloc(32_000))
          // Nobody reads: what a container's pipe and the window take is all that there is.
          for (let sent = 0; sent < 8 * window; sent += 32_000) client.send(message(94, uint32(0), chunk))
          return lastWords(client)
        })
        assert.include(words, "more data was sent on a channel than its window allows")
        assert.strictEqual((yield* program(server)).stdout, "in\n")
      })
    )
  })
})
