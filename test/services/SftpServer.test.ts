import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as InMemoryDocker from "../../src/layers/InMemoryDocker.ts"
import * as ByteSink from "../../src/services/ByteSink.ts"
import * as ContainerFiles from "../../src/services/ContainerFiles.ts"
import { Docker } from "../../src/services/Docker.ts"
import { InMemoryEngine } from "../../src/services/InMemoryEngine.ts"
import * as SftpServer from "../../src/services/SftpServer.ts"
import { ServerError } from "../../src/schema/DockerError.ts"
import { sftpClient } from "../support/SftpClient.ts"

const world = InMemoryDocker.layer({ images: { "files:1": { files: { "/etc/motd": "hello\n", "/srv/a/b": "x" } } } })

const serve = Effect.gen(function* () {
  const docker = yield* Docker
  const container = yield* docker.createContainer({ config: { Image: "files:1" }, host: {}, network: {} })
  yield* docker.startContainer(container)
  const files = yield* ContainerFiles.make(container, undefined)
  const output = yield* ByteSink.makePipe()
  const server = yield* SftpServer.start(
    files,
    { directory: "/srv", uid: 0, gid: 0 },
    { stdout: output.sink, stderr: ByteSink.discard }
  )
  return { files, server, client: yield* sftpClient(server.stdin, output.stream) }
})

describe("the server for SFTP over an engine's archives", () => {
  it.effect("reads a file from any place, in any order, and says where it ends", () =>
    Effect.gen(function* () {
      const { client } = yield* serve
      const handle = yield* client.open("/etc/motd", 1)
      assert.strictEqual(yield* client.read(handle, 2, 3), "llo")
      assert.strictEqual(yield* client.read(handle, 0, 100), "hello\n")
      assert.strictEqual(yield* client.read(handle, 5, 100), "\n")
      assert.strictEqual(yield* client.read(handle, 6, 100), 1)
      assert.strictEqual(yield* client.status(4, handle), 0)
      assert.strictEqual(yield* client.read(handle, 0, 1), 4)
    }).pipe(Effect.provide(world))
  )

  it.effect("changes a file in its middle and keeps the rest; nothing is there before it is closed", () =>
    Effect.gen(function* () {
      const { client, files } = yield* serve
      const handle = yield* client.open("/etc/motd", 2)
      yield* client.write(handle, 1, "u")
      const before = yield* Stream.mkString(Stream.decodeText(files.read("/etc/motd")))
      assert.strictEqual(before, "hello\n")
      assert.strictEqual(yield* client.status(4, handle), 0)
      assert.strictEqual(yield* Stream.mkString(Stream.decodeText(files.read("/etc/motd"))), "hullo\n")
    }).pipe(Effect.provide(world))
  )

  it.effect("tells the client at the close when the engine does not take the file", () =>
    Effect.gen(function* () {
      const { client } = yield* serve
      const { addFaults } = yield* InMemoryEngine
      const handle = yield* client.open("new", 0x1a)
      yield* client.write(handle, 0, "bytes")
      yield* addFaults([
        { operation: "putArchive", effect: { _tag: "Fail", reason: new ServerError({ status: 500, message: "full" }) } }
      ])
      assert.strictEqual(yield* client.status(4, handle), 4)
      assert.strictEqual(yield* client.status(17, "new"), 2)
    }).pipe(Effect.provide(world))
  )

  it.effect("refuses the handle that is one too many, and takes it when another was closed", () =>
    Effect.gen(function* () {
      const { client } = yield* serve
      const handles = yield* Effect.forEach(Array.from({ length: 100 }), () => client.open("/etc/motd", 1))
      assert.strictEqual(yield* Effect.flip(client.open("/etc/motd", 1)), 4)
      assert.strictEqual(yield* client.status(4, handles[0] ?? ""), 0)
      yield* client.open("/etc/motd", 1)
    }).pipe(Effect.provide(world))
  )

  it.effect(
    "keeps what was written when the input ends without a close, and ends with 0; with 1 for what is no SFTP",
    () =>
      Effect.gen(function* () {
        const first = yield* serve
        const handle = yield* first.client.open("part", 0x1a)
        yield* first.client.write(handle, 0, "half")
        first.server.stdin.end()
        assert.strictEqual(yield* first.server.exit, 0)
        assert.strictEqual(yield* Stream.mkString(Stream.decodeText(first.files.read("/srv/part"))), "half")
        const second = yield* serve
        second.server.stdin.write(Buffer.from("GET / HTTP/1.1\r\n"))
        assert.strictEqual(yield* second.server.exit, 1)
      }).pipe(Effect.provide(world))
  )
})
