/**
 * How many processes serve.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"

const most = 256

/**
 * A number from 1 to 256, or `auto`: one for each processor.
 *
 * @since 0.1.0
 * @category schemas
 */
export const WorkerCount = Schema.String.pipe(
  Schema.decodeTo(
    Schema.Union([Schema.Literal("auto"), Schema.Int]),
    SchemaTransformation.transformEffect({
      decode: (text: string, options) => {
        const count = /^\d{1,3}$/u.test(text) ? Number(text) : 0
        if (text === "auto") return Effect.succeed<"auto" | number>("auto")
        return count >= 1 && count <= most
          ? Effect.succeed<"auto" | number>(count)
          : Effect.fail(
              new SchemaIssue.InvalidValue({ message: `is neither a number from 1 to ${most} nor auto` }, text, options)
            )
      },
      encode: (count) => Effect.succeed(String(count))
    })
  )
)

/**
 * @since 0.1.0
 * @category models
 */
export type WorkerCount = typeof WorkerCount.Type
