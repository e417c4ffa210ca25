import { Socket } from "node:net"
import { setImmediate } from "node:timers/promises"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Predicate from "effect/Predicate"
import ssh2, { type Algorithms, type Client, type ClientChannel, type ServerChannel } from "ssh2"
import * as ChannelSink from "../../../src/layers/ssh2/ChannelSink.ts"
import * as PacketSize from "../../../src/layers/ssh2/PacketSize.ts"
import * as ByteSink from "../../../src/services/ByteSink.ts"
import { pause, waitFor } from "../../support/Deadline.ts"
import { type HarnessError, harnessError } from "../../support/HarnessError.ts"
import { connectClient, makeHostKey } from "../../support/Ssh2Client.ts"

const routes = { direct: ChannelSink.make, plain: ChannelSink.makePlain }

/** Both ends of an SSH channel on a real connection. Nobody reads yet on the client's side. */
const open = Effect.fnUntraced(function* (
  route: keyof typeof routes,
  { algorithms, packetSize }: { readonly packetSize?: number; readonly algorithms?: Algorithms } = {}
) {
  let server: ServerChannel | undefined
  let isClosed = false
  const listener = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const made = new ssh2.Server({ hostKeys: [makeHostKey()] }, (connection) => {
        connection.on("error", () => connection.end())
        connection.on("authentication", (context) => context.accept())
        connection.on("session", (accept) => {
          const session = accept()
          PacketSize.raise(session)
          session.on("exec", (acceptExec) => {
            server = acceptExec()
          })
          // The channel's own event waits until what the client sent has been read.
          session.on("close", () => {
            isClosed = true
          })
        })
      })
      return made.listen(0, "127.0.0.1")
    }),
    (made) => Effect.sync(() => made.close())
  )
  const port = yield* waitFor(
    "the server to listen",
    Effect.sync(() => {
      const address = listener.address()
      return typeof address === "object" && address !== null && "port" in address ? address.port : undefined
    })
  )
  const connection = yield* connectClient({ port, user: "anybody" }, algorithms === undefined ? {} : { algorithms })
  if (packetSize !== undefined) sayPacketSize(connection, packetSize)
  const client = yield* Effect.callback<ClientChannel, HarnessError>((resume) => {
    connection.exec("anything", (error, channel) =>
      resume(error === undefined ? Effect.succeed(channel) : Effect.fail(harnessError("exec")(error)))
    )
  })
  const channel = yield* waitFor(
    "the server's channel",
    Effect.sync(() => server)
  )
  const { stderr, stdout } = routes[route](
    channel,
    () => isClosed,
    () => {}
  )
  return { client, connection, channel, stdout, stderr, isClosed: () => isClosed }
})

/** Has a client say, of each channel that it opens, how large the packets may be. */
const sayPacketSize = (client: Client, packetSize: number) => {
  const protocol: unknown = Reflect.get(client, "_protocol")
  assert(Predicate.hasProperty(protocol, "session") && Predicate.isFunction(protocol.session))
  const session = protocol.session
  protocol.session = (channel: number, window: number): void =>
    void Reflect.apply(session, protocol, [channel, window, packetSize])
}

const read = (stream: NodeJS.ReadableStream) => {
  const chunks: Array<Buffer> = []
  stream.on("data", (chunk: Buffer) => chunks.push(chunk))
  return () => Buffer.concat(chunks)
}

const everyByte = Uint8Array.from({ length: 256 }, (_, index) => index)

/** More than a client's window (2 MiB) and all buffers on the way hold. */
const tooMuch = 16 * 1024 * 1024

describe.each(["direct", "plain"] as const)("ChannelSink, %s", (route) => {
  const openChannel = open(route)

  it.effect("keeps the two outputs apart, byte for byte", () =>
    Effect.gen(function* () {
      const { channel, client, stderr, stdout } = yield* openChannel
      const [out, err] = [read(client), read(client.stderr)]
      assert.isTrue(stdout.write(everyByte))
      assert.isTrue(stderr.write(everyByte.toReversed()))
      assert.isTrue(stdout.write(new Uint8Array(0)))
      yield* ChannelSink.flush(channel)
      yield* waitFor(
        "both outputs",
        Effect.sync(() => out().length === 256 && err().length === 256)
      )
      assert.deepStrictEqual([...out()], [...everyByte])
      assert.deepStrictEqual([...err()], Array.from(everyByte).toReversed())
    })
  )

  it.effect("the end of one output is not the end of the channel", () =>
    Effect.gen(function* () {
      const { channel, client, stderr, stdout } = yield* openChannel
      const err = read(client.stderr)
      stdout.end()
      stdout.end()
      stderr.write(Buffer.from("later"))
      yield* ChannelSink.flush(channel)
      yield* waitFor(
        "what came later",
        Effect.sync(() => err().toString() === "later")
      )
      assert.isTrue(channel.writable)
    })
  )

  it.effect("asks for a pause while the client does not read, and drains when it does", () =>
    Effect.gen(function* () {
      const { client, stdout } = yield* openChannel
      let drained = 0
      stdout.onDrain(() => {
        drained += 1
      })
      let written = 0
      const chunk = new Uint8Array(65_536)
      yield* waitFor(
        "a pause that lasts",
        Effect.gen(function* () {
          const before = drained
          while (written < tooMuch) {
            written += chunk.length
            if (!stdout.write(chunk)) break
          }
          yield* pause(50)
          return drained === before
        })
      )
      assert.isBelow(written, tooMuch)
      const before = drained
      const out = read(client)
      yield* waitFor(
        "the drain",
        Effect.sync(() => drained > before)
      )
      yield* waitFor(
        "all that was written",
        Effect.sync(() => out().length === written)
      )
    })
  )

  it.effect("a stream of any length flows through it, with one drain callback", () =>
    Effect.gen(function* () {
      const { channel, client, stdout } = yield* openChannel
      const out = read(client)
      const chunks = Array.from({ length: 200 }, (_, index) => new Uint8Array(65_536).fill(index))
      yield* Stream.run(Stream.fromIterable(chunks), ByteSink.toSink(stdout))
      yield* ChannelSink.flush(channel)
      yield* waitFor(
        "all of it",
        Effect.sync(() => out().length === 200 * 65_536)
      )
      assert.isTrue(out().equals(Buffer.concat(chunks)))
      assert.isBelow(channel.listenerCount("drain"), 5)
    })
  )

  it.effect("flush waits for the client's window, on both outputs", () =>
    Effect.gen(function* () {
      const { channel, client, stderr } = yield* openChannel
      // One window for both: what is stuck on one is seen on the other.
      for (let written = 0; written < tooMuch; written += 65_536) stderr.write(new Uint8Array(65_536))
      const flushed = yield* Effect.forkChild(ChannelSink.flush(channel), { startImmediately: true })
      yield* pause(100)
      assert.isUndefined(flushed.pollUnsafe())
      client.resume()
      client.stderr.resume()
      yield* Fiber.join(flushed)
    })
  )

  it.effect("a channel that the client closed takes everything, drops it, and keeps nobody waiting", () =>
    Effect.gen(function* () {
      const { channel, client, isClosed, stderr, stdout } = yield* openChannel
      client.close()
      yield* waitFor("the close", Effect.sync(isClosed))
      for (let written = 0; written < tooMuch; written += 1024 * 1024) {
        assert.isTrue(stdout.write(new Uint8Array(1024 * 1024)))
        assert.isTrue(stderr.write(new Uint8Array(1024 * 1024)))
      }
      yield* Stream.run(Stream.make(everyByte, everyByte), ByteSink.toSink(stdout))
      yield* ChannelSink.flush(channel)
    })
  )

  it.effect.each([0, 1, 1500])("a client that says that packets may have %d bytes gets all of it", (packetSize) =>
    Effect.gen(function* () {
      const { channel, client, stderr, stdout } = yield* open(route, { packetSize })
      const [out, err] = [read(client), read(client.stderr)]
      const bytes = new Uint8Array(300_000).map((_, index) => index % 251)
      stdout.write(bytes)
      stderr.write(everyByte)
      yield* ChannelSink.flush(channel)
      yield* waitFor(
        "both outputs",
        Effect.sync(() => out().length === bytes.length && err().length === 256)
      )
      assert.isTrue(out().equals(bytes))
    })
  )

  it.effect("a key exchange in the middle of the output changes nothing of it", () =>
    Effect.gen(function* () {
      const { channel, client, connection, stdout } = yield* openChannel
      const out = read(client)
      let exchanges = 0
      connection.on("handshake", () => {
        exchanges += 1
      })
      const chunks = Array.from({ length: 200 }, (_, index) => new Uint8Array(65_536).fill(index))
      const protocol: unknown = Reflect.get(connection, "_protocol")
      assert(Predicate.hasProperty(protocol, "rekey") && Predicate.isFunction(protocol.rekey))
      const rekey = protocol.rekey
      let written = 0
      yield* Stream.run(
        Stream.fromIterable(chunks).pipe(
          Stream.tap(() =>
            Effect.sync(() => {
              written += 1
              if (written === 20) Reflect.apply(rekey, protocol, [])
            })
          )
        ),
        ByteSink.toSink(stdout)
      )
      yield* ChannelSink.flush(channel)
      yield* waitFor(
        "all of it",
        Effect.sync(() => out().length === 200 * 65_536 && exchanges > 0)
      )
      assert.isTrue(out().equals(Buffer.concat(chunks)))
    })
  )

  it.effect("a channel that is closed while its output waits for the window keeps nobody waiting", () =>
    Effect.gen(function* () {
      const { channel, client, isClosed, stderr, stdout } = yield* openChannel
      for (let written = 0; written < tooMuch && stdout.write(new Uint8Array(65_536)); written += 65_536) continue
      client.close()
      yield* waitFor("the close", Effect.sync(isClosed))
      assert.isTrue(stdout.write(everyByte))
      assert.isTrue(stderr.write(everyByte))
      channel.end()
    })
  )
})

describe("ChannelSink, direct", () => {
  it.effect("the version of ssh2 that is installed has the short way, and another channel has not", () =>
    Effect.gen(function* () {
      const { stdout } = yield* open("direct")
      assert.isTrue(stdout.copies)
      assert.isUndefined((yield* open("plain")).stdout.copies)
    })
  )

  it.effect("the bytes are the writer's again when write returns, also those that wait", () =>
    Effect.gen(function* () {
      const { channel, client, stdout } = yield* open("direct")
      const shared = new Uint8Array(65_536)
      const expected: Array<Uint8Array> = []
      for (let index = 0; index < 64; index += 1) {
        shared.fill(index)
        expected.push(new Uint8Array(shared))
        stdout.write(shared)
      }
      shared.fill(255)
      const out = read(client)
      yield* ChannelSink.flush(channel)
      yield* waitFor(
        "all of it",
        Effect.sync(() => out().length === 64 * 65_536)
      )
      assert.isTrue(out().equals(Buffer.concat(expected)))
    })
  )

  it.effect("each output comes once and whole, when one has waited for the window and then the other does", () =>
    Effect.gen(function* () {
      const { channel, client, stderr, stdout } = yield* open("direct")
      const [out, err] = [read(client), read(client.stderr)]
      const chunks = (first: number) =>
        Array.from({ length: 100 }, (_, index) => new Uint8Array(65_536).fill(first + index))
      yield* Stream.run(Stream.fromIterable(chunks(0)), ByteSink.toSink(stdout))
      yield* Stream.run(Stream.fromIterable(chunks(100)), ByteSink.toSink(stderr))
      // ssh2's own writing goes the same way, and waits for its turn.
      channel.write("the end")
      yield* ChannelSink.flush(channel)
      yield* waitFor(
        "both outputs",
        Effect.sync(() => out().length >= 100 * 65_536 + 7 && err().length >= 100 * 65_536)
      )
      assert.isTrue(out().equals(Buffer.concat([...chunks(0), Buffer.from("the end")])))
      assert.isTrue(err().equals(Buffer.concat(chunks(100))))
    })
  )

  it.effect.each<Algorithms>([
    { cipher: ["aes128-gcm@openssh.com"] },
    { cipher: ["aes256-gcm@openssh.com"] },
    { cipher: ["chacha20-poly1305@openssh.com"] },
    { cipher: ["aes128-ctr"] },
    { cipher: ["aes128-gcm@openssh.com"], compress: ["zlib@openssh.com"] }
  ])(
    "with $cipher and $compress, each output is whole, in pieces of any size, among ssh2's own packets",
    (algorithms) =>
      Effect.gen(function* () {
        const { channel, client, connection, stderr, stdout } = yield* open("direct", { algorithms })
        const [out, err] = [read(client), read(client.stderr)]
        let status: unknown
        let exchanges = 0
        connection.on("handshake", () => {
          exchanges += 1
        })
        client.on("exit", (code: unknown) => (status = code))
        const [sentOut, sentErr]: [Array<Buffer>, Array<Buffer>] = [[], []]
        const protocol: unknown = Reflect.get(connection, "_protocol")
        assert(Predicate.hasProperty(protocol, "rekey") && Predicate.isFunction(protocol.rekey))
        for (let index = 0; index < 120; index += 1) {
          // From nothing to more than a packet holds, and all in between.
          const bytes = Buffer.alloc(Math.floor(1.1 ** index) - 1, index)
          sentOut.push(bytes)
          stdout.write(bytes)
          if (index % 3 === 0) {
            sentErr.push(bytes.subarray(0, 5000))
            stderr.write(bytes.subarray(0, 5000))
          }
          if (index % 7 === 0) channel.write("")
          if (index % 11 === 0 || index > 90) yield* Effect.promise(() => setImmediate())
          if (index === 90) Reflect.apply(protocol.rekey, protocol, [])
          if (index === 110) {
            yield* waitFor(
              "the other keys",
              Effect.sync(() => exchanges === 1)
            )
          }
        }
        // In one turn with the last bytes, several packets of them.
        stdout.write(sentOut[119] ?? everyByte)
        sentOut.push(sentOut[119] ?? Buffer.from(everyByte))
        channel.exit(7)
        channel.end()
        yield* waitFor(
          "the end",
          Effect.sync(() => status === 7)
        )
        assert.isTrue(out().equals(Buffer.concat(sentOut)))
        assert.isTrue(err().equals(Buffer.concat(sentErr)))
      })
  )

  it.effect("what is written in one turn comes in as few packets as hold it", () =>
    Effect.gen(function* () {
      const { client, stdout } = yield* open("direct")
      const lengths: Array<number> = []
      client.on("data", (chunk: Buffer) => lengths.push(chunk.length))
      for (let index = 0; index < 40; index += 1) stdout.write(new Uint8Array(1000))
      yield* waitFor(
        "all of it",
        Effect.sync(() => lengths.reduce((sum, length) => sum + length, 0) === 40_000)
      )
      assert.deepStrictEqual(lengths, [32_768, 7232])
    })
  )

  it.effect("what the system takes at once is written from one buffer, also before Node says that it is written", () =>
    Effect.gen(function* () {
      const { channel, stdout } = yield* open("direct", { algorithms: { cipher: ["aes128-gcm@openssh.com"] } })
      const client: unknown = Reflect.get(channel, "_client")
      assert(Predicate.hasProperty(client, "_sock") && client._sock instanceof Socket)
      const buffers = new Set<unknown>()
      client._sock._write = (packets: Buffer, _encoding, callback) => {
        buffers.add(packets.buffer)
        callback()
      }
      for (let index = 0; index < 7; index += 1) stdout.write(new Uint8Array(256 * 1024))
      assert.strictEqual(buffers.size, 1)
    })
  )
})
