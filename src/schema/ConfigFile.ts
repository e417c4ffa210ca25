/**
 * The whole configuration: what a file holds.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { AuthSettings } from "./AuthConfig.ts"
import { isObject } from "./CanonicalKeys.ts"
import { decodeConfig, type Rule } from "./ConfigDecoding.ts"
import { withDefault } from "./ConfigKey.ts"
import { dockerRunRule, DockerRunSettings } from "./DockerRunConfig.ts"
import { EngineKind } from "./EngineConfig.ts"
import { LifecycleSettings } from "./LifecycleConfig.ts"
import { LogSettings } from "./LogConfig.ts"
import { SecuritySettings } from "./SecurityConfig.ts"
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
  security: withDefault(SecuritySettings, {}, "What clients may ask for."),
  engine: withDefault(
    EngineKind,
    "docker",
    "docker: an engine with Docker's API, where dockerrun.host says. embedded: virtual containers inside of the server, for trying things out; needs the package just-bash."
  ),
  dockerrun: withDefault(DockerRunSettings, {}, "The engine, and what runs on it for a connection."),
  lifecycle: withDefault(LifecycleSettings, {}, "How containers are kept from outliving their server."),
  log: withDefault(LogSettings, {}, "What is logged, and how.")
})

/**
 * @since 0.1.0
 * @category models
 */
export type ConfigFile = typeof ConfigFile.Type

const dockerRunSection: Rule = (value) =>
  value === undefined || isObject(value)
    ? dockerRunRule(value?.["dockerrun"]).map(({ path, message }) => ({ path: ["dockerrun", ...path], message }))
    : []

/** Forwarding takes a container that is the connection's. */
const forwardingInSessions: Rule = (value) => {
  if (!isObject(value) || !isObject(value["dockerrun"]) || !isObject(value["security"])) return []
  const { config } = value["dockerrun"]
  const { forwarding } = value["security"]
  if (!isObject(config) || config["mode"] !== "session" || !isObject(forwarding)) return []
  return Object.entries(forwarding).flatMap(([key, mode]) =>
    key.endsWith("Mode") && mode !== "" && mode !== "disable"
      ? [
          {
            path: ["security", "forwarding", key],
            message: "does not go with dockerrun.config.mode session: nothing is forwarded there; leave it out"
          }
        ]
      : []
  )
}

/**
 * Decodes a whole configuration.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decodeConfigFile = decodeConfig(ConfigFile, [dockerRunSection, forwardingInSessions])
