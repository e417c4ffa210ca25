/**
 * An SSH server that gives each connection a container and each channel a program in it, as services and layers.
 *
 * Services, errors and identifiers are exported by their names. Layers are namespaces, named for the technology that
 * they stand on (`DockerodeDocker.layer`). Each module can be imported alone, too: `dockerrun/services/Docker`,
 * `dockerrun/layers/YamlConfig`, `dockerrun/schema/DockerError`; the reasons of the errors and the models that are not
 * named here live there.
 *
 * @since 0.1.0
 */

/**
 * Services.
 *
 * @since 0.1.0
 * @category services
 */
export { AuthConfig } from "./services/AuthConfig.ts"
export { Admission, type AdmissionLimits, type Gate, type Place } from "./services/Admission.ts"
export { Authenticator } from "./services/Authenticator.ts"
export { Docker } from "./services/Docker.ts"
export { DockerRun, type Connection, type ContainerStep } from "./services/DockerRun.ts"
export { DockerRunConfig } from "./services/DockerRunConfig.ts"
export { HostKeys, type HostKey } from "./services/HostKeys.ts"
export {
  InMemoryEngine,
  type Call,
  type ContainerRecord,
  type ExecRecord,
  type Fault,
  type FaultEffect,
  type Operation,
  type PullRecord
} from "./services/InMemoryEngine.ts"
export { Instance, type Boots, type BootState, type Identity as InstanceIdentity } from "./services/Instance.ts"
export { EngineConfig } from "./services/EngineConfig.ts"
export { EnginePriority, type Priority } from "./services/EnginePriority.ts"
export { LifecycleConfig } from "./services/LifecycleConfig.ts"
export { LogConfig } from "./services/LogConfig.ts"
export { Logger, type LogEvent } from "./services/Logger.ts"
export { PasswordHasher, type PasswordVerifier } from "./services/PasswordHasher.ts"
export { RunningServers } from "./services/RunningServers.ts"
export { SecurityConfig } from "./services/SecurityConfig.ts"
export { ProcessExit, Shutdown } from "./services/Shutdown.ts"
export { SshConfig } from "./services/SshConfig.ts"
export { StartWatcher, type Watcher } from "./services/StartQueue.ts"
export { StatusBoard, type Board } from "./services/StatusBoard.ts"
export { SshServer, type ServerAddress, type SshCrypto } from "./services/SshServer.ts"

/**
 * What the services work with.
 *
 * @since 0.1.0
 * @category models
 */
export * as ByteSink from "./services/ByteSink.ts"
export type { ProgramOutput } from "./services/ByteSink.ts"
export type { Client } from "./services/ContainerOwner.ts"
export type { TerminalSize } from "./services/Docker.ts"
export type { PullSummary } from "./services/ImagePull.ts"
export * as Reaper from "./services/Reaper.ts"
export type { Program } from "./services/Program.ts"
export * as ProgramExit from "./services/ProgramExit.ts"
export type { AdmittedProgram, ProgramKind, PtyRequest, Session } from "./services/Session.ts"
export { AuthenticationMethod, AuthenticationRequest, KeyQuery, PublicKey } from "./schema/AuthenticationRequest.ts"
export { AuthenticationResult, Identity, RejectionReason } from "./schema/AuthenticationResult.ts"
export { ChannelId, ConnectionId, ContainerId, ExecId } from "./schema/Identifiers.ts"
export { BootId, InstanceId } from "./schema/InstanceId.ts"

/**
 * Layers around a `Docker`, and what they tell of it.
 *
 * @since 0.1.0
 * @category layers
 */
export * as ContainerEvents from "./services/ContainerEvents.ts"
export * as EngineCircuit from "./services/EngineCircuit.ts"
export * as EngineGate from "./services/EngineGate.ts"
export { EngineState } from "./services/EngineState.ts"

/**
 * Layers.
 *
 * @since 0.1.0
 * @category layers
 */
export * as BcryptPasswordHasher from "./layers/BcryptPasswordHasher.ts"
export * as ConfigAuthenticator from "./layers/ConfigAuthenticator.ts"
export * as ConsoleLog from "./layers/ConsoleLog.ts"
export * as DockerodeDocker from "./layers/DockerodeDocker.ts"
export * as EmbeddedDocker from "./layers/EmbeddedDocker.ts"
export * as FileHostKeys from "./layers/FileHostKeys.ts"
export * as FileInstance from "./layers/FileInstance.ts"
export * as FileStatus from "./layers/FileStatus.ts"
export * as FileSpool from "./layers/FileSpool.ts"
export * as InMemoryDocker from "./layers/InMemoryDocker.ts"
export * as ProcessSignals from "./layers/ProcessSignals.ts"
export * as Ssh2Server from "./layers/Ssh2Server.ts"
export * as YamlConfig from "./layers/YamlConfig.ts"

/**
 * Errors. Their reasons are told apart by tag: `Effect.catchReason("ContainerError", "ImageMissing", …)`.
 *
 * @since 0.1.0
 * @category errors
 */
export { AuthenticationError, CredentialsError } from "./schema/AuthenticationError.ts"
export { ConfigError, ConfigProblem } from "./schema/ConfigError.ts"
export { ContainerError, ContainerErrorReason } from "./schema/ContainerError.ts"
export { DockerError, DockerErrorReason } from "./schema/DockerError.ts"
export { ForwardingError, ForwardingErrorReason } from "./schema/ForwardingError.ts"
export { HostKeyError } from "./schema/HostKeyError.ts"
export { LimitError, LimitErrorReason } from "./schema/LimitError.ts"
export { PasswordHashError } from "./schema/PasswordHashError.ts"
export { ProgramError, ProgramErrorReason } from "./schema/ProgramError.ts"
export { SshServerError } from "./schema/SshServerError.ts"
