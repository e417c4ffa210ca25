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
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { DockerError, ServerError } from "../schema/DockerError.ts"
import type { ContainerId, ExecId } from "../schema/Identifiers.ts"
import { Docker, type TerminalSize } from "../services/Docker.ts"
import { DockerRunConfig } from "../services/DockerRunConfig.ts"
import * as ApiNegotiation from "./dockerode/ApiNegotiation.ts"
import * as Answers from "./dockerode/EngineAnswers.ts"
import * as EngineClient from "./dockerode/EngineClient.ts"
import * as EngineDiscovery from "./dockerode/EngineDiscovery.ts"
import type { EngineAddress, EngineTls } from "./dockerode/EngineAddress.ts"
import * as ErrorClassification from "./dockerode/ErrorClassification.ts"
import * as ExecStart from "./dockerode/ExecStart.ts"
import * as HijackedSocket from "./dockerode/HijackedSocket.ts"
import * as HijackedStreams from "./dockerode/HijackedStreams.ts"
import * as PullProgress from "./dockerode/PullProgress.ts"

const decodeImage = EngineClient.decodeWith(Schema.fromJsonString(Answers.ImageInspect))
const decodeCreated = EngineClient.decodeWith(Schema.fromJsonString(Answers.ContainerCreated))
const decodeContainer = EngineClient.decodeWith(Schema.fromJsonString(Answers.ContainerInspect))
const decodeContainers = EngineClient.decodeWith(Schema.fromJsonString(Answers.ContainerList))
const decodeWait = EngineClient.decodeWith(Schema.fromJsonString(Answers.ContainerWait))
const decodeExecCreated = EngineClient.decodeWith(Schema.fromJsonString(Answers.ExecCreated))
const decodeExec = EngineClient.decodeWith(Schema.fromJsonString(Answers.ExecInspect))
const decodeEvent = EngineClient.decodeWith(Answers.EventLine)

const containerPath = (version: string, id: ContainerId) => `/v${version}/containers/${encodeURIComponent(id)}`
const execPath = (version: string, id: ExecId) => `/v${version}/exec/${encodeURIComponent(id)}`

const make = Effect.fnUntraced(function* (address: EngineAddress) {
  const client = yield* EngineClient.make(address)
  const { info, withVersion } = yield* ApiNegotiation.make(client)

  const inspectImage = Effect.fn("Docker.inspectImage")(function* (reference: string) {
    const operation = "inspect image"
    const name = yield* PullProgress.checkReference(operation, reference)
    const answer = yield* withVersion((version) =>
      client.send({ operation, method: "GET", path: `/v${version}/images/${name}/json` })
    )
    const image = yield* decodeImage(operation, answer)
    return { id: image.Id, tags: image.RepoTags ?? [], size: image.Size ?? 0 }
  })

  const pullImage: Docker["Service"]["pullImage"] = (reference, options) => {
    const operation = "pull image"
    const opened = Effect.flatMap(PullProgress.checkReference(operation, reference), (name) =>
      withVersion((version) =>
        client.open({
          operation,
          method: "POST",
          path: `/v${version}/images/create`,
          query: PullProgress.query(name, options?.platform),
          classify: ErrorClassification.fromPull
        })
      )
    )
    return client.lines(operation, opened).pipe(
      Stream.mapEffect((line) => PullProgress.fromLine(operation, line)),
      Stream.withSpan("Docker.pullImage", { attributes: { "container.image.name": reference } })
    )
  }

  const createContainer = Effect.fn("Docker.createContainer")(function* (
    spec: Parameters<Docker["Service"]["createContainer"]>[0]
  ) {
    const operation = "create container"
    const platform = PullProgress.platformText(spec.platform)
    const answer = yield* withVersion((version) =>
      client.send({
        operation,
        method: "POST",
        path: `/v${version}/containers/create`,
        query: {
          ...(spec.name ? { name: spec.name } : {}),
          ...(platform === undefined ? {} : { platform })
        },
        body: { ...spec.config, HostConfig: spec.host, NetworkingConfig: spec.network }
      })
    )
    return (yield* decodeCreated(operation, answer)).Id
  })

  const startContainer = Effect.fn("Docker.startContainer")(function* (id: ContainerId) {
    yield* withVersion((version) =>
      client.send({
        operation: "start container",
        method: "POST",
        path: `${containerPath(version, id)}/start`,
        classify: ErrorClassification.fromStart
      })
    )
  })

  const inspectContainer = Effect.fn("Docker.inspectContainer")(function* (id: ContainerId) {
    const operation = "inspect container"
    const answer = yield* withVersion((version) =>
      client.send({ operation, method: "GET", path: `${containerPath(version, id)}/json` })
    )
    const { Config, Id, Name, State } = yield* decodeContainer(operation, answer)
    return {
      id: Id,
      name: Name.replace(/^\//u, ""),
      status: State.Status,
      running: State.Running,
      exitCode: State.ExitCode,
      oomKilled: State.OOMKilled ?? false,
      labels: Config.Labels ?? {}
    }
  })

  const attachContainer = Effect.fn("Docker.attachContainer")(function* (
    id: ContainerId,
    options: Parameters<Docker["Service"]["attachContainer"]>[1]
  ) {
    const operation = "attach container"
    const hijacked = yield* withVersion((version) =>
      HijackedSocket.open(client, {
        operation,
        method: "POST",
        path: `${containerPath(version, id)}/attach`,
        query: { stream: 1, stdin: 1, stdout: 1, stderr: 1 }
      })
    )
    return HijackedStreams.connect({ hijacked, operation, ...options, broken: client.broken })
  })

  const waitContainer = Effect.fn("Docker.waitContainer")(function* (
    id: ContainerId,
    condition: "not-running" | "next-exit" | "removed"
  ) {
    const operation = "wait for container"
    const answer = yield* withVersion((version) =>
      client.send({ operation, method: "POST", path: `${containerPath(version, id)}/wait`, query: { condition } })
    )
    const exit = yield* decodeWait(operation, answer)
    const error = exit.Error?.Message
    if (error) return yield* new DockerError({ operation, reason: new ServerError({ message: error }) })
    return { exitCode: exit.StatusCode }
  })

  const killContainer = Effect.fn("Docker.killContainer")(function* (id: ContainerId, signal: string) {
    yield* withVersion((version) =>
      client.send({
        operation: "kill container",
        method: "POST",
        path: `${containerPath(version, id)}/kill`,
        query: { signal }
      })
    )
  })

  const removeContainer = Effect.fn("Docker.removeContainer")(function* (id: ContainerId) {
    yield* withVersion((version) =>
      client.send({
        operation: "remove container",
        method: "DELETE",
        path: containerPath(version, id),
        query: { force: 1, v: 1 }
      })
    )
  })

  const listContainers = Effect.fn("Docker.listContainers")(function* (labels: ReadonlyArray<string>) {
    const operation = "list containers"
    const answer = yield* withVersion((version) =>
      client.send({
        operation,
        method: "GET",
        path: `/v${version}/containers/json`,
        query: { all: 1, filters: JSON.stringify({ label: labels }) }
      })
    )
    return (yield* decodeContainers(operation, answer)).map((container) => ({
      id: container.Id,
      names: (container.Names ?? []).map((name) => name.replace(/^\//u, "")),
      image: container.Image,
      status: container.State,
      labels: container.Labels ?? {},
      created: container.Created
    }))
  })

  const createExec = Effect.fn("Docker.createExec")(function* (
    id: ContainerId,
    spec: Parameters<Docker["Service"]["createExec"]>[1]
  ) {
    const operation = "create exec"
    const answer = yield* withVersion((version) =>
      client.send({
        operation,
        method: "POST",
        path: `${containerPath(version, id)}/exec`,
        body: {
          AttachStdin: true,
          AttachStdout: true,
          AttachStderr: true,
          Tty: spec.tty,
          Cmd: spec.command,
          Env: spec.env,
          ...(spec.user === undefined ? {} : { User: spec.user }),
          ...(spec.workingDirectory === undefined ? {} : { WorkingDir: spec.workingDirectory })
        }
      })
    )
    return (yield* decodeExecCreated(operation, answer)).Id
  })

  const resizeExec = Effect.fn("Docker.resizeExec")(function* (id: ExecId, size: TerminalSize) {
    yield* withVersion((version) =>
      client.send({
        operation: "resize exec",
        method: "POST",
        path: `${execPath(version, id)}/resize`,
        query: { h: size.rows, w: size.columns }
      })
    )
  })

  const inspectExec = Effect.fn("Docker.inspectExec")(function* (id: ExecId) {
    const operation = "inspect exec"
    const answer = yield* withVersion((version) =>
      client.send({ operation, method: "GET", path: `${execPath(version, id)}/json` })
    )
    const exec = yield* decodeExec(operation, answer)
    return {
      running: exec.Running,
      pid: exec.Pid ?? 0,
      // The engine gives an exit code to a program that runs, too: 0 or null.
      ...(exec.Running || typeof exec.ExitCode !== "number" ? {} : { exitCode: exec.ExitCode })
    }
  })

  const startExec = Effect.fn("Docker.startExec")(function* (
    id: ExecId,
    options: Parameters<Docker["Service"]["startExec"]>[1]
  ) {
    return yield* withVersion((version) =>
      ExecStart.start({
        client,
        version,
        operation: "start exec",
        id,
        tty: options.tty,
        size: options.size,
        output: options.output,
        inspect: inspectExec(id),
        resize: (size) => resizeExec(id, size)
      })
    )
  })

  const containerEvents: Docker["Service"]["containerEvents"] = (labels) => {
    const operation = "container events"
    const opened = withVersion((version) =>
      client.open({
        operation,
        method: "GET",
        path: `/v${version}/events`,
        query: { filters: JSON.stringify({ type: ["container"], label: labels }) }
      })
    )
    return client.lines(operation, opened).pipe(
      Stream.mapEffect((line) => decodeEvent(operation, line)),
      Stream.map(({ Action, Actor }) => ({
        action: Action,
        containerId: Actor.ID,
        attributes: Actor.Attributes ?? {}
      }))
    )
  }

  return Docker.of({
    info: info.pipe(Effect.withSpan("Docker.info")),
    inspectImage,
    pullImage,
    createContainer,
    startContainer,
    inspectContainer,
    attachContainer,
    waitContainer,
    killContainer,
    removeContainer,
    listContainers,
    createExec,
    startExec,
    resizeExec,
    inspectExec,
    containerEvents
  })
})

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
  readonly tls?: { readonly ca: string; readonly cert: string; readonly key: Redacted.Redacted<string> }
}

const fromOptions = Effect.fnUntraced(function* (options: Options) {
  const tls: EngineTls | undefined = options.tls === undefined ? undefined : { ...options.tls, verify: true }
  const address = yield* EngineDiscovery.discover({ host: options.host, tls }, yield* EngineDiscovery.surroundings)
  return yield* make(address)
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
  Layer.effect(Docker, fromOptions(options))

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
    const { cacert, cert, host, key } = yield* DockerRunConfig
    return yield* fromOptions({
      ...(host === undefined ? {} : { host }),
      ...(cacert === undefined || cert === undefined || key === undefined ? {} : { tls: { ca: cacert, cert, key } })
    })
  })
)
