import { open, readFile } from "node:fs/promises"
import { join } from "node:path"
import { createHash, randomFillSync } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { pause, waitFor } from "../support/Deadline.ts"
import { describeEngine, waitForContainers } from "../support/Engine.ts"
import { harnessError } from "../support/HarnessError.ts"
import { controlMaster, ssh, startSsh } from "../support/OpenSsh.ts"
import { SharedServer, type TestServer } from "../support/Server.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"

const user = "volume"

const mebibyte = 1_048_576

/** A file of random bytes, and their digest. */
const randomFile = Effect.fnUntraced(function* (mebibytes: number) {
  const file = join(yield* temporaryDirectory, "random")
  const sha256 = yield* Effect.tryPromise({
    try: async () => {
      const digest = createHash("sha256")
      const handle = await open(file, "w")
      const block = Buffer.alloc(mebibyte)
      for (let written = 0; written < mebibytes; written += 1) {
        randomFillSync(block)
        digest.update(block)
        await handle.write(block)
      }
      await handle.close()
      return digest.digest("hex")
    },
    catch: harnessError("making a random file")
  })
  return { file, sha256 }
})

/** All bytes that the server has read so far, from sockets and files. */
const bytesRead = (server: TestServer) =>
  Effect.tryPromise({
    try: async () => Number(/^rchar: (\d+)$/mu.exec(await readFile(`/proc/${server.pid}/io`, "utf8"))?.[1]),
    catch: harnessError("reading the server's counters")
  })

/** Waits until the server has read more than so many bytes since `before`, and then reads no more. */
const untilSteady = Effect.fnUntraced(function* (server: TestServer, before: number, atLeast: number) {
  yield* waitFor(
    "bytes to flow",
    Effect.map(bytesRead(server), (now) => now - before > atLeast)
  )
  return yield* waitFor(
    "the flow to stop",
    Effect.gen(function* () {
      const now = yield* bytesRead(server)
      yield* pause(1_000)
      // An idle server reads a few bytes now and then.
      return (yield* bytesRead(server)) - now < 4_096 ? now - before : undefined
    }),
    60_000
  )
})

const megabytesPerSecond = (bytes: number, milliseconds: number) => (bytes / 1_000 / milliseconds).toFixed(0)

describeEngine("large volumes through ssh", () => {
  layer(SharedServer.start({ user }))((it) => {
    it.effect(
      "64 MiB of random bytes go up and come down unchanged",
      () =>
        Effect.gen(function* () {
          const size = 64
          const { file, sha256 } = yield* randomFile(size)
          const { target } = yield* controlMaster((yield* SharedServer).target)
          const deadline = 120_000
          const up = yield* ssh({ ...target, command: "cat >/tmp/random", stdin: { file }, deadline })
          assert.deepStrictEqual([up.status, up.stderr], [0, ""])
          const kept = yield* ssh({ ...target, command: "sha256sum </tmp/random", deadline })
          assert.strictEqual(kept.stdout, `${sha256}  -\n`)
          const down = yield* ssh({ ...target, command: "cat /tmp/random", keepOutput: false, deadline })
          assert.deepStrictEqual([down.status, down.length, down.sha256], [0, size * mebibyte, sha256])
          process.stdout.write(
            `${size} MiB: up ${megabytesPerSecond(down.length, up.elapsed)} MB/s, down ${megabytesPerSecond(down.length, down.elapsed)} MB/s\n`
          )
          const both = yield* ssh({ ...target, command: "cat", stdin: { file }, keepOutput: false, deadline })
          assert.deepStrictEqual([both.status, both.sha256], [0, sha256])
        }),
      240_000
    )

    it.effect(
      "a client that stops reading stops the program, and the server's memory does not grow",
      () =>
        Effect.gen(function* () {
          const server = yield* SharedServer
          const { target } = yield* controlMaster(server.target)
          yield* ssh({ ...target, command: "true" })
          const before = yield* bytesRead(server)
          const memory = server.rss()
          // Two outputs, neither of which anybody reads.
          const one = yield* startSsh({ ...server.target, command: "cat /dev/zero" })
          const other = yield* startSsh({ ...server.target, command: "cat /dev/zero >&2" })
          const taken = yield* untilSteady(server, before, 2 * mebibyte)
          process.stdout.write(
            `unread downloads: ${(taken / 1e6).toFixed(1)} MB read from the engine, memory ${((server.rss() - memory) / 1e6).toFixed(1)} MB up\n`
          )
          assert.isBelow(taken, 64 * mebibyte)
          assert.isBelow(server.rss() - memory, 96 * mebibyte)
          // Others on the same server go on.
          assert.strictEqual((yield* ssh({ ...target, command: "echo alive" })).stdout, "alive\n")
          // When it leaves, nobody waits for what it never read: an engine would do so for ten seconds.
          yield* waitForContainers(3, user)
          yield* one.kill("SIGKILL")
          yield* other.kill("SIGKILL")
          yield* waitForContainers(1, user, 6_000)
        }),
      120_000
    )

    it.effect(
      "a program that does not read stops the client, and the server's memory does not grow",
      () =>
        Effect.gen(function* () {
          const server = yield* SharedServer
          const { target } = yield* controlMaster(server.target)
          yield* ssh({ ...target, command: "true" })
          const before = yield* bytesRead(server)
          const memory = server.rss()
          yield* startSsh({ ...server.target, command: "sleep 300", stdin: { file: "/dev/zero" } })
          const taken = yield* untilSteady(server, before, mebibyte)
          process.stdout.write(
            `unread upload: ${(taken / 1e6).toFixed(1)} MB read from the client, memory ${((server.rss() - memory) / 1e6).toFixed(1)} MB up\n`
          )
          assert.isBelow(taken, 64 * mebibyte)
          assert.isBelow(server.rss() - memory, 96 * mebibyte)
          assert.strictEqual((yield* ssh({ ...target, command: "echo alive" })).stdout, "alive\n")
        }),
      120_000
    )

    it.effect(
      "a reader that pauses for a while gets everything in the end",
      () =>
        Effect.gen(function* () {
          const server = yield* SharedServer
          const before = yield* bytesRead(server)
          const program = yield* startSsh({ ...server.target, command: "head -c 50000000 /dev/zero; exit 6" })
          yield* untilSteady(server, before, 2 * mebibyte)
          let length = 0
          program.stdout.on("data", (chunk: Buffer) => (length += chunk.length))
          assert.strictEqual((yield* program.closed).status, 6)
          assert.strictEqual(length, 50_000_000)
        }),
      120_000
    )
  })
})
