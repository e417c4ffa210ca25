/**
 * What a schema found wrong, in words for the author of a configuration: what is offending, and what to do.
 *
 * @since 0.1.0
 */
import type * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import type * as SchemaIssue from "effect/SchemaIssue"
import { isObject } from "./CanonicalKeys.ts"
import type { ConfigPath } from "./ConfigError.ts"
import { nearest } from "./NearestName.ts"

/**
 * The annotation of a text that no message may show.
 *
 * @since 0.1.0
 * @category annotations
 */
export const secret = "dockerrun/secret"

/**
 * A path and what is wrong there.
 *
 * @since 0.1.0
 * @category models
 */
export interface Described {
  readonly path: ConfigPath
  readonly message: string
}

/**
 * Describes every leaf of an issue. `input` is the value that was decoded; single values are shown, never secret ones,
 * nor what is long or has several lines.
 *
 * @since 0.1.0
 * @category formatting
 */
export const describeIssue = (
  schema: Schema.Top,
  issue: SchemaIssue.Issue,
  input: unknown
): ReadonlyArray<Described> => {
  const root = SchemaAST.toEncoded(schema.ast)

  const subject = (path: ConfigPath): string => {
    const value = valueAt(input, path)
    if (isSecretAt(root, path)) return "the value"
    if (typeof value === "number" || typeof value === "boolean") return String(value)
    return typeof value === "string" && value.length <= 60 && !/[\r\n]/u.test(value)
      ? JSON.stringify(value)
      : "the value"
  }

  const visit = (issue: SchemaIssue.Issue, path: ConfigPath, message: string | undefined): ReadonlyArray<Described> => {
    switch (issue._tag) {
      case "Pointer":
        return visit(
          issue.issue,
          [...path, ...issue.path.map((key) => (typeof key === "symbol" ? String(key) : key))],
          undefined
        )
      case "Encoding":
        return visit(issue.issue, path, message)
      case "Composite":
        return issue.issues.flatMap((inner) => visit(inner, path, messageOf(issue.ast)))
      case "Filter":
        return visit(issue.issue, path, textOf(issue.filter.annotations) ?? message)
      case "AnyOf": {
        const names = issue.ast.types.flatMap((type) => (SchemaAST.isLiteral(type) ? [String(type.literal)] : []))
        if (names.length > 0) {
          const name = nearest(String(valueAt(input, path)), names)
          const hint = name === undefined ? "" : `; did you mean ${name}?`
          return [{ path, message: `${subject(path)} is not ${oneOf(names)}${hint}` }]
        }
        return [{ path, message: messageFor(messageOf(issue.ast), path) ?? mustBe(issue.ast, path) }]
      }
      case "InvalidType":
        return [{ path, message: mustBe(issue.ast, path) }]
      case "UnexpectedKey": {
        const names = SchemaAST.isObjects(issue.ast) ? issue.ast.propertySignatures.map(({ name }) => String(name)) : []
        return [{ path, message: `unknown key${meant(path.at(-1), names)}` }]
      }
      case "MissingKey":
        return typeof path.at(-1) === "number"
          ? [{ path: path.slice(0, -1), message: message ?? "must not be empty" }]
          : [{ path, message: "is missing" }]
      case "InvalidValue":
      case "Forbidden":
        return [
          { path, message: messageFor(message ?? textOf(issue.annotations), path) ?? `${subject(path)} is not valid` }
        ]
      case "OneOf":
        return [{ path, message: `${subject(path)} is not valid` }]
    }
  }

  const messageFor = (message: string | undefined, path: ConfigPath): string | undefined =>
    message?.startsWith("is ") === true ? `${subject(path)} ${message}` : message

  const mustBe = (ast: SchemaAST.AST, path: ConfigPath): string =>
    SchemaAST.isNever(ast) ? "unknown key" : `must be ${kindOfSchema(ast)}, not ${kindOfValue(valueAt(input, path))}`

  return visit(issue, [], undefined)
}

const textOf = (annotations: Schema.Annotations.Annotations | undefined): string | undefined => {
  const text = annotations?.["message"] ?? annotations?.["expected"]
  return typeof text === "string" ? text : undefined
}

const messageOf = (ast: SchemaAST.AST): string | undefined => {
  const text = ast.annotations?.["message"]
  return typeof text === "string" ? text : undefined
}

const oneOf = (names: ReadonlyArray<string>): string => {
  const shown = names.map((name) => (name === "" ? '""' : name))
  return shown.length === 1 ? shown.join("") : `one of ${shown.join(", ")}`
}

/** The nearest key; where nothing is near, all keys if they are few. */
const meant = (wrong: string | number | undefined, names: ReadonlyArray<string>): string => {
  const name = typeof wrong === "string" ? nearest(wrong, names) : undefined
  if (name !== undefined) return `; did you mean ${name}?`
  return names.length === 0 || names.length > 8 ? "" : `; valid: ${names.join(", ")}`
}

const kindOfSchema = (ast: SchemaAST.AST): string => {
  switch (ast._tag) {
    case "Objects":
      return "a map of keys to values"
    case "Arrays":
      return "a list"
    case "String":
      return "text"
    case "Number":
      return "a whole number"
    case "Boolean":
      return "true or false"
    case "Null":
      return "empty"
    case "Literal":
      return JSON.stringify(String(ast.literal))
    case "Union":
      return [...new Set(ast.types.map(kindOfSchema))].join(" or ")
    default:
      return "something else"
  }
}

const kindOfValue = (value: unknown): string => {
  if (value === null || value === undefined) return "empty"
  if (Array.isArray(value)) return "a list"
  switch (typeof value) {
    case "string":
      return "text"
    case "number":
      return Number.isInteger(value) ? "a number" : "a fraction"
    case "boolean":
      return "true or false"
    default:
      return "a map"
  }
}

const valueAt = (value: unknown, path: ConfigPath): unknown =>
  path.reduce<unknown>((inner, key) => {
    if (Array.isArray(inner)) return typeof key === "number" ? inner[key] : undefined
    return isObject(inner) && Object.hasOwn(inner, key) ? inner[key] : undefined
  }, value)

const isSecretAt = (ast: SchemaAST.AST, path: ConfigPath): boolean => {
  if (ast.annotations?.[secret] === true) return true
  const [key, ...rest] = path
  if (key === undefined) return false
  return childrenAt(ast, key).some((child) => isSecretAt(child, rest))
}

const childrenAt = (ast: SchemaAST.AST, key: string | number): ReadonlyArray<SchemaAST.AST> => {
  switch (ast._tag) {
    case "Objects": {
      const property = ast.propertySignatures.find(({ name }) => name === key)
      return property === undefined ? ast.indexSignatures.map(({ type }) => type) : [property.type]
    }
    case "Arrays":
      return [...ast.elements, ...ast.rest]
    case "Union":
      return ast.types.flatMap((type) => childrenAt(type, key))
    default:
      return []
  }
}
