/**
 * The environment variables that override single settings of the configuration.
 *
 * @since 0.1.0
 */
import { isObject } from "./CanonicalKeys.ts"
import type { ConfigPath, ConfigProblem } from "./ConfigError.ts"
import { nearest } from "./NearestName.ts"

/**
 * How the text of a variable is read. A `duration` of digits alone is a number of nanoseconds, as in the file.
 *
 * @since 0.1.0
 * @category models
 */
export type VariableKind = "text" | "boolean" | "duration" | "number"

/**
 * A variable and the setting that it overrides.
 *
 * @since 0.1.0
 * @category models
 */
export interface Variable {
  readonly name: string
  readonly path: ReadonlyArray<string>
  readonly kind: VariableKind
}

const variable = (name: string, path: string, kind: VariableKind = "text"): Variable => ({
  name,
  path: path.split("."),
  kind
})

/**
 * All variables. Lists, maps and the Engine API's objects have none, except for the image.
 *
 * @since 0.1.0
 * @category constants
 */
export const variables: ReadonlyArray<Variable> = [
  variable("DOCKERRUN_SSH_LISTEN", "ssh.listen"),
  variable("DOCKERRUN_SSH_REUSEPORT", "ssh.reusePort", "boolean"),
  variable("DOCKERRUN_SSH_HOSTKEYDIRECTORY", "ssh.hostkeyDirectory"),
  variable("DOCKERRUN_SSH_BANNER", "ssh.banner"),
  variable("DOCKERRUN_SSH_SHUTDOWNGRACEPERIOD", "ssh.shutdownGracePeriod", "duration"),
  variable("DOCKERRUN_SSH_SHUTDOWNTIMEOUT", "ssh.shutdownTimeout", "duration"),
  variable("DOCKERRUN_SSH_LOGINGRACETIME", "ssh.loginGraceTime", "duration"),
  variable("DOCKERRUN_SSH_MAXAUTHTRIES", "ssh.maxAuthTries", "number"),
  variable("DOCKERRUN_SSH_MAXSTARTUPS", "ssh.maxStartups"),
  variable("DOCKERRUN_SSH_MAXSTARTUPSPERADDRESS", "ssh.maxStartupsPerAddress", "number"),
  variable("DOCKERRUN_SSH_MAXCONNECTIONSPERADDRESS", "ssh.maxConnectionsPerAddress", "number"),
  variable("DOCKERRUN_SSH_MAXCONNECTIONSPERUSER", "ssh.maxConnectionsPerUser", "number"),
  variable("DOCKERRUN_SSH_MAXSESSIONS", "ssh.maxSessions", "number"),
  variable("DOCKERRUN_SSH_CLIENTALIVEINTERVAL", "ssh.clientAliveInterval", "duration"),
  variable("DOCKERRUN_SSH_CLIENTALIVECOUNTMAX", "ssh.clientAliveCountMax", "number"),
  variable("DOCKERRUN_SSH_IDLETIMEOUT", "ssh.idleTimeout", "duration"),
  variable("DOCKERRUN_SSH_MAXCONNECTIONTIME", "ssh.maxConnectionTime", "duration"),
  variable("DOCKERRUN_AUTH_AUTHORIZEDKEYSFILE", "auth.authorizedKeysFile"),
  variable("DOCKERRUN_ENGINE", "engine"),
  variable("DOCKERRUN_LIFECYCLE_DEADMANSSWITCH", "lifecycle.deadMansSwitch", "boolean"),
  variable("DOCKERRUN_LIFECYCLE_INSTANCE", "lifecycle.instance"),
  variable("DOCKERRUN_LIFECYCLE_STATEDIRECTORY", "lifecycle.stateDirectory"),
  variable("DOCKERRUN_LIFECYCLE_REAPINTERVAL", "lifecycle.reapInterval", "duration"),
  variable("DOCKERRUN_LOG_LEVEL", "log.level"),
  variable("DOCKERRUN_LOG_FORMAT", "log.format"),
  variable("DOCKERRUN_HOST", "dockerrun.host"),
  variable("DOCKERRUN_CACERT", "dockerrun.cacert"),
  variable("DOCKERRUN_CERT", "dockerrun.cert"),
  variable("DOCKERRUN_KEY", "dockerrun.key"),
  variable("DOCKERRUN_IMAGE", "dockerrun.config.container.Image"),
  variable("DOCKERRUN_CONTAINERNAME", "dockerrun.config.containername"),
  variable("DOCKERRUN_DISABLECOMMAND", "dockerrun.config.disableCommand", "boolean"),
  variable("DOCKERRUN_DISABLESHELL", "dockerrun.config.disableShell", "boolean"),
  variable("DOCKERRUN_DISABLESUBSYSTEM", "dockerrun.config.disableSubsystem", "boolean"),
  variable("DOCKERRUN_IMAGEPULLPOLICY", "dockerrun.config.imagePullPolicy"),
  variable("DOCKERRUN_TIMEOUT", "dockerrun.config.timeout", "duration")
]

const byName: ReadonlyMap<string, Variable> = new Map(variables.map((entry) => [entry.name, entry]))

/**
 * The environment of a process.
 *
 * @since 0.1.0
 * @category models
 */
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * A configuration with the variables in it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Overridden {
  readonly value: unknown
  readonly problems: ReadonlyArray<ConfigProblem>
  /** The variable that a setting came from. */
  readonly variableAt: (path: ConfigPath) => string | undefined
}

const booleans: ReadonlyMap<string, boolean> = new Map([
  ["1", true],
  ["true", true],
  ["yes", true],
  ["on", true],
  ["0", false],
  ["false", false],
  ["no", false],
  ["off", false]
])

const read = (kind: VariableKind, text: string): unknown => {
  switch (kind) {
    case "text":
      return text
    case "boolean":
      return booleans.get(text.toLowerCase()) ?? text
    case "duration":
    case "number":
      return /^\d+$/u.test(text) ? Number(text) : text
  }
}

const set = (target: unknown, path: ReadonlyArray<string>, value: unknown): unknown => {
  const [key, ...rest] = path
  if (key === undefined) return value
  // What is not an object is a mistake in the file; it stays, and is reported as that.
  if (target !== undefined && !isObject(target)) return target
  return { ...target, [key]: set(target?.[key], rest, value) }
}

/**
 * Puts the variables of an environment over a configuration whose keys are canonical. An empty variable counts as not
 * set. A variable that begins with `DOCKERRUN_` and is unknown is a problem; those that begin with `DOCKERRUN_TEST_` are
 * left alone.
 *
 * @since 0.1.0
 * @category conversions
 */
export const override = (input: unknown, environment: Environment): Overridden => {
  const problems: Array<ConfigProblem> = []
  const origins = new Map<string, string>()
  let value = input
  for (const [name, text] of Object.entries(environment)) {
    if (text === undefined || text === "" || !name.startsWith("DOCKERRUN_")) continue
    if (name.startsWith("DOCKERRUN_TEST_")) continue
    const known = byName.get(name)
    if (known === undefined) {
      const meant = nearest(name, byName.keys())
      const hint = meant === undefined ? "" : `; did you mean ${meant}?`
      problems.push({ path: "", variable: name, message: `unknown variable${hint}` })
    } else {
      value = set(value, known.path, read(known.kind, text))
      origins.set(known.path.join("."), name)
    }
  }
  return { value, problems, variableAt: (path) => origins.get(path.join(".")) }
}
