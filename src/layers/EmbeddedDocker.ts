/**
 * A container engine inside of this process, for machines that have none: each container has files of its own, in
 * memory, and a shell that resembles bash.
 *
 * It is for trying things out and for teaching. A virtual container is a thread of this process that interprets scripts:
 * it has no programs but those of the shell, sees neither the files nor the network of the host, and may use so much CPU
 * time, memory and output and no more; but it is not isolated as a container of a real engine is.
 *
 * @since 0.1.0
 */
import { createRequire } from "node:module"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { BadRequest, DockerError, ProgramNotStarted } from "../schema/DockerError.ts"
import { ImageReferenceFromString } from "../schema/ImageReference.ts"
import { Docker, type EngineInfo } from "../services/Docker.ts"
import * as FirstProcess from "./embedded/FirstProcess.ts"
import type { Found, Identity } from "./embedded/Protocol.ts"
import * as ShellProgram from "./embedded/ShellProgram.ts"
import * as VirtualMachine from "./embedded/VirtualMachine.ts"
import * as Calls from "./inmemory/Calls.ts"
import * as Containers from "./inmemory/Containers.ts"
import * as Engine from "./inmemory/Engine.ts"
import type { Images } from "./inmemory/Images.ts"
import type { SimulatedImage } from "./inmemory/SimulatedImage.ts"
import type { SimulatedProcess, SimulatedProgram } from "./inmemory/SimulatedProgram.ts"
import * as StandardPrograms from "./inmemory/StandardPrograms.ts"

/**
 * What virtual containers may use.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options {
  /**
   * CPU time of one command line of a shell, or of one program that is not a shell. What uses more is killed; what does
   * not heed that takes its container with it. Default: 10 seconds.
   */
  readonly cpuTime?: Duration.Input
  /** Memory of one container, in bytes; a container that uses more is killed. Default: 192 MiB. */
  readonly memory?: number
  /** Files of one container, in bytes; writing more fails. Default: 64 MiB. */
  readonly files?: number
  /** Output of one command line, or program, in bytes; what writes more is killed. Default: 64 MiB. */
  readonly output?: number
  /** Containers at a time; the creation of more fails. Default: 32. */
  readonly containers?: number
}

const mebibyte = 1_048_576

const engineInfo: EngineInfo = {
  address: "embedded://",
  origin: "dockerrun itself",
  engineVersion: "embedded",
  apiVersion: "1.41",
  os: "virtual"
}

const missing = new DockerError({
  operation: "embedded engine",
  reason: new BadRequest({
    message: "the embedded engine needs a package that is not installed: npm install just-bash"
  })
})

const isInstalled = Effect.try({
  try: () => createRequire(import.meta.url).resolve("just-bash"),
  catch: () => missing
})

const decodeReference = Schema.decodeOption(ImageReferenceFromString)

/** Every image is there, and all are the same. */
const images = (make: () => SimulatedImage): Images => {
  const check = (reference: string) =>
    Option.isSome(decodeReference(reference))
      ? Effect.void
      : Effect.fail(new BadRequest({ message: `invalid reference format: ${JSON.stringify(reference)}` }))
  return {
    local: make,
    inspect: (reference) =>
      Effect.as(check(reference), {
        id: `sha256:${"0".repeat(64)}`,
        tags: [reference],
        size: 0,
        user: "",
        env: [],
        volumes: []
      }),
    pull: (reference) =>
      Effect.as(
        check(reference),
        Stream.make<[{ readonly status: string }]>({ status: `Status: Image is up to date for ${reference}` })
      ),
    references: () => [],
    pulls: () => []
  }
}

const shells = new Set(["sh", "bash", "/bin/sh", "/bin/bash", "/usr/bin/sh", "/usr/bin/bash"])

/** What a container is known by, and its thread while it runs. */
interface Slot {
  identity: Identity
  machine: VirtualMachine.VirtualMachine | undefined
}

const userOf = (user: string | undefined): string => {
  const [name = ""] = (user ?? "").split(":")
  return name === "0" ? "root" : /^[a-z_][\w-]*$/iu.test(name) ? name : "user"
}

const homeOf = (user: string): string => (user === "root" ? "/root" : `/home/${user}`)

const notStarted = (command: string, found: Exclude<Found, "found">) =>
  new ProgramNotStarted({
    exitCode: found,
    message: found === 127 ? `${command}: no such program` : `${command}: permission denied`
  })

/** What only keeps a container alive takes no shell. */
const idle = (process: SimulatedProcess): Effect.Effect<number> | undefined => {
  const [, option, text = ""] = process.arguments
  return option === "-c" ? StandardPrograms.idle(text)?.(process) : undefined
}

/** How long programs may take to say that their container was killed. */
const lastWordsTime = "1 second"

/** Ends when the container was killed, and its programs have said so. */
const lastOf = (machine: VirtualMachine.VirtualMachine): Effect.Effect<number> =>
  machine.death.pipe(
    Effect.tap((death) =>
      typeof death === "string"
        ? Effect.logWarning(`a virtual container has ended: ${death}`)
        : Effect.logError("a virtual container has died", death.cause)
    ),
    Effect.andThen(Effect.timeoutOption(machine.quiet, lastWordsTime)),
    Effect.as(killed)
  )

/** Files belong to the shell of a container, in its thread. */
const noArchives = new BadRequest({ message: "the embedded engine has no archives of its containers' files" })

/** How a process ends that was killed together with its container. */
const killed = 137

const make = Effect.fnUntraced(function* (options: Options) {
  yield* isInstalled
  const scope = yield* Effect.scope
  const limits: VirtualMachine.MachineLimits = {
    cpuTime: Duration.fromInputUnsafe(options.cpuTime ?? "10 seconds"),
    memory: options.memory ?? 192 * mebibyte
  }
  const setup = { files: options.files ?? 64 * mebibyte, output: options.output ?? 64 * mebibyte }
  const most = options.containers ?? 32
  const slots = new WeakMap<SimulatedImage, Slot>()

  /** The image of one container: its programs are what its own thread finds. */
  const makeImage = (): SimulatedImage => {
    const slot: Slot = { identity: { user: "user", home: "/home/user", hostname: "localhost" }, machine: undefined }

    /** HOME is the engine's to set, and the engine sets root's. */
    const atHome = <P extends ShellProgram.ProgramProcess>(process: P): P =>
      process.env["HOME"] === "/root" ? { ...process, env: { ...process.env, HOME: slot.identity.home } } : process

    const start = () => VirtualMachine.make({ identity: slot.identity, limits: setup }, limits)

    /** The first process has the thread: it ends with it. */
    const first =
      (machine: VirtualMachine.VirtualMachine, thread: Scope.Closeable): SimulatedProgram =>
      (process) => {
        slot.machine = machine
        const run = (inner: SimulatedProcess) => idle(inner) ?? Effect.scoped(ShellProgram.run(machine)(inner))
        return Effect.raceFirst(
          FirstProcess.run(process, (command) => run({ ...process, arguments: command, stdin: Stream.empty })) ??
            run(process),
          lastOf(machine)
        ).pipe(
          Effect.ensuring(
            Effect.suspend(() => {
              slot.machine = undefined
              return Scope.close(thread, Exit.void)
            })
          )
        )
      }
    const findFirst = Effect.fnUntraced(function* (command: string, workingDirectory: string) {
      const thread = yield* Scope.fork(scope)
      const machine = yield* Scope.provide(start(), thread)
      const found = shells.has(command) ? "found" : yield* machine.find(command, workingDirectory)
      if (found === "found") return first(machine, thread)
      yield* Scope.close(thread, Exit.void)
      return notStarted(command, found)
    })
    const image: SimulatedImage = {
      shell: false,
      command: ["/bin/sh"],
      user: "user",
      workingDirectory: "/",
      env: ["PATH=/usr/local/bin:/usr/bin:/bin"],
      find: (command, workingDirectory) => {
        const { machine } = slot
        if (machine === undefined) return findFirst(command, workingDirectory)
        const found = shells.has(command) ? Effect.succeed<Found>("found") : machine.find(command, workingDirectory)
        return Effect.map(found, (answer) =>
          answer === "found"
            ? (process) => Effect.scoped(ShellProgram.run(machine)(atHome(process)))
            : notStarted(command, answer)
        )
      }
    }
    slots.set(image, slot)
    return image
  }

  const all = images(makeImage)
  const containers = yield* Containers.make(all, scope, { remembersRemoved: false })
  const { docker } = Engine.make({
    info: engineInfo,
    call: (operation, _parameters, perform) =>
      Effect.mapError(perform(undefined), (reason) => Calls.failure(operation, reason)),
    containers,
    images: all,
    exitDelay: undefined,
    scope
  })

  return Docker.of({
    ...docker,
    statPath: () => Calls.failure("statPath", noArchives),
    getArchive: () => Stream.fail(Calls.failure("getArchive", noArchives)),
    putArchive: () => Calls.failure("putArchive", noArchives),
    createContainer: Effect.fnUntraced(function* (spec) {
      if (containers.list().length >= most) {
        return yield* Calls.failure(
          "createContainer",
          new BadRequest({ message: `the embedded engine holds no more than ${most} containers` })
        )
      }
      const user = userOf(spec.config.User)
      const home = homeOf(user)
      const id = yield* docker.createContainer({
        ...spec,
        config: {
          ...spec.config,
          Hostname: spec.config.Hostname ?? "virtual",
          WorkingDir: spec.config.WorkingDir ?? home
        }
      })
      const container = yield* Effect.mapError(containers.find(id), (reason) =>
        Calls.failure("createContainer", reason)
      )
      const slot = slots.get(container.image)
      if (slot !== undefined) {
        slot.identity = { user, home, hostname: container.env["HOSTNAME"] ?? id.slice(0, 12) }
      }
      return id
    })
  })
})

/**
 * An engine in this process. Fails with `BadRequest` when the package `just-bash`, which is not installed with this one,
 * is not there.
 *
 * Every image is on it, and all are the same; pulls succeed at once. What it does not do: volumes, networks, resource
 * limits of the container's configuration, restart policies, archives of files.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: Options = {}): Layer.Layer<Docker, DockerError> => Layer.effect(Docker, make(options))
