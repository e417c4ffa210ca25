/**
 * Everything that is wrong with a configuration, at once.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * One thing that is wrong: where, and what to do. The message never holds a secret.
 *
 * @since 0.1.0
 * @category models
 */
export const ConfigProblem = Schema.Struct({
  /** Dotted: `dockerrun.config.imagePullPolicy`, `ssh.hostkeys[0]`. Empty for the whole. */
  path: Schema.String,
  /** From 1, in the file. */
  line: Schema.optionalKey(Schema.Int),
  /** From 1, in the line. */
  column: Schema.optionalKey(Schema.Int),
  /** The environment variable that the value came from. */
  variable: Schema.optionalKey(Schema.String),
  message: Schema.String
})

/**
 * @since 0.1.0
 * @category models
 */
export type ConfigProblem = typeof ConfigProblem.Type

const formatProblem = (source: string, problem: ConfigProblem): string => {
  const place =
    problem.variable ??
    (problem.line === undefined ? source : `${source}:${problem.line}${problem.column ? `:${problem.column}` : ""}`)
  return [place, problem.path, problem.message].filter((part) => part !== "").join(": ")
}

/**
 * A configuration that cannot be used, with every problem that it has.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConfigError extends Schema.TaggedError<ConfigError>("dockerrun/ConfigError")("ConfigError", {
  /** The file, or whatever else the configuration was read from. */
  source: Schema.String,
  problems: Schema.Array(ConfigProblem)
}) {
  readonly code = "DOCKERRUN_CONFIG_INVALID"

  /** One problem per line: `file:line:column: path: what is wrong`. */
  override get message(): string {
    return this.problems.map((problem) => formatProblem(this.source, problem)).join("\n")
  }
}

/**
 * Where something is inside a configuration: keys and indices, outermost first.
 *
 * @since 0.1.0
 * @category models
 */
export type ConfigPath = ReadonlyArray<string | number>

/**
 * Writes a path with dots and brackets: `auth.users["a.b"].authorizedKeys[0]`.
 *
 * @since 0.1.0
 * @category formatting
 */
export const formatPath = (path: ConfigPath): string =>
  path.reduce<string>((text, key) => {
    if (typeof key === "number") return `${text}[${key}]`
    if (!/^[\p{L}\p{N}_$-]+$/u.test(key)) return `${text}[${JSON.stringify(key)}]`
    return text === "" ? key : `${text}.${key}`
  }, "")
