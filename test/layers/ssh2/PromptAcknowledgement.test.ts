import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as FileSystem from "effect/FileSystem"
import * as FileHostKeys from "../../../src/layers/FileHostKeys.ts"
import * as InMemoryDocker from "../../../src/layers/InMemoryDocker.ts"
import * as Ssh2Server from "../../../src/layers/Ssh2Server.ts"
import { Authenticator } from "../../../src/services/Authenticator.ts"
import { DockerRun } from "../../../src/services/DockerRun.ts"
import { DockerRunConfig } from "../../../src/services/DockerRunConfig.ts"
import { Logger } from "../../../src/services/Logger.ts"
import { SshConfig } from "../../../src/services/SshConfig.ts"
import { SshServer } from "../../../src/services/SshServer.ts"
import { handshake } from "../../support/HandshakeClient.ts"

const server = Ssh2Server.layer.pipe(
  Layer.provide([DockerRun.layer, Authenticator.layerTest(() => false), FileHostKeys.layer]),
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
      const { address, run } = yield* SshServer
      yield* Effect.forkScoped(run, { startImmediately: true })
      assert.strictEqual(yield* heldBack(address.port, "OpenSSH_9.2p1 Debian-2+deb12u10"), 8)
      assert.strictEqual(yield* heldBack(address.port, "PuTTY_Release_0.78"), 0)
    }).pipe(Effect.provide(server))
  )
})
