/**
 * A container engine, as far as this product needs one: images, containers, execs, events. It knows nothing of SSH.
 *
 * The operations are those of the Docker Engine API, one to one, with typed errors. They do not retry and have no
 * timeouts of their own: that is the caller's policy.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { ContainerConfig } from "../schema/ContainerConfig.ts"
import type { DockerError } from "../schema/DockerError.ts"
import type { HostConfig } from "../schema/HostConfig.ts"
import type { ContainerId, ExecId } from "../schema/Identifiers.ts"
import type { NetworkingConfig } from "../schema/NetworkingConfig.ts"
import type { Platform } from "../schema/Platform.ts"
import type { ByteSink, ProgramOutput } from "./ByteSink.ts"

/**
 * Which engine answers, where, and which version of its API is spoken.
 *
 * @since 0.1.0
 * @category models
 */
export interface EngineInfo {
  /** The connect URL, such as `unix:///var/run/docker.sock`. */
  readonly address: string
  /** Where that address was taken from, for the log: `config`, `DOCKER_HOST`, `docker context "desktop"`, … */
  readonly origin: string
  readonly engineVersion: string
  /** The negotiated version of the Engine API, such as `1.41`. */
  readonly apiVersion: string
  /** Operating system of the containers: `linux` or `windows`. */
  readonly os: string
}

/**
 * An image that is present on the engine.
 *
 * @since 0.1.0
 * @category models
 */
export interface Image {
  readonly id: string
  readonly tags: ReadonlyArray<string>
  /** Size in bytes. */
  readonly size: number
  /** Whose rights its programs have, unless the container says otherwise. Empty: root. */
  readonly user: string
  /** `NAME=value`, for every container of it. */
  readonly env: ReadonlyArray<string>
  /** Paths at which each container of it gets an anonymous volume. */
  readonly volumes: ReadonlyArray<string>
}

/**
 * One line of a pull's progress.
 *
 * @since 0.1.0
 * @category models
 */
export interface PullProgress {
  /** What happens, in the engine's words: `Downloading`, `Extracting`, `Pull complete`, … */
  readonly status: string
  /** The layer that this line is about. Lines about the whole image have none. */
  readonly layer?: string
  /** Bytes done and bytes in all, where the engine says so. */
  readonly current?: number
  readonly total?: number
}

/**
 * What a container is made of (Engine API, `POST /containers/create`).
 *
 * @since 0.1.0
 * @category models
 */
export interface ContainerSpec {
  readonly name?: string
  readonly platform?: Platform
  readonly config: ContainerConfig
  readonly host: HostConfig
  readonly network: NetworkingConfig
  /**
   * How the terminal of its first process is to behave at the start, in the words of `stty`. They are heeded where
   * `Entrypoint` is empty, `Cmd` is a shell, and the image has an `stty`.
   */
  readonly modes?: ReadonlyArray<string>
}

/**
 * What the engine says of a container.
 *
 * @since 0.1.0
 * @category models
 */
export interface ContainerInfo {
  readonly id: ContainerId
  readonly name: string
  /** `created`, `running`, `paused`, `restarting`, `removing`, `exited` or `dead`. */
  readonly status: string
  readonly running: boolean
  readonly exitCode: number
  readonly oomKilled: boolean
  /** The execs that the engine knows in it. Some engines still name those that have ended. */
  readonly execs: ReadonlyArray<ExecId>
  /** Whose rights its programs have, as it was configured: a name or a number, with a group behind a colon. Empty: root. */
  readonly user: string
  /** `NAME=value`, of the image and of what it was created with. */
  readonly env: ReadonlyArray<string>
  /** Where its programs start. Empty: `/`. */
  readonly workingDirectory: string
  readonly labels: Readonly<Record<string, string>>
}

/**
 * One container in a list.
 *
 * @since 0.1.0
 * @category models
 */
export interface ContainerSummary {
  readonly id: ContainerId
  readonly names: ReadonlyArray<string>
  readonly image: string
  readonly status: string
  readonly labels: Readonly<Record<string, string>>
  /** Seconds since the Unix epoch. */
  readonly created: number
}

/**
 * One volume in a list.
 *
 * @since 0.1.0
 * @category models
 */
export interface VolumeSummary {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
}

/**
 * A program to run in a container (Engine API, `POST /containers/{id}/exec`). Standard input is always open.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExecSpec {
  readonly command: readonly [string, ...ReadonlyArray<string>]
  /** `NAME=value`, added to the container's own. */
  readonly env: ReadonlyArray<string>
  readonly tty: boolean
  /**
   * The terminal's size at the start, for programs that ask for it at once. Engines before API 1.42 know it only by a
   * resize, which may come later than that; where the program is a shell, the size is then set inside the container.
   */
  readonly size?: TerminalSize
  /**
   * How the terminal is to behave at the start, in the words of `stty`. They are heeded where the program is a shell and
   * the image has an `stty`.
   */
  readonly modes?: ReadonlyArray<string>
  readonly user?: string
  readonly workingDirectory?: string
}

/**
 * The state of an exec.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExecInfo {
  readonly running: boolean
  /** Absent while the program runs. */
  readonly exitCode?: number
  /** The program's process id as the engine's host sees it; 0 when it never started. */
  readonly pid: number
}

/**
 * Size of a terminal, in characters.
 *
 * @since 0.1.0
 * @category models
 */
export interface TerminalSize {
  readonly columns: number
  readonly rows: number
}

/**
 * The two ends of a running program's streams. They close with the Scope in which they were opened.
 *
 * @since 0.1.0
 * @category models
 */
export interface ProgramStreams {
  /**
   * The program's standard input. `end` is a half-close: output goes on. With a terminal `end` does nothing, because an
   * engine drops the rest of the output when a terminal's stream is half-closed.
   */
  readonly stdin: ByteSink
  /**
   * Waits for the end of the output; by then both sinks have been ended. Fails with `Unreachable` when the stream broke,
   * and with `ProgramNotStarted` when the program could not be started; the sinks are then left open, so that their
   * owner can still say why.
   *
   * An engine that dies and a program that ends close a stream alike: whether a program has ended is for `inspectExec`
   * and `waitContainer` to say.
   */
  readonly ended: Effect.Effect<void, DockerError>
}

/**
 * How a container ended.
 *
 * @since 0.1.0
 * @category models
 */
export interface ContainerExit {
  readonly exitCode: number
}

/**
 * What is at a path in a container (Engine API, `HEAD /containers/{id}/archive`).
 *
 * @since 0.1.0
 * @category models
 */
export interface PathStat {
  readonly name: string
  /** Size in bytes. */
  readonly size: number
  /** The type and the permissions, as `st_mode` of POSIX has them. */
  readonly mode: number
  /** Milliseconds since the Unix epoch. */
  readonly mtime: number
  /** For a symbolic link: the absolute path of what it leads to in the end, which need not exist. */
  readonly linkTarget?: string
}

/**
 * Something that happened to a container (Engine API, `GET /events`).
 *
 * @since 0.1.0
 * @category models
 */
export interface ContainerEvent {
  /** `create`, `start`, `die`, `oom`, `kill`, `pause`, `unpause`, `destroy`, … */
  readonly action: string
  readonly containerId: ContainerId
  /** The container's labels, and for some actions the engine's further words (`exitCode`, `signal`). */
  readonly attributes: Readonly<Record<string, string>>
}

/**
 * A narrow port to a container engine.
 *
 * @since 0.1.0
 * @category services
 */
export class Docker extends Context.Service<
  Docker,
  {
    /** Asks the engine who it is; negotiates the API version on the first call. */
    readonly info: Effect.Effect<EngineInfo, DockerError>
    /** `NotFound` when the image is not on the engine. */
    readonly inspectImage: (reference: string) => Effect.Effect<Image, DockerError>
    /**
     * Pulls an image and emits its progress. An error inside the progress fails the stream. Ending the stream early
     * gives the pull up.
     */
    readonly pullImage: (
      reference: string,
      options?: { readonly platform?: Platform }
    ) => Stream.Stream<PullProgress, DockerError>
    readonly createContainer: (spec: ContainerSpec) => Effect.Effect<ContainerId, DockerError>
    /** Starting a running container succeeds. `ProgramNotStarted` when there is no such main process in the image. */
    readonly startContainer: (id: ContainerId) => Effect.Effect<void, DockerError>
    readonly inspectContainer: (id: ContainerId) => Effect.Effect<ContainerInfo, DockerError>
    /** Gives the container another name, whether it runs or not. `Conflict` when the name is taken. */
    readonly renameContainer: (id: ContainerId, name: string) => Effect.Effect<void, DockerError>
    /** Opens the streams of the container's main process; attach before the start and nothing is missed. */
    readonly attachContainer: (
      id: ContainerId,
      options: { readonly tty: boolean; readonly output: ProgramOutput }
    ) => Effect.Effect<ProgramStreams, DockerError, Scope.Scope>
    /** Waits until the container's main process ends, or, with `next-exit`, ends the next time. */
    readonly waitContainer: (
      id: ContainerId,
      condition: "not-running" | "next-exit" | "removed"
    ) => Effect.Effect<ContainerExit, DockerError>
    /** Sends a signal (`SIGTERM`) to the main process. `Conflict` when the container does not run. */
    readonly killContainer: (id: ContainerId, signal: string) => Effect.Effect<void, DockerError>
    /**
     * Gives the terminal of the main process another size. Fails when it does not run; without a terminal nothing happens,
     * or it fails.
     */
    readonly resizeContainer: (id: ContainerId, size: TerminalSize) => Effect.Effect<void, DockerError>
    /**
     * Removes it together with its anonymous volumes. One that runs is killed; without `force` (true unless told) it stays,
     * and that is a `Conflict`.
     */
    readonly removeContainer: (
      id: ContainerId,
      options?: { readonly force: boolean }
    ) => Effect.Effect<void, DockerError>
    /** All containers, running or not, that bear every one of the labels (`name` or `name=value`). */
    readonly listContainers: (
      labels: ReadonlyArray<string>
    ) => Effect.Effect<ReadonlyArray<ContainerSummary>, DockerError>
    /** All volumes that bear every one of the labels (`name` or `name=value`). */
    readonly listVolumes: (labels: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<VolumeSummary>, DockerError>
    /** `Conflict` as long as there is a container that uses it, running or not. */
    readonly removeVolume: (name: string) => Effect.Effect<void, DockerError>
    /**
     * What is at an absolute path. A symbolic link at its end is not followed. `NotFound` when nothing is there. The
     * engine looks with root's rights, and sees no file systems that only the container has mounted (`tmpfs`, `/proc`).
     */
    readonly statPath: (id: ContainerId, path: string) => Effect.Effect<PathStat, DockerError>
    /**
     * A tar archive of what is at a path, directories with all that is below. Its entries' paths begin with the last
     * part of the path. Ending the stream early gives the rest up.
     */
    readonly getArchive: (id: ContainerId, path: string) => Stream.Stream<Uint8Array, DockerError>
    /** Unpacks a tar archive into a directory that exists. Owners and modes are those of the archive's entries. */
    readonly putArchive: (
      id: ContainerId,
      directory: string,
      archive: Stream.Stream<Uint8Array>
    ) => Effect.Effect<void, DockerError>
    readonly createExec: (id: ContainerId, spec: ExecSpec) => Effect.Effect<ExecId, DockerError>
    /**
     * Starts the program and connects its streams. `size` is the terminal's size at the start; an engine before API 1.42
     * learns of it by a resize right after the start, whose failure is not the program's.
     */
    readonly startExec: (
      id: ExecId,
      options: { readonly tty: boolean; readonly size?: TerminalSize; readonly output: ProgramOutput }
    ) => Effect.Effect<ProgramStreams, DockerError, Scope.Scope>
    readonly resizeExec: (id: ExecId, size: TerminalSize) => Effect.Effect<void, DockerError>
    readonly inspectExec: (id: ExecId) => Effect.Effect<ExecInfo, DockerError>
    /** What happens to containers that bear every one of the labels, from now on. */
    readonly containerEvents: (labels: ReadonlyArray<string>) => Stream.Stream<ContainerEvent, DockerError>
  }
>()("dockerrun/services/Docker") {}
