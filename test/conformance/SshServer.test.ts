/** The black-box suite over SSH against the server on each engine. */
import { NodeServices } from "@effect/platform-node"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { afterAll, describe, it } from "vitest"
import * as FileHostKeys from "../../src/layers/FileHostKeys.ts"
import * as InMemoryDocker from "../../src/layers/InMemoryDocker.ts"
import * as Ssh2Server from "../../src/layers/Ssh2Server.ts"
import { Authenticator } from "../../src/services/Authenticator.ts"
import { DockerRun } from "../../src/services/DockerRun.ts"
import { DockerRunConfig } from "../../src/services/DockerRunConfig.ts"
import { Logger } from "../../src/services/Logger.ts"
import { SshConfig } from "../../src/services/SshConfig.ts"
import { SshServer } from "../../src/services/SshServer.ts"
import { describeSshConformance, SshTarget, trapCommand } from "../../src/testing/index.ts"
import { describeEngine } from "../support/Engine.ts"
import { startServer } from "../support/Server.ts"

const username = "conformance"
const password = "correct horse battery staple"

describe("the server over InMemoryDocker is an SSH server", () => {
  const engine = InMemoryDocker.layer({
    images: {
      "memory:1": {
        scripts: {
          [trapCommand]: ({ stdout, trap }) =>
            trap("USR1", Effect.as(stdout.write("caught\n"), 7)).pipe(
              Effect.andThen(stdout.write("ready\n")),
              Effect.andThen(Effect.never)
            )
        }
      }
    }
  })
  const authenticator = Authenticator.layerTest(
    (request) =>
      request._tag === "Password" && request.username === username && Redacted.value(request.password) === password
  )
  const sshConfig = Layer.unwrap(
    Effect.gen(function* () {
      const directory = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
      return SshConfig.layer({ listen: "127.0.0.1:0", hostkeyDirectory: directory })
    })
  )
  const server = Ssh2Server.layer.pipe(
    Layer.provide([DockerRun.layer, authenticator, FileHostKeys.layer]),
    Layer.provide([
      engine,
      Layer.succeed(Logger, { log: () => Effect.void }),
      sshConfig,
      DockerRunConfig.layer({ config: { container: { Image: "memory:1" }, shellCommand: ["/bin/sh"] } })
    ]),
    Layer.provide(NodeServices.layer)
  )
  const target = Layer.effect(
    SshTarget,
    Effect.gen(function* () {
      const { address, run } = yield* SshServer
      yield* Effect.forkScoped(run)
      return { ...address, username, password }
    })
  ).pipe(Layer.provide(server))

  describeSshConformance({ afterAll, describe, it }, target)
})

describeEngine("the program `dockerrun serve` on a real engine is an SSH server", () => {
  const target = Layer.effect(
    SshTarget,
    Effect.map(startServer({ users: { [username]: { password } } }), ({ port }) => ({
      host: "127.0.0.1",
      port,
      username,
      password
    }))
  )

  describeSshConformance({ afterAll, describe, it }, target)
})
