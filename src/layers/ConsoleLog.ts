/**
 * The log on standard error: one event per line, as text for people or as JSON for machines.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Formatter from "effect/Formatter"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as EffectLogLevel from "effect/LogLevel"
import * as References from "effect/References"
import type { LogFormat, LogLevel } from "../schema/LogConfig.ts"
import { LogConfig } from "../services/LogConfig.ts"

interface Line {
  readonly time: string
  readonly level: string
  readonly code: string | undefined
  readonly message: string
  readonly cause: string | undefined
  readonly fields: Readonly<Record<string, unknown>>
}

const levels: Readonly<Record<string, string>> = { Warn: "warning" }

/** What went wrong, and what that came from, in one line and without stack traces. */
const describe = (thing: unknown, told: ReadonlyArray<unknown> = []): string => {
  if (Cause.isCause(thing)) return describe(Cause.squash(thing), told)
  if (!(thing instanceof Error)) return typeof thing === "string" ? thing : Formatter.formatJson(thing)
  const own = thing.message === "" ? thing.name : thing.message
  const chain = [...told, thing]
  return thing.cause === undefined || chain.includes(thing.cause) ? own : `${own}: ${describe(thing.cause, chain)}`
}

const toLine = ({ cause, date, fiber, logLevel, message }: Logger.Options<unknown>): Line => {
  const { code, level, ...fields } = fiber.getRef(References.CurrentLogAnnotations)
  const parts: ReadonlyArray<unknown> = Array.isArray(message) ? message : [message]
  const [text, ...details] = parts
  const causes = [...details, ...(cause.reasons.length === 0 ? [] : [cause])]
  return {
    time: date.toISOString(),
    level: typeof level === "string" ? level : (levels[logLevel] ?? logLevel.toLowerCase()),
    code: typeof code === "string" ? code : undefined,
    message: describe(text),
    cause: causes.length === 0 ? undefined : causes.map((one) => describe(one)).join("; "),
    fields
  }
}

const value = (field: unknown): string =>
  typeof field === "string" && /^[\w.:/@+-]+$/u.test(field) ? field : Formatter.formatJson(field)

const short: Readonly<Record<string, string>> = { "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t" }

/**
 * What a client sent must not command the operator's terminal (C0, DEL and C1: U+009B is what ESC [ is), begin a new
 * line, or turn the direction of the text around. The escapes are those of JSON, so that JSON remains what it is.
 */
const printable = (text: string): string =>
  text.replaceAll(
    /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu,
    (character) => short[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`
  )

const text = Logger.make<unknown, string>((options) => {
  const { cause, code, fields, level, message, time } = toLine(options)
  const parts = [time, level.toUpperCase().padEnd(7), ...(code === undefined ? [] : [code]), printable(message)]
  for (const [name, field] of Object.entries(fields)) {
    if (field !== undefined) parts.push(`${name}=${printable(value(field))}`)
  }
  if (cause !== undefined) parts.push(`cause=${printable(JSON.stringify(cause))}`)
  return parts.join(" ")
})

const json = Logger.make<unknown, string>((options) => {
  const { fields, ...line } = toLine(options)
  // The event's own come first, and last: no field takes their place.
  return printable(Formatter.formatJson({ ...line, ...fields, ...line }))
})

const minimumLevels: Readonly<Record<LogLevel, EffectLogLevel.LogLevel>> = {
  debug: "Debug",
  info: "Info",
  notice: "Info",
  warning: "Warn",
  error: "Error"
}

/** Effect has no level `notice`: it is `Info` with an annotation, told apart here. */
const isWanted = (minimum: LogLevel, { fiber, logLevel }: Logger.Options<unknown>): boolean =>
  minimum !== "notice" || logLevel !== "Info" || fiber.getRef(References.CurrentLogAnnotations)["level"] === "notice"

const ignore = () => {}

/**
 * Whoever reads the log may go away before the server does; an error that nobody hears would end the server, and every
 * connection with it. For good: what was written last fails after the layer has closed.
 */
const survive = Effect.sync(() => {
  if (!process.stderr.listeners("error").includes(ignore)) process.stderr.on("error", ignore)
})

const output = (format: LogFormat, minimum: LogLevel): Logger.Logger<unknown, void> => {
  const line = format === "json" ? json : text
  return Logger.make((options) => {
    if (isWanted(minimum, options)) process.stderr.write(`${line.log(options)}\n`)
  })
}

/**
 * Replaces Effect's loggers by the one that the section `log` describes.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<never, never, LogConfig> = Layer.unwrap(
  Effect.map(LogConfig, ({ format, level }) =>
    Layer.mergeAll(
      Logger.layer([output(format, level)]),
      Layer.succeed(References.MinimumLogLevel, minimumLevels[level]),
      Layer.effectDiscard(survive)
    )
  )
)
