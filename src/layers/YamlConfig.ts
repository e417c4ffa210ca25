/**
 * The configuration from a YAML or JSON file, with overrides from the environment.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Result from "effect/Result"
import type { PublicKeySource } from "../schema/AuthConfig.ts"
import type { Environment } from "../schema/ConfigEnvironment.ts"
import { ConfigError } from "../schema/ConfigError.ts"
import { type ConfigFile, decodeConfigFile } from "../schema/ConfigFile.ts"
import type { HostKeySource } from "../schema/SshConfig.ts"
import { AuthConfig } from "../services/AuthConfig.ts"
import { DockerRunConfig } from "../services/DockerRunConfig.ts"
import { EngineConfig } from "../services/EngineConfig.ts"
import { LifecycleConfig } from "../services/LifecycleConfig.ts"
import { LogConfig } from "../services/LogConfig.ts"
import { SecurityConfig } from "../services/SecurityConfig.ts"
import { SshConfig } from "../services/SshConfig.ts"
import { parse } from "./yaml/YamlDocument.ts"

/**
 * The four sections of the configuration.
 *
 * @since 0.1.0
 * @category models
 */
export type Sections = AuthConfig | DockerRunConfig | LogConfig | SshConfig

/**
 * @since 0.1.0
 * @category options
 */
export interface FileOptions {
  /** Path of the YAML or JSON file. Relative paths in it start from its directory. */
  readonly path: string
  /** The variables that override the file (`DOCKERRUN_…`). Default: those of the process. */
  readonly environment?: Environment
}

/**
 * @since 0.1.0
 * @category options
 */
export interface TextOptions {
  /** YAML or JSON. An empty text leaves every setting at its default. */
  readonly text: string
  /** What problems name as their source. Default: `configuration`. */
  readonly source?: string
  /** Directory from which relative paths start. Default: the working directory. */
  readonly directory?: string
  /** The variables that override the text (`DOCKERRUN_…`). Default: those of the process. */
  readonly environment?: Environment
}

/**
 * Reads a text into a configuration. Paths in the result are absolute. Fails with every problem that the text and the
 * environment have.
 *
 * @since 0.1.0
 * @category reading
 */
export const readText = Effect.fn("YamlConfig.readText")(function* (options: TextOptions) {
  const path = yield* Path.Path
  const source = options.source ?? "configuration"
  const document = parse(options.text)
  if (Result.isFailure(document)) return yield* new ConfigError({ source, problems: document.failure })
  const { value, problems, positionOf, sourceText } = document.success
  const environment = options.environment ?? process.env
  const file = yield* decodeConfigFile(value, { source, problems, environment, positionOf, sourceText })
  return resolvePaths(file, (relative) => path.resolve(options.directory ?? "", relative))
})

/**
 * Reads a file into a configuration.
 *
 * @since 0.1.0
 * @category reading
 */
export const readFile = Effect.fn("YamlConfig.readFile")(function* (options: FileOptions) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const text = yield* fs
    .readFileString(options.path)
    .pipe(
      Effect.mapError(
        (error) => new ConfigError({ source: options.path, problems: [{ path: "", message: unreadable(error) }] })
      )
    )
  return yield* readText({
    text,
    source: options.path,
    directory: path.dirname(options.path),
    ...(options.environment === undefined ? {} : { environment: options.environment })
  })
})

/**
 * The four sections of the configuration from a file.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer = (options: FileOptions): Layer.Layer<Sections, ConfigError, FileSystem.FileSystem | Path.Path> =>
  Layer.effectContext(Effect.map(readFile(options), sections))

/**
 * The four sections of the configuration from a text.
 *
 * @since 0.1.0
 * @category layers
 */
export const layerText = (options: TextOptions): Layer.Layer<Sections, ConfigError, Path.Path> =>
  Layer.effectContext(Effect.map(readText(options), sections))

const sections = (file: ConfigFile): Context.Context<Sections> =>
  Context.make(SshConfig, file.ssh).pipe(
    Context.add(AuthConfig, file.auth),
    Context.add(DockerRunConfig, file.dockerrun),
    Context.add(LogConfig, file.log),
    Context.add(LifecycleConfig, file.lifecycle),
    Context.add(SecurityConfig, file.security),
    Context.add(EngineConfig, file.engine)
  )

const resolvePaths = (file: ConfigFile, resolve: (relative: string) => string): ConfigFile => {
  const resolveKeys = (source: PublicKeySource): PublicKeySource =>
    source._tag === "File" ? { _tag: "File", path: resolve(source.path) } : source
  return {
    ...file,
    ssh: {
      ...file.ssh,
      hostkeys: file.ssh.hostkeys.map((source): HostKeySource =>
        source._tag === "File" ? { _tag: "File", path: resolve(source.path) } : source
      ),
      hostkeyDirectory: resolve(file.ssh.hostkeyDirectory)
    },
    lifecycle: { ...file.lifecycle, stateDirectory: resolve(file.lifecycle.stateDirectory) },
    auth: {
      ...file.auth,
      ...(file.auth.authorizedKeysFile === undefined
        ? {}
        : { authorizedKeysFile: resolve(file.auth.authorizedKeysFile) }),
      trustedUserCAKeys: file.auth.trustedUserCAKeys.map(resolveKeys),
      revokedKeys: file.auth.revokedKeys.map(resolveKeys)
    }
  }
}

const unreadable = (error: PlatformError): string => {
  switch (error.reason._tag) {
    case "NotFound":
      return "cannot be read: there is no such file"
    case "PermissionDenied":
      return "cannot be read: permission denied"
    default:
      return `cannot be read: ${error.message}`
  }
}
