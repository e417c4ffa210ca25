/**
 * Finds the names that a schema knows in an object whose author wrote them in other capitals.
 *
 * People write the Engine API's keys as the API does (`NetworkMode`), in lower case, as YAML made of Go structs has
 * them (`networkmode`), or in camel case. All of them mean the same key; what goes to the engine has the API's spelling.
 * The names in free maps (labels, volumes, users, …) are data and stay as they are.
 *
 * @since 0.1.0
 */
import * as Predicate from "effect/Predicate"
import type * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import type { ConfigPath } from "./ConfigError.ts"

/**
 * The annotation of an object whose Go struct embeds another one under this name. JSON has the embedded keys among the
 * others; YAML that was written for the Go struct has them one level down.
 *
 * @since 0.1.0
 * @category annotations
 */
export const embedded = "dockerrun/embedded"

/**
 * The annotation of a text whose empty value means that the key is not set: Go writes keys that nobody set as `""`.
 *
 * @since 0.1.0
 * @category annotations
 */
export const emptyIsUnset = "dockerrun/emptyIsUnset"

/**
 * What the author wrote, in the schema's spelling.
 *
 * @since 0.1.0
 * @category models
 */
export interface Canonical {
  readonly value: unknown
  readonly problems: ReadonlyArray<{ readonly path: ConfigPath; readonly message: string }>
  /** The path in the author's spelling of a path in the schema's. */
  readonly original: (path: ConfigPath) => ConfigPath
}

/**
 * The text of a number or boolean as it stands in the file (`0755`, `1.10`), for keys whose value is a text. Paths are
 * in the author's spelling.
 *
 * @since 0.1.0
 * @category models
 */
export type SourceText = (path: ConfigPath) => string | undefined

const fold = (key: string): string => key.toLowerCase().replaceAll(".", "")

const yamlBooleans: ReadonlyMap<string, boolean> = new Map([
  ["yes", true],
  ["on", true],
  ["true", true],
  ["no", false],
  ["off", false],
  ["false", false]
])

/**
 * Brings a value to the spelling of a schema. What does not fit is left as it is, for decoding to refuse.
 *
 * @since 0.1.0
 * @category conversions
 */
export const canonicalize = (
  schema: Schema.Top,
  input: unknown,
  sourceText: SourceText = () => undefined
): Canonical => {
  const problems: Array<{ readonly path: ConfigPath; readonly message: string }> = []
  const originals = new Map<string, ConfigPath>()

  const visit = (ast: SchemaAST.AST, value: unknown, path: ConfigPath, original: ConfigPath): unknown => {
    originals.set(JSON.stringify(path), original)
    switch (ast._tag) {
      case "Objects":
        return visitObject(ast, value, path, original)
      case "Arrays": {
        const [rest] = ast.rest
        return Array.isArray(value) && rest !== undefined
          ? value.map((item: unknown, index) => visit(rest, item, [...path, index], [...original, index]))
          : value
      }
      case "Union": {
        const member = ast.types.find((type) => isKindOf(type, value)) ?? ast.types.find(SchemaAST.isString)
        return member === undefined ? value : visit(member, value, path, original)
      }
      case "String":
        return typeof value === "number" || typeof value === "boolean" ? (sourceText(original) ?? value) : value
      case "Boolean":
        return typeof value === "string" ? (yamlBooleans.get(value.toLowerCase()) ?? value) : value
      default:
        return value
    }
  }

  const visitObject = (ast: SchemaAST.Objects, value: unknown, path: ConfigPath, original: ConfigPath): unknown => {
    if (!isObject(value)) return value
    const named = new Map(ast.propertySignatures.map(({ name, type }) => [fold(String(name)), { name, type }]))
    const [index] = ast.indexSignatures
    const result = new Map<string, unknown>()
    const spellings = new Map<string, string>()
    for (const { key, item, from } of entriesOf(ast, value, original)) {
      const property = named.get(fold(key))
      const name = property === undefined ? key : String(property.name)
      const earlier = spellings.get(name)
      if (key === "__proto__") {
        problems.push({ path: [...path, key], message: "is not a usable name" })
      } else if (earlier !== undefined) {
        const both = earlier === key ? key : `${earlier} and ${key}`
        problems.push({ path: [...path, name], message: `is given twice, as ${both}; keep one of them` })
      } else if (property !== undefined) {
        spellings.set(name, key)
        // A key without a value means the same as no key, as it does in Go.
        const unset = item === null || item === undefined || (item === "" && isEmptyUnset(property.type))
        if (!unset) {
          result.set(name, visit(property.type, item, [...path, name], from))
        }
      } else {
        originals.set(JSON.stringify([...path, key]), from)
        result.set(key, index === undefined ? item : visit(index.type, emptyOf(index.type, item), [...path, key], from))
      }
    }
    return Object.fromEntries(result)
  }

  const value = visit(SchemaAST.toEncoded(schema.ast), input, [], [])
  const original = (path: ConfigPath): ConfigPath => {
    const known = originals.get(JSON.stringify(path))
    const last = path.at(-1)
    return known ?? (last === undefined ? [] : [...original(path.slice(0, -1)), last])
  }
  return { value, problems, original }
}

/**
 * Whether a value is an object with keys, and not an array or null.
 *
 * @since 0.1.0
 * @category guards
 */
export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  Predicate.isObject(value) && !Array.isArray(value)

const isKindOf = (ast: SchemaAST.AST, value: unknown): boolean => {
  switch (ast._tag) {
    case "Objects":
      return isObject(value)
    case "Arrays":
      return Array.isArray(value)
    case "String":
      return typeof value === "string"
    case "Number":
      return typeof value === "number"
    case "Boolean":
      return typeof value === "boolean"
    case "Null":
      return value === null
    case "Literal":
      return value === ast.literal
    default:
      return false
  }
}

const isEmptyUnset = (ast: SchemaAST.AST): boolean => ast.annotations?.[emptyIsUnset] === true

/** In a free map a name without a value has the empty one: `volumes: { /data: }`, `labels: { marked: }`. */
const emptyOf = (ast: SchemaAST.AST, value: unknown): unknown => {
  if (value !== null && value !== undefined) return value
  if (SchemaAST.isObjects(ast)) return {}
  return SchemaAST.isString(ast) ? "" : value
}

interface Entry {
  readonly key: string
  readonly item: unknown
  readonly from: ConfigPath
}

const entriesOf = (
  ast: SchemaAST.Objects,
  value: Readonly<Record<string, unknown>>,
  original: ConfigPath
): ReadonlyArray<Entry> => {
  const name = ast.annotations?.[embedded]
  return Object.entries(value).flatMap(([key, item]): ReadonlyArray<Entry> => {
    const from = [...original, key]
    return typeof name === "string" && fold(key) === fold(name) && isObject(item)
      ? Object.entries(item).map(([inner, innerItem]) => ({ key: inner, item: innerItem, from: [...from, inner] }))
      : [{ key, item, from }]
  })
}
