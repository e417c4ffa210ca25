/**
 * Keys of configuration objects: what may be left out, what stands for it then, and what it means.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/**
 * A key that may be left out. The description goes to the JSON Schema.
 *
 * @since 0.1.0
 * @category keys
 */
export const optional = <S extends Schema.Top>(schema: S, description: string) =>
  Schema.optionalKey(schema).pipe(Schema.annotateEncoded({ description }))

/**
 * A key that may be left out, and the value, as a file would spell it, that stands for it then. The default is decoded
 * by the same schema, but outside of the decoding of the file: a wrong value next to a defaulted key, or inside it, is
 * reported together with all others.
 *
 * @since 0.1.0
 * @category keys
 */
export const withDefault = <S extends Schema.Top & { readonly DecodingServices: never }>(
  schema: S,
  value: S["Encoded"],
  description: string
) => {
  const decoded: Effect.Effect<S["Type"], Schema.SchemaError> = Effect.suspend(() =>
    Schema.decodeUnknownEffect(schema)(value)
  )
  const key = Schema.withDecodingDefaultTypeKey<S>(decoded)(schema)
  return Schema.annotateEncoded<typeof key>({ description, default: value })(key)
}
