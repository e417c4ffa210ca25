/**
 * The containers of the engine and their lives: created, running, exited, removed.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import type * as Scope from "effect/Scope"
import { BadRequest, Conflict, type DockerErrorReason, NotFound, ProgramNotStarted } from "../../schema/DockerError.ts"
import { ContainerId } from "../../schema/Identifiers.ts"
import type { ContainerEvent, ContainerInfo, ContainerSpec, TerminalSize } from "../../services/Docker.ts"
import type { ContainerRecord } from "../../services/InMemoryEngine.ts"
import * as Signal from "../../services/Signal.ts"
import type { ClientStream } from "./ClientStream.ts"
import * as Files from "./Files.ts"
import type { Images } from "./Images.ts"
import * as Process from "./Process.ts"
import * as ProgramTable from "./ProgramTable.ts"
import type { SimulatedImage } from "./SimulatedImage.ts"
import type { SimulatedProgram } from "./SimulatedProgram.ts"
import * as Volumes from "./Volumes.ts"

/**
 * @internal
 */
export interface Container {
  readonly id: ContainerId
  name: string
  readonly spec: ContainerSpec
  readonly image: SimulatedImage
  readonly labels: Readonly<Record<string, string>>
  readonly files: Files.Files
  /** Seconds since the Unix epoch. */
  readonly created: number
  readonly program: ProgramTable.ProgramTable
  readonly env: Readonly<Record<string, string>>
  readonly tty: boolean
  /** Everything that runs in it. Process 1 is its main process. */
  readonly processes: Set<Process.Process>
  readonly attached: Set<ClientStream>
  status: "created" | "running" | "exited"
  exitCode: number
  main: Process.Process | undefined
  /** Input that came before there was a process to take it. */
  early: Array<Uint8Array>
  isEarlyInputEnded: boolean
  /** The next exit of the main process. */
  exited: Deferred.Deferred<number>
  readonly removed: Deferred.Deferred<number>
}

/**
 * @internal
 */
export interface Containers {
  readonly create: (spec: ContainerSpec) => Effect.Effect<ContainerId, DockerErrorReason>
  readonly find: (id: string) => Effect.Effect<Container, NotFound>
  readonly running: (id: string) => Effect.Effect<Container, NotFound | Conflict>
  readonly start: (container: Container) => Effect.Effect<void, DockerErrorReason>
  readonly rename: (container: Container, name: string) => Effect.Effect<void, DockerErrorReason>
  /** Without `force` one that runs stays. */
  readonly remove: (container: Container, force: boolean) => Effect.Effect<void, DockerErrorReason>
  /** Starts a program in a running container. */
  readonly run: (
    container: Container,
    options: Pick<Process.ProcessOptions, "arguments" | "program" | "size" | "write" | "echo"> & {
      readonly env: ReadonlyArray<string>
      readonly user: string | undefined
      readonly workingDirectory: string | undefined
    }
  ) => Effect.Effect<Process.Process>
  /** The program behind a command, and what the engine does for the backend: signals to the other programs. */
  readonly program: (
    container: Container,
    command: ReadonlyArray<string>,
    workingDirectory: string | undefined
  ) => Effect.Effect<SimulatedProgram | ProgramNotStarted>
  readonly publish: (container: Container, action: string, attributes?: Readonly<Record<string, string>>) => void
  readonly events: PubSub.PubSub<ContainerEvent>
  readonly volumes: Volumes.Volumes
  readonly list: () => ReadonlyArray<Container>
  readonly removed: () => ReadonlyArray<ContainerRecord>
  readonly onRemoved: (listener: (container: Container) => void) => void
}

const defaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/** `NAME=value`s as variables; a name alone takes the variable away. */
const variables = (...lists: ReadonlyArray<ReadonlyArray<string>>): Readonly<Record<string, string>> => {
  const env = new Map<string, string>()
  for (const entry of lists.flat()) {
    const equals = entry.indexOf("=")
    if (equals === -1) env.delete(entry)
    else env.set(entry.slice(0, equals), entry.slice(equals + 1))
  }
  return Object.fromEntries(env)
}

/**
 * @internal
 */
export const info = (container: Container): Omit<ContainerInfo, "execs"> => ({
  id: container.id,
  name: container.name,
  status: container.status,
  running: container.status === "running",
  exitCode: container.exitCode,
  oomKilled: false,
  user: container.spec.config.User ?? container.image.user ?? "",
  env: Object.entries(container.env).map(([name, value]) => `${name}=${value}`),
  workingDirectory: directoryOf(container),
  labels: container.labels
})

/**
 * @internal
 */
export const record = (container: Container): ContainerRecord => ({
  ...info(container),
  image: container.spec.config.Image,
  spec: container.spec
})

/** Twelve digits that tell them apart, and the rest that an engine's ids have. */
const idOf = (number: number) => ContainerId.make(number.toString(16).padStart(12, "0").padEnd(64, "0"))

const plainName = (name: string) => name.replace(/^\//u, "")

const isPresent = (words: ReadonlyArray<string> | undefined): words is readonly [string, ...ReadonlyArray<string>] =>
  words !== undefined && words.length > 0

const commandOf = ({ image, spec }: Container): readonly [string, ...ReadonlyArray<string>] | undefined => {
  const entrypoint = (spec.config.Entrypoint ?? image.entrypoint ?? []).filter((word) => word !== "")
  const command = spec.config.Cmd ?? image.command ?? (image.shell === false ? [] : ["/bin/sh"])
  const words = [...entrypoint, ...command]
  return isPresent(words) ? words : undefined
}

/** Where the programs of a container start, unless they are told otherwise. */
const directoryOf = ({ image, spec }: Container): string => spec.config.WorkingDir ?? image.workingDirectory ?? "/"

const sizeOf = ({ spec }: Container): TerminalSize => {
  const [rows = 24, columns = 80] = spec.host.ConsoleSize ?? []
  return { columns, rows }
}

const isDelivery = (command: ReadonlyArray<string>): boolean =>
  (["group", "all"] as const).some((target) => command[2] === Signal.delivery("TERM", "", target)[2])

/**
 * @internal
 */
export const make = Effect.fnUntraced(function* (
  images: Images,
  scope: Scope.Scope,
  options: {
    /** Whether containers that were removed are remembered: for tests, not for a server that runs for months. */
    readonly remembersRemoved: boolean
  }
): Effect.fn.Return<Containers> {
  const events = yield* PubSub.unbounded<ContainerEvent>()
  const containers = new Map<string, Container>()
  const names = new Map<string, Container>()
  const volumes = Volumes.make()
  const removedRecords: Array<ContainerRecord> = []
  const listeners: Array<(container: Container) => void> = []
  let created = 0
  let lastPid = 1000

  const find: Containers["find"] = (id) => {
    const container = containers.get(id) ?? names.get(id)
    return container === undefined
      ? Effect.fail(new NotFound({ message: `No such container: ${id}` }))
      : Effect.succeed(container)
  }

  const publish: Containers["publish"] = (container, action, attributes) => {
    PubSub.publishUnsafe(events, {
      action,
      containerId: container.id,
      attributes: {
        ...container.labels,
        image: container.spec.config.Image,
        name: container.name,
        ...attributes
      }
    })
  }

  const mustBeFree = Effect.fnUntraced(function* (name: string) {
    const holder = names.get(name)
    if (holder !== undefined) {
      return yield* new Conflict({
        message: `Conflict. The container name "/${name}" is already in use by container "${holder.id}". You have to remove (or rename) that container to be able to reuse that name.`
      })
    }
    return undefined
  })

  const create: Containers["create"] = Effect.fnUntraced(function* (spec) {
    const image = images.local(spec.config.Image)
    if (image === undefined) return yield* new NotFound({ message: `No such image: ${spec.config.Image}` })
    const number = created + 1
    const id = idOf(number)
    const name = plainName(spec.name ?? `simulated_${number}`)
    yield* mustBeFree(name)
    const container: Container = {
      id,
      name,
      spec,
      image,
      labels: { ...image.labels, ...spec.config.Labels },
      files: Files.make(image),
      created: Math.floor((yield* Clock.currentTimeMillis) / 1000),
      program: ProgramTable.make(image),
      env: variables(
        image.env ?? [defaultPath],
        [`HOSTNAME=${spec.config.Hostname ?? id.slice(0, 12)}`, "HOME=/root"],
        spec.config.Tty === true ? ["TERM=xterm"] : [],
        spec.config.Env ?? []
      ),
      tty: spec.config.Tty ?? false,
      processes: new Set(),
      attached: new Set(),
      status: "created",
      exitCode: 0,
      main: undefined,
      early: [],
      isEarlyInputEnded: false,
      exited: Deferred.makeUnsafe(),
      removed: Deferred.makeUnsafe()
    }
    if (commandOf(container) === undefined) return yield* new BadRequest({ message: "No command specified" })
    created = number
    containers.set(id, container)
    names.set(name, container)
    volumes.make(id, spec, image)
    publish(container, "create")
    return id
  })

  const forget = (container: Container) => {
    if (!containers.delete(container.id)) return
    names.delete(container.name)
    volumes.removeOf(container.id)
    if (options.remembersRemoved) removedRecords.push(record(container))
    for (const client of container.attached) client.end()
    publish(container, "destroy")
    for (const listener of listeners) listener(container)
    Deferred.doneUnsafe(container.removed, Effect.succeed(container.exitCode))
  }

  const ended = (container: Container, status: number) => {
    container.status = "exited"
    container.exitCode = status
    container.main = undefined
    // Process 1 takes all others with it.
    for (const process of container.processes) process.signal("KILL")
    for (const client of container.attached) client.end()
    publish(container, "die", { exitCode: String(status) })
    const { exited } = container
    container.exited = Deferred.makeUnsafe()
    Deferred.doneUnsafe(exited, Effect.succeed(status))
    if (container.spec.host.AutoRemove === true) forget(container)
  }

  const run: Containers["run"] = Effect.fnUntraced(function* (container, options) {
    const { env, user, workingDirectory, ...rest } = options
    lastPid += 1
    const process = yield* Process.spawn({
      ...rest,
      pid: lastPid,
      env: { ...container.env, ...variables(options.size === undefined ? [] : ["TERM=xterm"], env) },
      user: user ?? container.spec.config.User ?? container.image.user ?? "root",
      workingDirectory: workingDirectory ?? directoryOf(container),
      isFirst: container.status !== "running",
      scope
    })
    container.processes.add(process)
    process.onExit(() => container.processes.delete(process))
    return process
  })

  const deliver =
    (container: Container): SimulatedProgram =>
    ({ arguments: [, , , , programId, name = ""] }) =>
      Effect.sync(() => {
        if (!Signal.isName(name)) return 2
        const targets = [...container.processes].filter((process) => process.env[Signal.marker] === programId)
        for (const target of targets) target.signal(name)
        return targets.length === 0 ? Signal.nobodyThere : 0
      })

  const program: Containers["program"] = (container, command, workingDirectory) => {
    const [name = ""] = command
    const { find } = container.image
    return Effect.map(
      find === undefined
        ? Effect.succeed(container.program(name))
        : find(name, workingDirectory ?? directoryOf(container)),
      (found) => (typeof found === "function" && isDelivery(command) ? deliver(container) : found)
    )
  }

  const start: Containers["start"] = Effect.fnUntraced(function* (container) {
    if (container.status === "running") return
    const command = commandOf(container)
    if (command === undefined) return yield* new BadRequest({ message: "No command specified" })
    const found = yield* program(container, command, undefined)
    if (found instanceof ProgramNotStarted) {
      container.exitCode = found.exitCode
      return yield* found
    }
    const main = yield* run(container, {
      arguments: command,
      program: found,
      env: [],
      user: undefined,
      workingDirectory: undefined,
      size: container.tty ? sizeOf(container) : undefined,
      write: (output, bytes) =>
        Effect.forEach([...container.attached], (client) => client.write(output, bytes), {
          concurrency: "unbounded",
          discard: true
        }),
      echo: (bytes) => {
        for (const client of container.attached) client.writeUnsafe(bytes)
      }
    })
    container.status = "running"
    container.main = main
    for (const chunk of container.early) main.stdin.write(chunk)
    container.early = []
    // Without OpenStdin the input is at its end from the beginning.
    if (container.isEarlyInputEnded || container.spec.config.OpenStdin !== true) main.stdin.end()
    publish(container, "start")
    main.onExit((status) => ended(container, status))
  })

  const rename: Containers["rename"] = Effect.fnUntraced(function* (container, newName) {
    const name = plainName(newName)
    yield* mustBeFree(name)
    names.delete(container.name)
    names.set(name, container)
    container.name = name
    publish(container, "rename")
  })

  const remove: Containers["remove"] = Effect.fnUntraced(function* (container, force) {
    if (container.status === "running") {
      if (!force) {
        const message = `You cannot remove a running container ${container.id}. Stop the container before attempting removal or force remove`
        return yield* new Conflict({ message })
      }
      const { exited } = container
      publish(container, "kill", { signal: "9" })
      container.main?.signal("KILL")
      yield* Deferred.await(exited)
    }
    forget(container)
  })

  return {
    create,
    find,
    running: (id) =>
      Effect.flatMap(find(id), (container) =>
        container.status === "running"
          ? Effect.succeed(container)
          : Effect.fail(new Conflict({ message: `Container ${container.id} is not running` }))
      ),
    start,
    rename,
    remove,
    run,
    program,
    publish,
    events,
    volumes,
    list: () => [...containers.values()],
    removed: () => removedRecords,
    onRemoved: (listener) => {
      listeners.push(listener)
    }
  }
})
