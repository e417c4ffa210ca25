import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { configJsonSchema } from "../../src/schema/ConfigJsonSchema.ts"

interface Property {
  readonly path: string
  readonly description: unknown
  readonly default: unknown
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const document = configJsonSchema()

const resolve = (pointer: string): unknown =>
  pointer
    .slice(2)
    .split("/")
    .reduce<unknown>((node, key) => {
      const entries: ReadonlyArray<readonly [string, unknown]> =
        typeof node === "object" && node !== null ? Object.entries(node) : []
      return entries.find(([name]) => name === key)?.[1]
    }, document)

/** Every property with its canonical spelling, and every reference. */
const walk = (
  node: unknown,
  path: string
): { properties: Array<Property>; references: Array<string>; open: Array<string> } => {
  const found = { properties: new Array<Property>(), references: new Array<string>(), open: new Array<string>() }
  const add = (inner: typeof found) => {
    found.properties.push(...inner.properties)
    found.references.push(...inner.references)
    found.open.push(...inner.open)
  }
  if (Array.isArray(node)) for (const item of node) add(walk(item, `${path}[]`))
  if (!isObject(node)) return found
  if (typeof node["$ref"] === "string") found.references.push(node["$ref"])
  if (node["type"] === "object" && node["additionalProperties"] === undefined) found.open.push(path)
  if (isObject(node["properties"])) {
    if (node["additionalProperties"] !== false) found.open.push(path)
    for (const [name, property] of Object.entries(node["properties"])) {
      const at = path === "" ? name : `${path}.${name}`
      if (isObject(property) && property["$ref"] === undefined) {
        found.properties.push({ path: at, description: property["description"], default: property["default"] })
      }
      add(walk(property, at))
    }
  }
  for (const key of ["items", "anyOf", "additionalProperties"]) add(walk(node[key], `${path}.*`))
  return found
}

const { properties, references, open } = walk(document, "")

describe("configJsonSchema", () => {
  it("says which draft it is", () => {
    assert.strictEqual(document["$schema"], "https://json-schema.org/draft/2020-12/schema")
  })

  it("describes every key", () => {
    assert.isAbove(properties.length, 150)
    assert.deepStrictEqual(
      properties.filter(({ description }) => typeof description !== "string" || description === ""),
      []
    )
  })

  it("refuses unknown keys everywhere", () => {
    assert.deepStrictEqual(open, [])
  })

  it("accepts each key in lower case as well", () => {
    assert.isAbove(references.length, 100)
    assert.deepStrictEqual(
      references.filter((pointer) => !isObject(resolve(pointer))),
      []
    )
    assert.include(references, "#/properties/dockerrun/properties/config/properties/container/properties/Image")
  })

  it("has the defaults that the documentation has", () => {
    const text = readFileSync(new URL("../../docs/configuration.md", import.meta.url), "utf8")
    const rows = Array.from(
      text.matchAll(/^\| `([a-z][\w.<>]*)` +\| (.+?) +\| .+ \|$/gmu),
      ([, path = "", value = ""]) => [path, value] as const
    )
    const documented = new Map(rows)
    const own = properties.filter(({ path }) => !/\.config\.(?:container|host|network|platform)\./u.test(path))
    const isSection = (path: string) =>
      own.some((inner) => inner.path.startsWith(`${path}.`) && !inner.path.startsWith(`${path}.*`))
    const settings = own.filter(({ path }) => !isSection(path))
    assert.deepStrictEqual(
      [...documented.keys()].toSorted(),
      settings.map(({ path }) => path.replace(".*.", ".<name>.")).toSorted()
    )
    for (const { path, default: value } of settings) {
      const shown = value === undefined ? "none" : `\`${JSON.stringify(value)}\``
      const written = documented.get(path.replace(".*.", ".<name>."))
      // What is too long for a table stands below it.
      if (shown.length <= 60 || written !== "see below") assert.strictEqual(written, shown, path)
    }
  })
})
