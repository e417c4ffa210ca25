import { connect } from "node:net"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import * as FileHostKeys from "../../src/layers/FileHostKeys.ts"
import * as InMemoryDocker from "../../src/layers/InMemoryDocker.ts"
import * as Ssh2Server from "../../src/layers/Ssh2Server.ts"
import { Authenticator } from "../../src/services/Authenticator.ts"
import { DockerRun } from "../../src/services/DockerRun.ts"
import { DockerRunConfig } from "../../src/services/DockerRunConfig.ts"
import { Logger } from "../../src/services/Logger.ts"
import { SshConfig } from "../../src/services/SshConfig.ts"
import { SshServer } from "../../src/services/SshServer.ts"
import { within } from "../support/Deadline.ts"

const server = Ssh2Server.layer.pipe(
  Layer.provide([DockerRun.layer, Authenticator.layerDenyAll, FileHostKeys.layer]),
  Layer.provide([
    InMemoryDocker.layer(),
    Layer.succeed(Logger, { log: () => Effect.void }),
    DockerRunConfig.layer({ config: { disableShell: true } }),
    Layer.unwrap(
      Effect.gen(function* () {
        const directory = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
        return SshConfig.layer({ listen: "127.0.0.1:0", hostkeyDirectory: directory })
      })
    )
  ]),
  Layer.provide(NodeServices.layer)
)

/** A client that has heard the server's identification, and said `greeting`; waits until the server lets go of it. */
const client = Effect.fnUntraced(function* (port: number, greeting: string) {
  const socket = yield* Effect.acquireRelease(
    Effect.sync(() => connect(port, "127.0.0.1")),
    (socket) => Effect.sync(() => socket.destroy())
  )
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()))
  yield* Effect.promise(() => new Promise<void>((resolve) => socket.once("data", () => resolve())))
  socket.write(greeting)
  return { isOpen: () => !socket.closed, closed: Effect.promise(() => closed) }
})

describe("a client that does not log in", () => {
  it.effect.each([
    ["says nothing at all", ""],
    ["stops in its identification", "SSH-2.0-half"],
    ["stops after it", "SSH-2.0-silent\r\n"]
  ] as const)("and %s is turned away after two minutes", ([, greeting]) =>
    Effect.gen(function* () {
      const { address, run } = yield* SshServer
      yield* Effect.forkScoped(run, { startImmediately: true })
      const { closed, isOpen } = yield* client(address.port, greeting)
      yield* TestClock.adjust("119 seconds")
      assert.isTrue(isOpen())
      yield* TestClock.adjust("2 seconds")
      yield* within(closed, 10_000, () => "the server to close the connection")
    }).pipe(Effect.provide(server))
  )
})
