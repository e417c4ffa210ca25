/**
 * From what somebody wrote to a configuration, or to the list of everything that is wrong with it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { canonicalize, type SourceText } from "./CanonicalKeys.ts"
import { type Environment, override } from "./ConfigEnvironment.ts"
import { ConfigError, type ConfigPath, type ConfigProblem, formatPath } from "./ConfigError.ts"
import { describeIssue, type Described } from "./ConfigIssue.ts"

/**
 * A line and a column, both from 1.
 *
 * @since 0.1.0
 * @category models
 */
export interface Position {
  readonly line: number
  readonly column: number
}

/**
 * What is known about where a value comes from.
 *
 * @since 0.1.0
 * @category models
 */
export interface Origin {
  /** The file, or whatever else a person recognises. */
  readonly source: string
  /** The key under which the value stands in the whole configuration; it begins every path. */
  readonly section?: string
  /** What was found wrong while the value was read. */
  readonly problems?: ReadonlyArray<ConfigProblem>
  /** The environment whose variables override the value. Only for the whole configuration. Default: none. */
  readonly environment?: Environment
  /** The text of a number or boolean, where the value was read from text. */
  readonly sourceText?: SourceText
  /** The position of a key, or of an item in a list, by its path in the author's spelling. */
  readonly positionOf?: (path: ConfigPath) => Position | undefined
}

/**
 * What a schema cannot say because it concerns several keys at once. It runs on the value as written, in canonical
 * spelling, so that its findings come together with all others.
 *
 * @since 0.1.0
 * @category models
 */
export type Rule = (value: unknown) => ReadonlyArray<Described>

/**
 * Decodes a value, and fails with all of its problems in the order of the file.
 *
 * @since 0.1.0
 * @category decoding
 */
export const decodeConfig = <S extends Schema.Top & { readonly DecodingServices: never }>(
  schema: S,
  rules: ReadonlyArray<Rule>
) => {
  const decode = Schema.decodeUnknownResult(schema, { errors: "all", onExcessProperty: "error" })

  return (input: unknown, origin: Origin): Effect.Effect<S["Type"], ConfigError> => {
    const canonical = canonicalize(schema, input, origin.sourceText)
    const overridden = override(canonical.value, origin.environment ?? {})
    const decoded = decode(overridden.value)

    const positionOf = (path: ConfigPath): Position | undefined => {
      const position = origin.positionOf?.(canonical.original(path))
      return position !== undefined || path.length === 0 ? position : positionOf(path.slice(0, -1))
    }
    const locate = ({ path, message }: Described): ConfigProblem => {
      const variable = overridden.variableAt(path)
      const position = variable === undefined ? positionOf(path) : undefined
      return {
        path: formatPath(origin.section === undefined ? path : [origin.section, ...path]),
        ...(variable === undefined ? {} : { variable }),
        ...position,
        message
      }
    }

    const found: ReadonlyArray<Described> = [
      ...canonical.problems,
      ...(Result.isFailure(decoded) ? describeIssue(schema, decoded.failure.issue, overridden.value) : []),
      ...rules.flatMap((rule) => rule(overridden.value))
    ]
    const problems = [...(origin.problems ?? []), ...found.map(locate), ...overridden.problems]
    return Result.isSuccess(decoded) && problems.length === 0
      ? Effect.succeed(decoded.success)
      : Effect.fail(new ConfigError({ source: origin.source, problems: problems.toSorted(byPosition) }))
  }
}

/** What has no line, because it comes from the environment or is about the whole, goes last. */
const byPosition = (left: ConfigProblem, right: ConfigProblem): number => {
  const last = Number.MAX_SAFE_INTEGER
  return (left.line ?? last) - (right.line ?? last) || (left.column ?? last) - (right.column ?? last)
}
