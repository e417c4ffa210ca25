/** The only place where layers are put together. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as BcryptPasswordHasher from "./layers/BcryptPasswordHasher.ts"
import * as ClusterAdmission from "./layers/ClusterAdmission.ts"
import * as ClusterWorkers from "./layers/ClusterWorkers.ts"
import * as ConfigAuthenticator from "./layers/ConfigAuthenticator.ts"
import * as ConsoleLog from "./layers/ConsoleLog.ts"
import * as DockerodeDocker from "./layers/DockerodeDocker.ts"
import * as EmbeddedDocker from "./layers/EmbeddedDocker.ts"
import * as FileHostKeys from "./layers/FileHostKeys.ts"
import * as FileInstance from "./layers/FileInstance.ts"
import * as FileStatus from "./layers/FileStatus.ts"
import * as FileSpool from "./layers/FileSpool.ts"
import * as ProcessSignals from "./layers/ProcessSignals.ts"
import * as Ssh2Server from "./layers/Ssh2Server.ts"
import * as YamlConfig from "./layers/YamlConfig.ts"
import type { DockerError } from "./schema/DockerError.ts"
import type { WorkerCount } from "./schema/WorkerCount.ts"
import * as ContainerEvents from "./services/ContainerEvents.ts"
import { Docker } from "./services/Docker.ts"
import { DockerRun } from "./services/DockerRun.ts"
import { DockerRunConfig } from "./services/DockerRunConfig.ts"
import { EngineConfig } from "./services/EngineConfig.ts"
import * as EngineCircuit from "./services/EngineCircuit.ts"
import * as EngineGate from "./services/EngineGate.ts"
import { Logger } from "./services/Logger.ts"
import * as Reaper from "./services/Reaper.ts"
import { SshServer } from "./services/SshServer.ts"

/** The configuration from a file, or, without one, from defaults; `DOCKERRUN_…` variables override both. */
export const configFile = (path: Option.Option<string>) =>
  Option.match(path, {
    onNone: () => configText(""),
    onSome: (file) => YamlConfig.layer({ path: file })
  })

/** The configuration from a text; `DOCKERRUN_…` variables override it. */
export const configText = (text: string) => YamlConfig.layerText({ text })

/** What containers run on, given a configuration. */
const docker = Layer.unwrap(
  Effect.map(EngineConfig, (kind): Layer.Layer<Docker, DockerError, DockerRunConfig> =>
    kind === "embedded" ? EmbeddedDocker.layer() : DockerodeDocker.layer
  )
)

/** The engine behind its gate and its circuit, given a configuration and the log. */
const guarded = EngineCircuit.layer.pipe(Layer.provide(EngineGate.layer), Layer.provide(docker))

/** The same with the log, given a configuration. */
export const engine = guarded.pipe(Layer.provideMerge(Logger.layer))

/** Who gets in, given a configuration. */
export const authenticator = ConfigAuthenticator.layer.pipe(Layer.provide(BcryptPasswordHasher.layer))

/** Everything that a server is made of, given a configuration. */
const server = Ssh2Server.layer.pipe(
  Layer.provide([
    DockerRun.layer.pipe(Layer.provide(ContainerEvents.layer)),
    authenticator,
    FileHostKeys.layer,
    ProcessSignals.layer
  ]),
  Layer.provideMerge(FileSpool.layer()),
  Layer.provideMerge(guarded),
  // Around the engine, which says there how it is.
  Layer.provideMerge(FileStatus.layer),
  Layer.provideMerge(FileInstance.layer),
  Layer.provideMerge([Logger.layer, ConsoleLog.layer]),
  Layer.provide(NodeServices.layer)
)

/** Says which engine there is, without holding the start up: an engine may come later than its server. */
const logEngine = Effect.gen(function* () {
  const docker = yield* Docker
  const logger = yield* Logger
  if ((yield* EngineConfig) === "embedded") {
    yield* logger.log({
      level: "warning",
      code: "ENGINE_EMBEDDED",
      message: "containers are virtual: made of this process's memory, and not isolated as those of a real engine are"
    })
  }
  yield* docker.info.pipe(
    Effect.matchEffect({
      onSuccess: (info) =>
        logger.log({
          level: "notice",
          code: "ENGINE_FOUND",
          message: `engine ${info.engineVersion} at ${info.address}, taken from ${info.origin}`,
          fields: { ...info }
        }),
      onFailure: (error) =>
        logger.log({
          level: "warning",
          code: "ENGINE_UNREACHABLE",
          message: "the container engine does not answer yet; connections wait for it within their timeout",
          cause: error
        })
    })
  )
})

/** Runs a server until it is interrupted. `onListening` is told its address. */
export const serve = (onListening: (address: SshServer["Service"]["address"]) => Effect.Effect<void>) =>
  Effect.gen(function* () {
    const { address, run } = yield* SshServer
    yield* Effect.forkScoped(logEngine)
    yield* Effect.forkScoped(Reaper.run)
    yield* onListening(address)
    return yield* run
  }).pipe(Effect.scoped, Effect.provide(server))

/** What one of so many workers has of what the server may use of its engine. */
const share = (workers: number) =>
  Layer.effect(
    DockerRunConfig,
    Effect.map(DockerRunConfig, (settings) => {
      const part = (whole: number) => Math.ceil(whole / workers)
      const { config, limits } = settings
      return {
        ...settings,
        limits: { starts: part(limits.starts), execs: part(limits.execs), queue: part(limits.queue) },
        config: { ...config, pool: { ...config.pool, size: part(config.pool.size) } }
      }
    })
  )

/**
 * Runs a server until it is interrupted: in this process, or, of several workers, the part that is this process's, be it
 * one of them or the primary that has them run.
 */
export const serveWith = Effect.fnUntraced(function* (wanted: WorkerCount) {
  const workers = wanted === "auto" ? ClusterWorkers.automatic() : wanted
  const worker = ClusterWorkers.workerNumber()
  if (worker !== undefined) {
    return yield* serve(() => Effect.void).pipe(
      Effect.provide([share(workers), ClusterAdmission.layer]),
      Effect.annotateLogs({ worker })
    )
  }
  if (workers === 1) return yield* serve(() => Effect.void)
  return yield* ClusterWorkers.run(workers).pipe(
    Effect.provide(ProcessSignals.layer.pipe(Layer.provideMerge([Logger.layer, ConsoleLog.layer])))
  )
})
