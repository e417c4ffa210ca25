/**
 * Requests that no client ever sends, sealed properly so that they get to the code behind the transport. The numbers come
 * from a seed: what fails once fails again.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describeEngine } from "../support/Engine.ts"
import { handshake, type HandshakeClient, string } from "../support/HandshakeClient.ts"
import { password, startHostileServer, user } from "../support/HostileServer.ts"
import { payload, uint32 } from "../support/Payload.ts"

const inputs = 100_000
/** So many of them are malformed. */
const malformed = 5_000
/** So many inputs between two questions whose answer says that the server has seen them all. */
const perQuestion = { wellFormed: 100, malformed: 10 }

/** xorshift32: small, and the same everywhere. */
const numbers = (seed: number) => {
  let state = seed
  return (below: number) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

type Random = ReturnType<typeof numbers>

const words = [
  "session",
  "exec",
  "shell",
  "subsystem",
  "sftp",
  "env",
  "pty-req",
  "window-change",
  "signal",
  "direct-tcpip",
  "direct-streamlocal@openssh.com",
  "tcpip-forward",
  "cancel-tcpip-forward",
  "streamlocal-forward@openssh.com",
  "cancel-streamlocal-forward@openssh.com",
  "auth-agent-req@openssh.com",
  "x11-req",
  "hostkeys-prove-00@openssh.com",
  "no-more-sessions@openssh.com",
  "keepalive@openssh.com",
  "eow@openssh.com",
  "break",
  "__proto__",
  "constructor",
  "toString",
  "",
  "\u0000",
  "../../../etc/passwd",
  "127.0.0.1",
  "LANG",
  "KILL",
  "true",
  "echo x",
  "é\u{1F600}\u202E"
]

const extremes = [0, 1, 2, 80, 255, 256, 32_768, 65_535, 65_536, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff]

const aNumber = (random: Random) => uint32(random(2) === 0 ? random(12) : (extremes[random(extremes.length)] ?? 0))

const aString = (random: Random) => {
  switch (random(8)) {
    case 0:
      return string(Buffer.from(Array.from({ length: random(64) }, () => random(256))))
    case 1:
      return string("A".repeat(random(4_000)))
    // Whole strings inside of a string: terminal modes, keys to prove.
    case 2:
      return string(
        Buffer.concat([string(words[random(words.length)] ?? ""), aNumber(random), Buffer.from([random(256)])])
      )
    default:
      return string(words[random(words.length)] ?? "")
  }
}

const aBoolean = (random: Random) => Buffer.from([random(3)])

/** A name that nobody listens to: fields that do not fit a known one end the connection, which is for {@link broken}. */
const aStrangeName = (random: Random) => string(`${words[17 + random(words.length - 17)] ?? ""}${random(1_000)}`)

/** Terminal modes: an opcode and its value each, speeds first as everybody has them, and the end. */
const modes = (random: Random) =>
  string(
    Buffer.concat([
      Buffer.from([129, 0, 0, 150, 0]),
      ...Array.from({ length: random(40) }, () => Buffer.concat([Buffer.from([50 + random(10)]), aNumber(random)])),
      Buffer.from([0])
    ])
  )

/** Requests whose fields are of the right kind, with contents of every kind. */
const shapes: ReadonlyArray<(random: Random) => Buffer> = [
  // Global requests.
  (random) => payload(80, aString(random), aBoolean(random), aString(random), aNumber(random)),
  (random) => payload(80, string(words[11 + random(4)] ?? ""), aBoolean(random), aString(random), aNumber(random)),
  // Channels of every kind.
  (random) => payload(90, aStrangeName(random), aNumber(random), aNumber(random), uint32(256 + random(70_000))),
  (random) =>
    payload(
      90,
      string(words[9 + random(2)] ?? ""),
      aNumber(random),
      aNumber(random),
      uint32(32_768),
      aString(random),
      aNumber(random),
      aString(random),
      aNumber(random)
    ),
  // Requests on the two sessions that are open, with fields of every kind.
  (random) => payload(98, uint32(random(2)), aStrangeName(random), aBoolean(random), aString(random), aNumber(random)),
  (random) => payload(98, uint32(random(2)), string("env"), aBoolean(random), aString(random), aString(random)),
  (random) =>
    payload(
      98,
      uint32(random(2)),
      string("pty-req"),
      aBoolean(random),
      aString(random),
      aNumber(random),
      aNumber(random),
      aNumber(random),
      aNumber(random),
      modes(random)
    ),
  (random) =>
    payload(
      98,
      uint32(random(2)),
      string("window-change"),
      Buffer.from([0]),
      aNumber(random),
      aNumber(random),
      aNumber(random),
      aNumber(random)
    ),
  (random) => payload(98, uint32(random(2)), string("signal"), aBoolean(random), aString(random)),
  (random) => payload(98, uint32(random(2)), string("subsystem"), aBoolean(random), aString(random)),
  (random) =>
    payload(
      98,
      uint32(random(2)),
      string("x11-req"),
      aBoolean(random),
      aBoolean(random),
      aString(random),
      aString(random),
      aNumber(random)
    ),
  // Data and room for data.
  (random) => payload(94, uint32(random(2)), aString(random)),
  (random) => payload(93, uint32(random(2)), uint32(random(1_000)))
]

const aShape = (random: Random) => shapes[random(shapes.length)]?.(random) ?? payload(80)

/**
 * Not the end of the connection, and not the beginning of a key exchange: until that is done, the server rightly answers
 * nothing else.
 */
const aMessage = (random: Random) => {
  const number = random(256)
  return number === 1 || number === 20 ? 0 : number
}

/** Bytes that are changed, missing, or too many: one in some twenty ends the connection, a cut one nearly always. */
const broken = (random: Random) => {
  const bytes = aShape(random)
  if (random(40) === 0) return bytes.subarray(0, 1 + random(bytes.length))
  switch (random(4)) {
    case 0:
      return Buffer.concat([bytes, Buffer.from(Array.from({ length: 1 + random(9) }, () => random(256)))])
    case 1:
      return Buffer.concat([Buffer.from([aMessage(random)]), bytes.subarray(1)])
    case 2:
      bytes[1 + random(bytes.length - 1)] = random(256)
      return bytes
    case 3:
      return payload(98, uint32(random(3)), aString(random), aBoolean(random), aString(random), aNumber(random))
    default:
      return payload(aMessage(random), ...Array.from({ length: random(6) }, () => aNumber(random)))
  }
}

/** An unknown kind of channel, whose refusal names the number that was asked with. */
const question = (number: number) => payload(90, string("question@test"), uint32(number, 0, 32_768))

const answer = async (client: HandshakeClient, number: number) => {
  for (;;) {
    const received = await client.receive()
    if (received[0] === 92 && received.readUInt32BE(1) === number) return
  }
}

describeEngine("a client whose requests are made of chance", () => {
  it.live(
    "does not get the server down, nor its memory up, nor in the way of others",
    () =>
      Effect.gen(function* () {
        const server = yield* startHostileServer()
        const random = numbers(20_040_425)
        const seen = { wellFormed: 0, malformed: 0 }
        let connections = 0
        let settled = 0
        const visit = async (client: HandshakeClient) => {
          await client.logIn(user, password)
          for (const id of [0, 1]) client.send(payload(90, string("session"), uint32(id, 65_536, 32_768)))
          for (let round = 1; ; round += 1) {
            const kind =
              seen.malformed * (inputs - malformed) < seen.wellFormed * malformed ? "malformed" : "wellFormed"
            const make = kind === "malformed" ? broken : aShape
            const packets = Array.from({ length: perQuestion[kind] }, () => client.seal(make(random)))
            client.write(Buffer.concat([...packets, client.seal(question(1_000_000 + round))]))
            // Of those that end the connection the first one was seen for certain.
            seen[kind] += 1
            await answer(client, 1_000_000 + round)
            seen[kind] += perQuestion[kind] - 1
            if (round % 100 === 0 || seen.wellFormed + seen.malformed >= inputs) return
          }
        }
        const visits = Effect.fnUntraced(function* (looksAfterOthers: boolean) {
          while (seen.wellFormed + seen.malformed < inputs) {
            connections += 1
            // A server that lets nobody in passes no test.
            assert.isBelow(connections, 1_000)
            yield* Effect.ignore(handshake(server.port, visit, 20_000))
            if (looksAfterOthers && connections % 20 === 0) yield* server.bystanderGoesOn
            if (seen.wellFormed >= inputs / 4 && settled === 0) settled = server.rss()
          }
        })
        yield* Effect.all([visits(true), visits(false)], { concurrency: "unbounded" })
        assert.isAtLeast(seen.malformed, malformed * 0.9)
        process.stdout.write(
          `${seen.wellFormed} well-formed and ${seen.malformed} malformed, ${connections} connections\n`
        )
        yield* server.bystanderGoesOn
        assert.isBelow(server.rss() - settled, 100 * 2 ** 20)
      }),
    300_000
  )
})
