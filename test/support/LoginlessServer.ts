/** The SSH server inside of a test's own process, on an engine in memory, into which nobody gets: for what comes before a login. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as FileHostKeys from "../../src/layers/FileHostKeys.ts"
import * as InMemoryDocker from "../../src/layers/InMemoryDocker.ts"
import * as Ssh2Server from "../../src/layers/Ssh2Server.ts"
import { Authenticator } from "../../src/services/Authenticator.ts"
import { DockerRun } from "../../src/services/DockerRun.ts"
import { DockerRunConfig } from "../../src/services/DockerRunConfig.ts"
import { Logger } from "../../src/services/Logger.ts"
import { SshConfig } from "../../src/services/SshConfig.ts"
import { SshServer } from "../../src/services/SshServer.ts"

type SshSection = Parameters<typeof SshConfig.layer>[0]

/** @param authenticator refuses every login */
export const loginlessServer = (
  section: SshSection = {},
  authenticator: Layer.Layer<Authenticator> = Authenticator.layerTest(() => false)
) =>
  Ssh2Server.layer.pipe(
    Layer.provide([DockerRun.layer, authenticator, FileHostKeys.layer]),
    Layer.provide([
      InMemoryDocker.layer(),
      Layer.succeed(Logger, { log: () => Effect.void }),
      DockerRunConfig.layer({ config: { disableShell: true } }),
      Layer.unwrap(
        Effect.gen(function* () {
          const directory = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
          return SshConfig.layer({ listen: "127.0.0.1:0", hostkeyDirectory: directory, ...section })
        })
      )
    ]),
    Layer.provide(NodeServices.layer)
  )

/** Has the server serve for as long as the Scope is open; gives its port. */
export const listening = Effect.gen(function* () {
  const { address, run } = yield* SshServer
  yield* Effect.forkScoped(run, { startImmediately: true })
  return address.port
})
