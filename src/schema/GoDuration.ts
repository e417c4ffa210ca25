/**
 * Durations as Go writes them: `60s`, `1m30s`, `500ms`, `1.5h`, or a number of nanoseconds.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"

const nanosPerUnit: ReadonlyMap<string, bigint> = new Map([
  ["ns", 1n],
  ["us", 1_000n],
  ["µs", 1_000n], // U+00B5, micro sign
  ["μs", 1_000n], // U+03BC, Greek letter mu
  ["ms", 1_000_000n],
  ["s", 1_000_000_000n],
  ["m", 60_000_000_000n],
  ["h", 3_600_000_000_000n]
])

const component = "(?:\\d+\\.?\\d*|\\.\\d+)(?:ns|us|µs|μs|ms|s|m|h)"
const whole = new RegExp(`^[+-]?(?:0|(?:${component})+)$`, "u")
const each = /(\d*)\.?(\d*)(ns|us|µs|μs|ms|s|m|h)/gu

/** The longest duration that Go can express: an int64 of nanoseconds, about 292 years. */
const longest = 2n ** 63n - 1n

/**
 * Reads a Go duration and gives nanoseconds, or nothing when the text is not one. What is finer than a nanosecond is
 * cut off.
 *
 * @since 0.1.0
 * @category parsing
 */
export const parse = (text: string): Option.Option<bigint> => {
  if (!whole.test(text)) return Option.none()
  let total = 0n
  for (const [, integer = "", fraction = "", unit = ""] of text.matchAll(each)) {
    const nanos = nanosPerUnit.get(unit) ?? 0n
    total += BigInt(integer) * nanos + (BigInt(fraction) * nanos) / 10n ** BigInt(fraction.length)
  }
  if (total > longest) return Option.none()
  return Option.some(text.startsWith("-") ? -total : total)
}

/**
 * Writes nanoseconds the way Go does, in hours, minutes and seconds, or in the largest unit that fits below a second:
 * `1m30s`, `500ms`.
 *
 * @since 0.1.0
 * @category formatting
 */
export const format = (nanos: bigint): string => {
  if (nanos === 0n) return "0s"
  if (nanos < 0n) return `-${format(-nanos)}`
  if (nanos < 1_000n) return `${nanos}ns`
  if (nanos < 1_000_000n) return `${decimal(nanos, 3)}us`
  if (nanos < 1_000_000_000n) return `${decimal(nanos, 6)}ms`
  const hours = nanos / 3_600_000_000_000n
  const minutes = (nanos / 60_000_000_000n) % 60n
  const seconds = `${decimal(nanos % 60_000_000_000n, 9)}s`
  if (hours > 0n) return `${hours}h${minutes}m${seconds}`
  return minutes > 0n ? `${minutes}m${seconds}` : seconds
}

const decimal = (value: bigint, places: number): string => {
  const digits = value.toString().padStart(places + 1, "0")
  const fraction = digits.slice(-places).replace(/0+$/u, "")
  const integer = digits.slice(0, -places)
  return fraction === "" ? integer : `${integer}.${fraction}`
}

const expected = "a duration such as 60s, 1m30s or 500ms, or a number of nanoseconds"

const Text = Schema.Union([Schema.String, Schema.Int]).annotate({
  message: `is not ${expected}`,
  examples: ["60s", "1m30s", "500ms", 60_000_000_000]
})

const toNanos = (input: string | number): Option.Option<bigint> =>
  typeof input === "number" ? Option.some(BigInt(input)) : parse(input)

const decode =
  <A>(accept: (nanos: bigint) => string | undefined, make: (nanos: bigint) => A) =>
  (input: string | number) => {
    const nanos = toNanos(input)
    const problem = Option.isNone(nanos) ? `is not ${expected}` : accept(nanos.value)
    return Option.isNone(nanos) || problem !== undefined
      ? Effect.fail(new SchemaIssue.InvalidValue({ message: problem ?? `is not ${expected}` }))
      : Effect.succeed(make(nanos.value))
  }

const toText = (duration: Duration.Duration): string =>
  format(Option.getOrElse(Duration.toNanos(duration), () => longest))

/**
 * A duration of zero or more.
 *
 * @since 0.1.0
 * @category schemas
 */
export const GoDuration = Text.pipe(
  Schema.decodeTo(
    Schema.Duration,
    SchemaTransformation.transformEffect({
      decode: decode((nanos) => (nanos < 0n ? "is negative; a duration must be 0 or more" : undefined), Duration.nanos),
      encode: (duration: Duration.Duration) => Effect.succeed<string | number>(toText(duration))
    })
  )
)

/**
 * A duration of more than zero, for limits that must not be switched off by accident.
 *
 * @since 0.1.0
 * @category schemas
 */
export const PositiveGoDuration = Text.pipe(
  Schema.decodeTo(
    Schema.Duration,
    SchemaTransformation.transformEffect({
      decode: decode(
        (nanos) => (nanos <= 0n ? "is not more than 0; write, for example, 60s" : undefined),
        Duration.nanos
      ),
      encode: (duration: Duration.Duration) => Effect.succeed<string | number>(toText(duration))
    })
  )
)

/**
 * A duration as the Engine API takes it: a whole number of nanoseconds. Files may write it as Go does.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Nanoseconds = Text.pipe(
  Schema.decodeTo(
    Schema.Int,
    SchemaTransformation.transformEffect({
      decode: decode(() => undefined, Number),
      encode: (nanos: number) => Effect.succeed<string | number>(nanos)
    })
  )
)
