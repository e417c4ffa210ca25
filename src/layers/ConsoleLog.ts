/**
 * The log on standard error: one event per line, as text for people or as JSON for machines.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
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
const describe = (thing: unknown): string => {
  if (Cause.isCause(thing)) return describe(Cause.squash(thing))
  if (!(thing instanceof Error)) return typeof thing === "string" ? thing : JSON.stringify(thing)
  const own = thing.message === "" ? thing.name : thing.message
  return thing.cause === undefined ? own : `${own}: ${describe(thing.cause)}`
}

const toLine = ({ cause, date, fiber, logLevel, message }: Logger.Options<unknown>): Line => {
  const { code, level, ...fields } = fiber.getRef(References.CurrentLogAnnotations)
  const [text, ...details] = Array.isArray(message) ? message : [message]
  const causes = [...details, ...(cause.reasons.length === 0 ? [] : [cause])]
  return {
    time: date.toISOString(),
    level: typeof level === "string" ? level : (levels[logLevel] ?? logLevel.toLowerCase()),
    code: typeof code === "string" ? code : undefined,
    message: describe(text),
    cause: causes.length === 0 ? undefined : causes.map(describe).join("; "),
    fields
  }
}

const value = (field: unknown): string =>
  typeof field === "string" && /^[\w.:/@+-]+$/u.test(field) ? field : JSON.stringify(field)

/** Control characters in what a client sent must not reach the operator's terminal, nor begin a new line. */
const printable = (text: string): string =>
  text.replaceAll(/\p{Cc}/gu, (character) => JSON.stringify(character).slice(1, -1))

const text = Logger.make<unknown, string>((options) => {
  const { cause, code, fields, level, message, time } = toLine(options)
  const parts = [time, level.toUpperCase().padEnd(7), ...(code === undefined ? [] : [code]), printable(message)]
  for (const [name, field] of Object.entries(fields)) parts.push(`${name}=${printable(value(field))}`)
  if (cause !== undefined) parts.push(`cause=${printable(JSON.stringify(cause))}`)
  return parts.join(" ")
})

const json = Logger.make<unknown, string>((options) => {
  const { fields, ...line } = toLine(options)
  return JSON.stringify({ ...line, ...fields })
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
      Layer.succeed(References.MinimumLogLevel, minimumLevels[level])
    )
  )
)
