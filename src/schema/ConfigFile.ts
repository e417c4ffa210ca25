/**
 * The whole configuration: what a file holds.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { AuthSettings } from "./AuthConfig.ts"
import { withDefault } from "./ConfigKey.ts"
import { DockerRunSettings } from "./DockerRunConfig.ts"
import { LogSettings } from "./LogConfig.ts"
import { SshSettings } from "./SshConfig.ts"

/**
 * The whole configuration. Every section may be left out.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ConfigFile = Schema.Struct({
  ssh: withDefault(SshSettings, {}, "Where the server listens and who it is."),
  auth: withDefault(AuthSettings, {}, "Who gets in. With nothing here nobody does."),
  dockerrun: withDefault(DockerRunSettings, {}, "The engine, and what runs on it for a connection."),
  log: withDefault(LogSettings, {}, "What is logged, and how.")
})

/**
 * @since 0.1.0
 * @category models
 */
export type ConfigFile = typeof ConfigFile.Type
