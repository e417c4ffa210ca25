/**
 * How many connections may be open that have not logged in: `10:30:100`, or a number.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"

const Parts = Schema.Struct({
  /** From this many on, some are refused. */
  start: Schema.Int,
  /** How many of a hundred are refused then; the share grows until all are. */
  rate: Schema.Int,
  /** From this many on, all are refused. */
  full: Schema.Int
})

/**
 * As OpenSSH's `MaxStartups`.
 *
 * @since 0.1.0
 * @category models
 */
export type MaxStartups = typeof Parts.Type

const expected =
  "is not start:rate:full such as 10:30:100 (start up to full, a rate of 1 to 100), or a number of 1 or more"

const read = (input: string | number): MaxStartups | undefined => {
  const [, start = "", rate = "", full = ""] = /^(\d{1,9})(?::(\d{1,3}):(\d{1,9}))?$/u.exec(String(input)) ?? []
  if (start === "") return undefined
  const parts = rate === "" ? [Number(start), 100, Number(start)] : [Number(start), Number(rate), Number(full)]
  const [begin = 0, share = 0, end = 0] = parts
  return begin < 1 || begin > end || share < 1 || share > 100 ? undefined : { start: begin, rate: share, full: end }
}

/**
 * Reads `start:rate:full`, or one number from which on all are refused.
 *
 * @since 0.1.0
 * @category schemas
 */
export const MaxStartups = Schema.Union([Schema.String, Schema.Int])
  .annotate({ message: expected, examples: ["10:30:100", 50] })
  .pipe(
    Schema.decodeTo(
      Parts,
      SchemaTransformation.transformEffect({
        decode: (input: string | number) => {
          const parts = read(input)
          return parts === undefined
            ? Effect.fail(new SchemaIssue.InvalidValue({ message: expected }))
            : Effect.succeed(parts)
        },
        encode: ({ full, rate, start }: MaxStartups) => Effect.succeed<string | number>(`${start}:${rate}:${full}`)
      })
    )
  )
