/** An SSH server that takes its users and its image from the environment, not from a configuration file. */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Config, Effect, Layer } from "effect"
import { Base64 } from "effect/encoding"
import { Authenticator, DockerodeDocker, DockerRun, DockerRunConfig, FileHostKeys } from "../src/index.ts"
import { Logger, type PublicKey, Ssh2Server, SshConfig, SshServer } from "../src/index.ts"

// Whoever has the private half of one key gets in, under any name.
const authenticator = Layer.effect(
  Authenticator,
  Effect.map(Config.String("PUBLIC_KEY"), (line) => {
    const accepts = (key: PublicKey) => line.split(" ")[1] === Base64.encode(key.blob)
    return Authenticator.of({
      methods: ["publickey"],
      mayUse: ({ key }) => Effect.succeed(accepts(key)),
      authenticate: (request) =>
        Effect.succeed(
          request._tag === "VerifiedKey" && accepts(request.key)
            ? { _tag: "Accepted", identity: { username: request.username, method: "publickey" } }
            : { _tag: "Rejected", reason: "UnknownKey" }
        )
    })
  })
)

const config = Layer.unwrap(
  Effect.gen(function* () {
    const image = yield* Config.String("GUEST_IMAGE")
    const listen = yield* Config.String("LISTEN").pipe(Config.withDefault("127.0.0.1:2222"))
    const container = { container: { Image: image }, host: { NetworkMode: "none" } }
    return Layer.mergeAll(
      SshConfig.layer({ listen }),
      DockerRunConfig.layer({ config: { ...container, shellCommand: ["/bin/sh"] } })
    )
  })
)

const server = Ssh2Server.layer.pipe(
  Layer.provide([DockerRun.layer, authenticator, FileHostKeys.layer]),
  Layer.provide([DockerodeDocker.layer, Logger.layer]),
  Layer.provide([config, NodeServices.layer])
)

NodeRuntime.runMain(SshServer.use(({ run }) => run).pipe(Effect.provide(server)))
