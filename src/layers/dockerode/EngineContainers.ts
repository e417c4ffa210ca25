/**
 * The operations on containers (Engine API, `/containers` and `/events`).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { DockerError, ServerError } from "../../schema/DockerError.ts"
import type { ContainerId } from "../../schema/Identifiers.ts"
import type { ContainerSpec, Docker, TerminalSize } from "../../services/Docker.ts"
import type { ApiNegotiation } from "./ApiNegotiation.ts"
import * as Answers from "./EngineAnswers.ts"
import { decodeWith, type EngineClient } from "./EngineClient.ts"
import * as ErrorClassification from "./ErrorClassification.ts"
import * as HijackedSocket from "./HijackedSocket.ts"
import * as HijackedStreams from "./HijackedStreams.ts"
import * as PullProgress from "./PullProgress.ts"
import * as SizedShell from "./SizedShell.ts"

const decodeCreated = decodeWith(Schema.fromJsonString(Answers.ContainerCreated))
const decodeContainer = decodeWith(Schema.fromJsonString(Answers.ContainerInspect))
const decodeContainers = decodeWith(Schema.fromJsonString(Answers.ContainerList))
const decodeWait = decodeWith(Schema.fromJsonString(Answers.ContainerWait))
const decodeEvent = decodeWith(Answers.EventLine)

const containerPath = (version: string, id: ContainerId) => `/v${version}/containers/${encodeURIComponent(id)}`

/** The engine writes names with a slash in front. */
const plainName = (name: string) => name.replace(/^\//u, "")

/** Engines know nothing of the modes of a terminal. */
const withModes = ({ config, modes = [] }: ContainerSpec): ContainerSpec["config"] => {
  const [program, ...words] = config.Cmd ?? []
  return program === undefined || config.Entrypoint?.length !== 0 || config.Tty !== true
    ? config
    : { ...config, Cmd: SizedShell.command([program, ...words], undefined, modes) }
}

/**
 * @internal
 */
export const make = (client: EngineClient, { withVersion }: ApiNegotiation) => {
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
        body: { ...withModes(spec), HostConfig: spec.host, NetworkingConfig: spec.network }
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
    const { Config, ExecIDs, Id, Name, State } = yield* decodeContainer(operation, answer)
    return {
      id: Id,
      name: plainName(Name),
      status: State.Status,
      running: State.Running,
      exitCode: State.ExitCode,
      oomKilled: State.OOMKilled ?? false,
      execs: ExecIDs ?? [],
      user: Config.User ?? "",
      env: Config.Env ?? [],
      workingDirectory: Config.WorkingDir ?? "",
      labels: Config.Labels ?? {}
    }
  })

  const renameContainer = Effect.fn("Docker.renameContainer")(function* (id: ContainerId, name: string) {
    yield* withVersion((version) =>
      client.send({
        operation: "rename container",
        method: "POST",
        path: `${containerPath(version, id)}/rename`,
        query: { name }
      })
    )
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
    // Podman has no exit on record, as of a container that was never started: its state says what there is to say.
    if (exit.StatusCode === -1 && condition !== "removed") {
      return { exitCode: (yield* inspectContainer(id)).exitCode }
    }
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

  const resizeContainer = Effect.fn("Docker.resizeContainer")(function* (id: ContainerId, size: TerminalSize) {
    yield* withVersion((version) =>
      client.send({
        operation: "resize container",
        method: "POST",
        path: `${containerPath(version, id)}/resize`,
        query: { h: size.rows, w: size.columns }
      })
    )
  })

  const removeContainer = Effect.fn("Docker.removeContainer")(function* (
    id: ContainerId,
    { force }: { readonly force: boolean } = { force: true }
  ) {
    yield* withVersion((version) =>
      client.send({
        operation: "remove container",
        method: "DELETE",
        path: containerPath(version, id),
        query: { force: force ? 1 : 0, v: 1 }
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
      names: (container.Names ?? []).map(plainName),
      image: container.Image,
      status: container.State,
      labels: container.Labels ?? {},
      created: container.Created
    }))
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

  return {
    createContainer,
    startContainer,
    inspectContainer,
    renameContainer,
    attachContainer,
    waitContainer,
    killContainer,
    resizeContainer,
    removeContainer,
    listContainers,
    containerEvents
  }
}
