/**
 * The failures and the needs of every public Effect of the services, member by member. A failure that is new, or a
 * member that is, does not compile here until somebody has written it down.
 */
import type * as Scope from "effect/Scope"
import { describe, expectTypeOf, it } from "vitest"
import type { AuthenticationError } from "../../src/schema/AuthenticationError.ts"
import type { ConfigError } from "../../src/schema/ConfigError.ts"
import type { ContainerError } from "../../src/schema/ContainerError.ts"
import type { DockerError } from "../../src/schema/DockerError.ts"
import type { PasswordHashError } from "../../src/schema/PasswordHashError.ts"
import type { ProgramError } from "../../src/schema/ProgramError.ts"
import type { SshServerError } from "../../src/schema/SshServerError.ts"
import type { AuthConfig } from "../../src/services/AuthConfig.ts"
import type { Authenticator } from "../../src/services/Authenticator.ts"
import type * as ByteSink from "../../src/services/ByteSink.ts"
import type * as Container from "../../src/services/Container.ts"
import type * as ContainerRemoval from "../../src/services/ContainerRemoval.ts"
import type { Docker, ProgramStreams } from "../../src/services/Docker.ts"
import type { Connection, DockerRun } from "../../src/services/DockerRun.ts"
import type { DockerRunConfig } from "../../src/services/DockerRunConfig.ts"
import type * as ImagePull from "../../src/services/ImagePull.ts"
import type { LogConfig } from "../../src/services/LogConfig.ts"
import type { Logger } from "../../src/services/Logger.ts"
import type { PasswordHasher, PasswordVerifier } from "../../src/services/PasswordHasher.ts"
import type * as Program from "../../src/services/Program.ts"
import type * as Retry from "../../src/services/Retry.ts"
import type { AdmittedProgram, Session } from "../../src/services/Session.ts"
import type { SshConfig } from "../../src/services/SshConfig.ts"
import type { SshServer } from "../../src/services/SshServer.ts"
import type { Channels, ChannelsOf, Gives, Surface } from "./Channels.ts"

type Backend = Docker | DockerRunConfig | Logger

describe("the engine", () => {
  it("Docker fails with DockerError alone", () => {
    expectTypeOf<Surface<Docker["Service"]>>().toEqualTypeOf<{
      info: Channels<DockerError>
      inspectImage: Channels<DockerError>
      pullImage: Channels<DockerError>
      createContainer: Channels<DockerError>
      startContainer: Channels<DockerError>
      inspectContainer: Channels<DockerError>
      renameContainer: Channels<DockerError>
      attachContainer: Channels<DockerError, Scope.Scope>
      waitContainer: Channels<DockerError>
      killContainer: Channels<DockerError>
      resizeContainer: Channels<DockerError>
      removeContainer: Channels<DockerError>
      listContainers: Channels<DockerError>
      listVolumes: Channels<DockerError>
      removeVolume: Channels<DockerError>
      statPath: Channels<DockerError>
      getArchive: Channels<DockerError>
      putArchive: Channels<DockerError>
      createExec: Channels<DockerError>
      startExec: Channels<DockerError, Scope.Scope>
      resizeExec: Channels<DockerError>
      inspectExec: Channels<DockerError>
      containerEvents: Channels<DockerError>
    }>()
    expectTypeOf<Surface<ProgramStreams>>().toEqualTypeOf<{ ended: Channels<DockerError> }>()
  })
})

describe("the backend", () => {
  it("DockerRun.connect cannot fail: what can is the connection's container", () => {
    expectTypeOf<Surface<DockerRun["Service"]>>().toEqualTypeOf<{ connect: Channels<never, Scope.Scope> }>()
    expectTypeOf<Surface<Connection>>().toEqualTypeOf<{
      container: Channels<ContainerError>
      ended: Channels
      steps: Channels
      session: Channels
      run: Channels<ContainerError | ProgramError, Scope.Scope>
      provide: Channels
      terminate: Channels
    }>()
    expectTypeOf<ChannelsOf<typeof DockerRun.layer>>().toEqualTypeOf<Gives<DockerRun, never, Backend>>()
  })

  it("Session refuses with ProgramError; a program that was admitted may also find no container", () => {
    expectTypeOf<Surface<Session>>().toEqualTypeOf<{
      env: Channels<ProgramError>
      pty: Channels<ProgramError>
      shell: Channels<ProgramError>
      exec: Channels<ProgramError>
      subsystem: Channels<ProgramError>
      signal: Channels<ProgramError>
      window: Channels<ProgramError>
    }>()
    expectTypeOf<Surface<AdmittedProgram>>().toEqualTypeOf<{
      start: Channels<ContainerError | ProgramError, Scope.Scope>
    }>()
  })

  it("Program fails with ProgramError, and a resize never", () => {
    expectTypeOf<Surface<Program.Program>>().toEqualTypeOf<{
      exit: Channels<ProgramError>
      resize: Channels
      signal: Channels<ProgramError>
    }>()
    expectTypeOf<Surface<typeof Program>>().toEqualTypeOf<{ start: Channels<ProgramError, Backend | Scope.Scope> }>()
  })

  it("Container fails with ContainerError, and its removal never", () => {
    expectTypeOf<Surface<typeof Container>>().toEqualTypeOf<{
      acquire: Channels<ContainerError, Backend | Scope.Scope>
      launch: Channels<ContainerError, Backend | Scope.Scope>
    }>()
    expectTypeOf<Surface<typeof ContainerRemoval>>().toEqualTypeOf<{
      remove: Channels<never, Backend>
      removeStopped: Channels<never, Backend>
    }>()
  })

  it("ImagePull and Retry fail as the engine does", () => {
    expectTypeOf<ChannelsOf<typeof ImagePull.find>>().toEqualTypeOf<Channels<DockerError, Docker>>()
    expectTypeOf<ChannelsOf<typeof ImagePull.pull>>().toEqualTypeOf<Channels<DockerError, Docker>>()
    expectTypeOf<Surface<typeof Retry>["whileTransient"]["fails"]>().toEqualTypeOf<DockerError>()
    expectTypeOf<Surface<typeof Retry>["untilDone"]["fails"]>().toEqualTypeOf<DockerError>()
  })

  it("a pipe and a sink for bytes never fail", () => {
    expectTypeOf<Surface<typeof ByteSink>>().toEqualTypeOf<{ makePipe: Channels; toSink: Channels }>()
  })
})

describe("who gets in, and how", () => {
  it("Authenticator fails with AuthenticationError alone: a refusal is a result", () => {
    expectTypeOf<Surface<Authenticator["Service"]>>().toEqualTypeOf<{
      mayUse: Channels<AuthenticationError>
      authenticate: Channels<AuthenticationError>
    }>()
    expectTypeOf<ChannelsOf<typeof Authenticator.layerDenyAll>>().toEqualTypeOf<Gives<Authenticator>>()
    expectTypeOf<ChannelsOf<typeof Authenticator.layerTest>>().toEqualTypeOf<Gives<Authenticator>>()
  })

  it("PasswordHasher fails with PasswordHashError", () => {
    expectTypeOf<Surface<PasswordHasher["Service"]>>().toEqualTypeOf<{
      hash: Channels<PasswordHashError>
      verifier: Channels<PasswordHashError>
    }>()
    expectTypeOf<ChannelsOf<PasswordVerifier>>().toEqualTypeOf<Channels<PasswordHashError>>()
  })

  it("SshServer fails with SshServerError alone, whatever clients do", () => {
    expectTypeOf<Surface<SshServer["Service"]>>().toEqualTypeOf<{ run: Channels<SshServerError> }>()
  })
})

describe("configuration and log", () => {
  it("a section that is given as a value fails with ConfigError", () => {
    expectTypeOf<ChannelsOf<typeof AuthConfig.layer>>().toEqualTypeOf<Gives<AuthConfig, ConfigError>>()
    expectTypeOf<ChannelsOf<typeof DockerRunConfig.layer>>().toEqualTypeOf<Gives<DockerRunConfig, ConfigError>>()
    expectTypeOf<ChannelsOf<typeof LogConfig.layer>>().toEqualTypeOf<Gives<LogConfig, ConfigError>>()
    expectTypeOf<ChannelsOf<typeof SshConfig.layer>>().toEqualTypeOf<Gives<SshConfig, ConfigError>>()
  })

  it("logging never fails", () => {
    expectTypeOf<Surface<Logger["Service"]>>().toEqualTypeOf<{ log: Channels }>()
    expectTypeOf<ChannelsOf<typeof Logger.layer>>().toEqualTypeOf<Gives<Logger>>()
  })
})
