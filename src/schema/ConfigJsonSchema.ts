/**
 * The JSON Schema of the configuration file, for editors.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { isObject } from "./CanonicalKeys.ts"
import { ConfigFile } from "./ConfigFile.ts"

type Json = Readonly<Record<string, unknown>>

/**
 * A JSON Schema (draft 2020-12) of the file, with a description of every key and the default of every key that has one.
 * Unknown keys are errors. Keys are offered in their canonical spelling, and accepted in lower case too; the loader takes
 * any capitals.
 *
 * @since 0.1.0
 * @category conversions
 */
export const configJsonSchema = (): Json => ({
  $schema: "https://json-schema.org/draft/2020-12/schema",
  title: "dockerrun configuration",
  ...visit(Schema.toJsonSchemaDocument(ConfigFile, { onExcessProperty: "error" }).schema, "#")
})

const visit = (node: Json, pointer: string): Json =>
  Object.fromEntries(
    Object.entries(node).flatMap(([key, value]): ReadonlyArray<readonly [string, unknown]> => {
      // The bounds of what JavaScript calls a safe integer tell nobody anything.
      if ((key === "minimum" || key === "maximum") && Math.abs(Number(value)) === Number.MAX_SAFE_INTEGER) return []
      if (key === "default" || key === "examples") return [[key, value]]
      const at = `${pointer}/${escape(key)}`
      if (key === "properties" && isObject(value)) return [[key, properties(value, at)]]
      if (Array.isArray(value)) return [[key, value.map((item, index) => visitAny(item, `${at}/${index}`))]]
      return [[key, visitAny(value, at)]]
    })
  )

const visitAny = (value: unknown, pointer: string): unknown => (isObject(value) ? visit(value, pointer) : value)

/** Each property, and the same in lower case as a reference to it. */
const properties = (named: Json, pointer: string): Json =>
  Object.fromEntries(
    Object.entries(named).flatMap(([name, value]) => {
      const at = `${pointer}/${escape(name)}`
      const lower = name.toLowerCase()
      const canonical: readonly [string, unknown] = [name, visitAny(value, at)]
      return lower === name || Object.hasOwn(named, lower) ? [canonical] : [canonical, [lower, { $ref: at }]]
    })
  )

/** A key as a segment of a JSON Pointer in a URI fragment (RFC 6901, sections 3 and 6). */
const escape = (key: string): string => encodeURIComponent(key.replaceAll("~", "~0").replaceAll("/", "~1"))
