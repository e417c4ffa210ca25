/**
 * YAML, and JSON as a part of it, with the position of every key.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Yaml from "yaml"
import type { Position } from "../../schema/ConfigDecoding.ts"
import { type ConfigPath, type ConfigProblem, formatPath } from "../../schema/ConfigError.ts"

/**
 * What a text holds, and where.
 *
 * @since 0.1.0
 * @category models
 */
export interface YamlDocument {
  /** An empty text holds an empty object. */
  readonly value: unknown
  /** Keys that stand twice in one map. */
  readonly problems: ReadonlyArray<ConfigProblem>
  readonly positionOf: (path: ConfigPath) => Position | undefined
  readonly sourceText: (path: ConfigPath) => string | undefined
}

/**
 * Reads one document. Fails with every error of syntax: no error shows the text around it, for that may be a secret.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parse = (text: string): Result.Result<YamlDocument, ReadonlyArray<ConfigProblem>> => {
  const lines = new Yaml.LineCounter()
  // Keys that stand twice do not make a text unreadable: they are found below, with their path, and the rest is read on.
  const document = Yaml.parseDocument(text, {
    lineCounter: lines,
    merge: true,
    prettyErrors: false,
    uniqueKeys: false
  })
  const positionAt = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { line, column: col }
  }

  if (document.errors.length > 0) {
    return Result.fail(
      document.errors.map((error) => ({ path: "", ...positionAt(error.pos[0]), message: `YAML: ${error.message}` }))
    )
  }
  const problems: Array<ConfigProblem> = []
  Yaml.visit(document, {
    Scalar: (_, scalar) => readOctal(scalar),
    Map: (_, map, ancestors) => {
      for (const key of repeatedKeys(map)) {
        const path = formatPath([...pathOf([...ancestors, map]), keyText(key)])
        problems.push({ path, ...positionAt(key.range?.[0] ?? 0), message: "is given twice; keep one of them" })
      }
    }
  })

  return Result.try({
    try: () => ({
      problems,
      value: toValue(document),
      positionOf: (path: ConfigPath) => {
        const offset = startOf(document, path)
        return offset === undefined ? undefined : positionAt(offset)
      },
      sourceText: (path: ConfigPath) => {
        const node = nodeAt(document, path)
        return Yaml.isScalar(node) ? node.source : undefined
      }
    }),
    // An alias without an anchor, or aliases that multiply beyond measure: `yaml` finds these only now.
    catch: (cause) => [{ path: "", message: `YAML: ${cause instanceof Error ? cause.message : String(cause)}` }]
  })
}

/** Nothing, and what only says "nothing", is a configuration without settings. */
const toValue = (document: Yaml.Document.Parsed): unknown => {
  const value: unknown = document.toJS()
  return value ?? {}
}

/** YAML 1.1, which Go's reader follows here, reads `0755` as octal; YAML 1.2 would make it 755. */
const readOctal = (scalar: Yaml.Scalar): void => {
  if (scalar.type === Yaml.Scalar.PLAIN && typeof scalar.value === "number" && /^0[0-7]+$/.test(scalar.source ?? "")) {
    scalar.value = Number.parseInt(scalar.source ?? "", 8)
  }
}

const resolve = (document: Yaml.Document.Parsed, node: unknown): unknown =>
  Yaml.isAlias(node) ? node.resolve(document) : node

const repeatedKeys = (map: Yaml.YAMLMap): ReadonlyArray<Yaml.Node> => {
  const seen = new Set<string>()
  return map.items.flatMap(({ key }) => {
    const text = keyText(key)
    const repeated = seen.has(text)
    seen.add(text)
    return repeated && Yaml.isNode(key) ? [key] : []
  })
}

/** The path of the last of these nodes, each of which holds the next. */
const pathOf = (nodes: ReadonlyArray<unknown>): ConfigPath =>
  nodes.flatMap((node, index): ConfigPath => {
    if (Yaml.isPair(node)) return [keyText(node.key)]
    return Yaml.isSeq(node) ? [node.items.indexOf(nodes[index + 1])] : []
  })

/** The pair of a key, also when a merge key (`<<`) brings it in. */
const pairOf = (document: Yaml.Document.Parsed, map: Yaml.YAMLMap, key: string): Yaml.Pair | undefined => {
  const own = map.items.find((pair) => keyText(pair.key) === key)
  if (own !== undefined) return own
  for (const pair of map.items) {
    if (keyText(pair.key) !== "<<") continue
    const merged = resolve(document, pair.value)
    for (const source of Yaml.isSeq(merged) ? merged.items : [merged]) {
      const target = resolve(document, source)
      const found = Yaml.isMap(target) ? pairOf(document, target, key) : undefined
      if (found !== undefined) return found
    }
  }
  return undefined
}

const keyText = (key: unknown): string => {
  const value: unknown = Yaml.isScalar(key) ? (key.value ?? "") : key
  // `yaml` has a symbol for the merge key.
  return typeof value === "symbol" ? (value.description ?? "") : String(value)
}

const stepInto = (document: Yaml.Document.Parsed, node: unknown, key: string | number): unknown => {
  const inner = resolve(document, node)
  if (Yaml.isMap(inner)) return pairOf(document, inner, String(key))?.value
  return Yaml.isSeq(inner) && typeof key === "number" ? inner.items[key] : undefined
}

const nodeAt = (document: Yaml.Document.Parsed, path: ConfigPath): unknown =>
  resolve(
    document,
    path.reduce<unknown>((node, key) => stepInto(document, node, key), document.contents)
  )

/** Where the last key of a path begins, or the item of a list. */
const startOf = (document: Yaml.Document.Parsed, path: ConfigPath): number | undefined => {
  const last = path.at(-1)
  if (last === undefined) return document.contents?.range[0]
  const parent = nodeAt(document, path.slice(0, -1))
  const node = Yaml.isMap(parent) ? pairOf(document, parent, String(last))?.key : stepInto(document, parent, last)
  return Yaml.isNode(node) ? node.range?.[0] : undefined
}
