import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import { Accounts, server } from "../../examples/tenants.ts"
import { DockerodeDocker, DockerRunConfig, InMemoryDocker, SshConfig, SshServer } from "../../src/index.ts"
import { describeEngine, engine } from "../support/Engine.ts"
import { connectClient, execOn } from "../support/Ssh2Client.ts"

const image = "dockerrun-test/tiny:1"
const tokenHash = createHash("sha256").update("ada's token").digest("hex")

const environment = Layer.mergeAll(
  Accounts.layer({ ada: { tokenHash, plan: "pro" } }),
  DockerRunConfig.layer({
    config: { container: { Image: image }, host: { NetworkMode: "none" }, shellCommand: ["/bin/sh"] }
  }),
  Layer.unwrap(
    Effect.gen(function* () {
      const directory = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
      return SshConfig.layer({ listen: "127.0.0.1:0", hostkeyDirectory: directory })
    })
  ).pipe(Layer.provide(NodeFileSystem.layer)),
  Layer.succeed(References.MinimumLogLevel, "None")
)

/** What a user reads who logs in and runs a command. */
const runAs = Effect.fnUntraced(function* (password: string, command: string) {
  const { address, run } = yield* SshServer
  yield* Effect.forkScoped(run)
  const client = yield* connectClient({ ...address, user: "ada", password })
  const channel = yield* execOn(client, command)
  const status = yield* channel.closed()
  return { stdout: channel.stdout(), status }
}, Effect.scoped)

describe("examples/tenants.ts, on an engine in memory", () => {
  const app = server.pipe(Layer.provide(InMemoryDocker.layer({ images: { [image]: {} } })), Layer.provide(environment))

  it.live("serves SSH to its users", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* runAs("ada's token", "echo hello; exit 3"), { stdout: "hello\n", status: 3 })
    }).pipe(Effect.provide(app))
  )

  it.live("refuses others", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(runAs("a guess", "echo hello"))
      assert.include(error.message, "authentication")
    }).pipe(Effect.provide(app))
  )
})

describeEngine("examples/tenants.ts, on the real engine", () => {
  it.live("gives each user a container of his own name", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* runAs("ada's token", "hostname"), { stdout: "ada\n", status: 0 })
    }).pipe(
      Effect.provide(
        Layer.unwrap(
          Effect.sync(() =>
            server.pipe(Layer.provide(DockerodeDocker.layerHost({ host: engine().host })), Layer.provide(environment))
          )
        )
      )
    )
  )
})
