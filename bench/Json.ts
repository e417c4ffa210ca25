import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { HarnessError } from "../test/support/HarnessError.ts"

/** Reads what one of our own processes, or an engine, answered. */
export const decodeJson = <S extends Schema.ConstraintDecoder<unknown, never>>(schema: S, operation: string) => {
  const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(schema))
  return (text: string) =>
    Effect.mapError(decode(text), (cause) => new HarnessError({ operation, detail: cause.message }))
}
