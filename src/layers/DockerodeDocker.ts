/**
 * The `Docker` service over the Engine API of Docker and Podman, through dockerode.
 *
 * One client and one connection pool for all operations. The layer can be built while the engine is down: the first
 * operation that needs it finds out, and later ones go on when it is back.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { DockerError } from "../schema/DockerError.ts"
import { type EngineTls, tls } from "../schema/DockerRunConfig.ts"
import { Docker } from "../services/Docker.ts"
import { DockerRunConfig } from "../services/DockerRunConfig.ts"
import * as ApiNegotiation from "./dockerode/ApiNegotiation.ts"
import * as EngineArchives from "./dockerode/EngineArchives.ts"
import * as EngineClient from "./dockerode/EngineClient.ts"
import * as EngineContainers from "./dockerode/EngineContainers.ts"
import * as EngineDiscovery from "./dockerode/EngineDiscovery.ts"
import * as EngineExecs from "./dockerode/EngineExecs.ts"
import * as EngineImages from "./dockerode/EngineImages.ts"
import * as EngineVolumes from "./dockerode/EngineVolumes.ts"

/**
 * Where the engine is, and what TLS to it needs: PEM texts, all three.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * Docker connect URL: `unix://`, `npipe://`, `tcp://`, `http://` or `https://`. Without it: `DOCKER_HOST`, then the
   * current docker context, then the default sockets of Docker and Podman.
   */
  readonly host?: string
  readonly tls?: EngineTls
}

const make = Effect.fnUntraced(function* ({ host, tls }: Options) {
  const address = yield* EngineDiscovery.discover(
    { host, tls: tls === undefined ? undefined : { ...tls, verify: true } },
    yield* EngineDiscovery.surroundings
  )
  const client = yield* EngineClient.make(address)
  const negotiation = yield* ApiNegotiation.make(client)
  return Docker.of({
    info: negotiation.info.pipe(Effect.withSpan("Docker.info")),
    ...EngineImages.make(client, negotiation),
    ...EngineContainers.make(client, negotiation),
    ...EngineVolumes.make(client, negotiation),
    ...EngineExecs.make(client, negotiation),
    ...EngineArchives.make(client, negotiation)
  })
})

/**
 * The engine at an address of the caller's choice, or the one that is found.
 *
 * Fails with `BadRequest` when the address, the docker context or the TLS material cannot be used; not when nobody
 * listens there.
 *
 * @example
 * ```ts
 * const engine = DockerodeDocker.layerHost({ host: "unix:///run/user/1000/docker.sock" })
 * ```
 *
 * @since 0.1.0
 * @category layers
 */
export const layerHost = (options: Options = {}): Layer.Layer<Docker, DockerError> =>
  Layer.effect(Docker, make(options))

/**
 * The engine that the configuration names (`dockerrun.host`, `cacert`, `cert`, `key`), or the one that is found.
 *
 * Fails with `BadRequest` when the address, the docker context or the TLS material cannot be used; not when nobody
 * listens there.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Docker, DockerError, DockerRunConfig> = Layer.effect(
  Docker,
  Effect.gen(function* () {
    const settings = yield* DockerRunConfig
    const material = tls(settings)
    return yield* make({
      ...(settings.host === undefined ? {} : { host: settings.host }),
      ...(material === undefined ? {} : { tls: material })
    })
  })
)
