/** Clients that break the transport, or keep to it and ask for too much. Nobody else is to notice. */
import { randomBytes } from "node:crypto"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describeEngine } from "../support/Engine.ts"
import { handshake, type HandshakeClient, string } from "../support/HandshakeClient.ts"
import { password, startHostileServer, user } from "../support/HostileServer.ts"
import { payload, uint32 } from "../support/Payload.ts"

const ident = "SSH-2.0-x\r\n"
const mebibyte = 2 ** 20

const session = (id: number, window = 0x7fffffff) => payload(90, string("session"), uint32(id, window, 32_768))

const exec = (channel: number, command: string) =>
  payload(98, uint32(channel), string("exec"), Buffer.from([1]), string(command))

const openings: Readonly<Record<string, Uint8Array>> = {
  "noise in place of the identification": randomBytes(4_000),
  "an identification without end": Buffer.alloc(100_000, "A"),
  "lines in front of the identification": Buffer.from("no\r\n".repeat(5_000)),
  HTTP: Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
  "SSH 1": Buffer.from("SSH-1.5-x\r\n"),
  "noise behind the identification": Buffer.concat([Buffer.from(ident), randomBytes(4_000)]),
  "a packet of 4 GiB": Buffer.concat([Buffer.from(ident), uint32(0xffffffff), Buffer.alloc(1_000)]),
  "a packet of 35 001 bytes": Buffer.concat([Buffer.from(ident), uint32(35_001), Buffer.alloc(36_000)]),
  "a packet of nothing": Buffer.concat([Buffer.from(ident), uint32(0), Buffer.alloc(64)]),
  "more padding than packet": Buffer.concat([Buffer.from(ident), uint32(12), Buffer.alloc(12, 255)]),
  "a packet that ends early": Buffer.concat([Buffer.from(ident), uint32(1_000), Buffer.from([4, 20])]),
  "half of the identification": Buffer.from("SSH-2.0"),
  nothing: Buffer.alloc(0)
}

/** What is sent at once, and what then comes a byte at a time, for as long as anybody listens. */
const drips: ReadonlyArray<readonly [string, Uint8Array]> = [
  ["SSH-2.0-", Buffer.alloc(200, "x")],
  [ident, Buffer.concat([uint32(30_004), Buffer.alloc(1_000, 4)])]
]

const drip = (client: HandshakeClient, first: string, rest: Uint8Array) => {
  client.write(Buffer.from(first))
  let sent = 0
  const timer = setInterval(() => client.write(rest.subarray(sent, (sent += 1))), 50)
  return client.closed().finally(() => clearInterval(timer))
}

describeEngine("hostile clients", () => {
  it.live(
    "whatever they open with, and however slowly, they are shown out",
    () =>
      Effect.gen(function* () {
        const server = yield* startHostileServer({ loginGraceTime: "3s" })
        const before = server.rss()
        const all = Effect.forEach(
          Object.entries(openings),
          ([, bytes]) =>
            Effect.forEach(
              Array.from({ length: 15 }),
              () =>
                handshake(server.port, (client) => {
                  client.write(bytes)
                  return client.closed()
                }),
              { concurrency: "unbounded", discard: true }
            ),
          { concurrency: "unbounded", discard: true }
        )
        const slowly = Effect.forEach(
          Array.from({ length: 15 }).flatMap(() => drips),
          ([first, rest]) => handshake(server.port, (client) => drip(client, first, rest)),
          { concurrency: "unbounded", discard: true }
        )
        yield* Effect.all([all, slowly, server.bystanderGoesOn], { concurrency: "unbounded" })
        yield* server.bystanderGoesOn
        assert.isBelow(server.rss() - before, 100 * mebibyte)
        // Those who say nothing, half of it, or all of it too slowly.
        const timeouts = server.events.filter((event) => event["code"] === "DOCKERRUN_LOGIN_TIMEOUT")
        assert.isAtLeast(timeouts.length, 60)
      }),
    60_000
  )

  const afterLogin = (use: (client: HandshakeClient) => Promise<void>) =>
    Effect.gen(function* () {
      const server = yield* startHostileServer()
      const before = server.rss()
      const attack = handshake(
        server.port,
        async (client) => {
          await client.logIn(user, password)
          await use(client)
        },
        45_000
      )
      yield* Effect.all([attack, server.bystanderGoesOn], { concurrency: "unbounded" })
      yield* server.bystanderGoesOn
      assert.isBelow(server.rss() - before, 150 * mebibyte)
    })

  it.live(
    "a packet with a wrong tag ends the connection",
    () =>
      afterLogin(async (client) => {
        const packet = client.seal(session(0))
        packet[packet.length - 1] = (packet.at(-1) ?? 0) ^ 1
        client.write(packet)
        await client.closed()
      }),
    60_000
  )

  it.live(
    "thousands of channels are refused but for the ten that there may be",
    () =>
      afterLogin(async (client) => {
        const count = 5_000
        client.write(Buffer.concat(Array.from({ length: count }, (_, id) => client.seal(session(id)))))
        const answers = { 91: 0, 92: 0 }
        while (answers[91] + answers[92] < count) {
          const [number] = await client.receive()
          if (number === 91 || number === 92) answers[number] += 1
        }
        assert.deepStrictEqual(answers, { 91: 10, 92: count - 10 })
      }),
    60_000
  )

  it.live(
    "a flood of variables does not keep a program from being run",
    () =>
      afterLogin(async (client) => {
        client.send(session(0))
        const env = (n: number) =>
          payload(98, uint32(0), string("env"), Buffer.from([0]), string(`LC_${n}`), string("x".repeat(1_000)))
        for (let n = 0; n < 20_000; n += 1000) {
          client.write(Buffer.concat(Array.from({ length: 1000 }, (_, more) => client.seal(env(n + more)))))
        }
        client.send(exec(0, "echo done"))
        const data = await client.receiveMessage(94)
        assert.strictEqual(data.toString("utf8", 9), "done\n")
      }),
    60_000
  )

  it.live(
    "who asks for two gigabytes and reads nothing has them kept nowhere",
    () =>
      Effect.gen(function* () {
        const server = yield* startHostileServer()
        const before = server.rss()
        const run = Effect.runPromiseWith(yield* Effect.context<never>())
        const goesOn = () => run(server.bystanderGoesOn)
        yield* handshake(server.port, async (client) => {
          await client.logIn(user, password)
          client.send(session(0))
          client.send(exec(0, "zeros 2000000000"))
          await client.receiveMessage(94)
          client.stopReading()
          // The others' turn, many times over: what would be piled up would be piled up by then.
          for (let turn = 0; turn < 100; turn += 1) await goesOn()
        })
        assert.isBelow(server.rss() - before, 100 * mebibyte)
      }),
    60_000
  )
})
