/**
 * The program's layers over an engine in memory: what SSH alone costs. Run like the program itself:
 * `node bench/InMemoryServer.ts serve --config FILE`.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as App from "../src/App.ts"
import * as ConsoleLog from "../src/layers/ConsoleLog.ts"
import * as FileHostKeys from "../src/layers/FileHostKeys.ts"
import * as InMemoryDocker from "../src/layers/InMemoryDocker.ts"
import * as Ssh2Server from "../src/layers/Ssh2Server.ts"
import { DockerRun } from "../src/services/DockerRun.ts"
import { Logger } from "../src/services/Logger.ts"
import { SshServer } from "../src/services/SshServer.ts"
import { image, memoryPrograms } from "./World.ts"

const block = new Uint8Array(256 * 1024)

/** `zeros BYTES` */
const zeros: InMemoryDocker.SimulatedProgram = Effect.fnUntraced(function* ({ arguments: [, bytes = "0"], stdout }) {
  for (let left = Number(bytes); left > 0; left -= block.length) {
    yield* stdout.write(left >= block.length ? block : block.subarray(0, left))
  }
  return 0
})

const swallow: InMemoryDocker.SimulatedProgram = ({ stdin }) => Effect.as(Stream.runDrain(stdin), 0)

const engine = InMemoryDocker.layer({
  // What is measured is the server, also after ten thousand connections.
  remembers: false,
  images: {
    [image]: {
      programs: { ...InMemoryDocker.standardPrograms, [memoryPrograms.zeros]: zeros, [memoryPrograms.swallow]: swallow }
    }
  }
})

const server = Ssh2Server.layer.pipe(
  Layer.provide([DockerRun.layer, App.authenticator, FileHostKeys.layer]),
  Layer.provide([engine, Logger.layer]),
  Layer.provide(ConsoleLog.layer),
  Layer.provide(NodeServices.layer)
)

const config = Option.fromNullishOr(process.argv[process.argv.indexOf("--config") + 1])

NodeRuntime.runMain(
  Effect.flatMap(SshServer, ({ run }) => run).pipe(
    Effect.scoped,
    Effect.provide(server.pipe(Layer.provide(App.configFile(config).pipe(Layer.provide(NodeServices.layer)))))
  )
)
