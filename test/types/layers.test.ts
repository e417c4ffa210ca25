/** What each public layer gives, how building it can fail, and what it needs. */
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import { describe, expectTypeOf, it } from "vitest"
import type * as BcryptPasswordHasher from "../../src/layers/BcryptPasswordHasher.ts"
import type * as ConfigAuthenticator from "../../src/layers/ConfigAuthenticator.ts"
import type * as ConsoleLog from "../../src/layers/ConsoleLog.ts"
import type * as DockerodeDocker from "../../src/layers/DockerodeDocker.ts"
import type * as FileHostKeys from "../../src/layers/FileHostKeys.ts"
import type * as InMemoryDocker from "../../src/layers/InMemoryDocker.ts"
import type * as Ssh2Server from "../../src/layers/Ssh2Server.ts"
import type * as YamlConfig from "../../src/layers/YamlConfig.ts"
import type { CredentialsError } from "../../src/schema/AuthenticationError.ts"
import type { ConfigError } from "../../src/schema/ConfigError.ts"
import type { DockerError } from "../../src/schema/DockerError.ts"
import type { HostKeyError } from "../../src/schema/HostKeyError.ts"
import type { SshServerError } from "../../src/schema/SshServerError.ts"
import type { AuthConfig } from "../../src/services/AuthConfig.ts"
import type { Authenticator } from "../../src/services/Authenticator.ts"
import type { Docker } from "../../src/services/Docker.ts"
import type { DockerRun } from "../../src/services/DockerRun.ts"
import type { DockerRunConfig } from "../../src/services/DockerRunConfig.ts"
import type { HostKeys } from "../../src/services/HostKeys.ts"
import type { InMemoryEngine } from "../../src/services/InMemoryEngine.ts"
import type { LogConfig } from "../../src/services/LogConfig.ts"
import type { Logger } from "../../src/services/Logger.ts"
import type { PasswordHasher } from "../../src/services/PasswordHasher.ts"
import type { SshConfig } from "../../src/services/SshConfig.ts"
import type { SshServer } from "../../src/services/SshServer.ts"
import type { Channels, Gives, Surface } from "./Channels.ts"

describe("layers", () => {
  it("DockerodeDocker", () => {
    expectTypeOf<Surface<typeof DockerodeDocker>>().toEqualTypeOf<{
      layer: Gives<Docker, DockerError, DockerRunConfig>
      layerHost: Gives<Docker, DockerError>
    }>()
  })

  it("InMemoryDocker cannot fail and needs nothing", () => {
    expectTypeOf<Surface<typeof InMemoryDocker>>().toEqualTypeOf<{ layer: Gives<Docker | InMemoryEngine> }>()
  })

  it("Ssh2Server", () => {
    expectTypeOf<Surface<typeof Ssh2Server>>().toEqualTypeOf<{
      layer: Gives<SshServer, SshServerError, Authenticator | DockerRun | HostKeys | Logger | SshConfig>
    }>()
  })

  it("FileHostKeys", () => {
    expectTypeOf<Surface<typeof FileHostKeys>>().toEqualTypeOf<{
      layer: Gives<HostKeys, HostKeyError, FileSystem.FileSystem | Logger | SshConfig>
    }>()
  })

  it("ConfigAuthenticator and BcryptPasswordHasher", () => {
    expectTypeOf<Surface<typeof ConfigAuthenticator>>().toEqualTypeOf<{
      layer: Gives<Authenticator, CredentialsError, AuthConfig | FileSystem.FileSystem | Logger | PasswordHasher>
    }>()
    expectTypeOf<Surface<typeof BcryptPasswordHasher>>().toEqualTypeOf<{ layer: Gives<PasswordHasher> }>()
  })

  it("YamlConfig", () => {
    expectTypeOf<Surface<typeof YamlConfig>>().toEqualTypeOf<{
      layer: Gives<YamlConfig.Sections, ConfigError, FileSystem.FileSystem | Path.Path>
      layerText: Gives<YamlConfig.Sections, ConfigError, Path.Path>
      readFile: Channels<ConfigError, FileSystem.FileSystem | Path.Path>
      readText: Channels<ConfigError, Path.Path>
    }>()
  })

  it("ConsoleLog", () => {
    expectTypeOf<Surface<typeof ConsoleLog>>().toEqualTypeOf<{ layer: Gives<never, never, LogConfig> }>()
  })
})
