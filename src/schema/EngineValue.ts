/**
 * Values that recur in the objects of the Engine API.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"

/**
 * A list of texts.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Strings = Schema.Array(Schema.String)

/**
 * Free names to free texts. The names are not touched.
 *
 * @since 0.1.0
 * @category schemas
 */
export const StringMap = Schema.Record(Schema.String, Schema.String)

/**
 * A set of names, which the API writes as a map to empty objects: `{ "80/tcp": {} }`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const NameSet = Schema.Record(Schema.String, Schema.Record(Schema.String, Schema.Never))

/**
 * A command line in words. One text stands for a command line of that one word, as in the API.
 *
 * @since 0.1.0
 * @category schemas
 */
export const CommandLine = Schema.Union([Schema.String, Strings]).pipe(
  Schema.decodeTo(
    Strings,
    SchemaTransformation.transform({
      decode: (words: string | ReadonlyArray<string>) => (typeof words === "string" ? [words] : words),
      encode: (words: ReadonlyArray<string>): string | ReadonlyArray<string> => words
    })
  )
)
