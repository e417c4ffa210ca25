/**
 * The section `log` of the configuration.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { withDefault } from "./ConfigKey.ts"

/**
 * How much is logged, from everything to failures only.
 *
 * @since 0.1.0
 * @category schemas
 */
export const LogLevel = Schema.Literals(["debug", "info", "notice", "warning", "error"])

/**
 * @since 0.1.0
 * @category models
 */
export type LogLevel = typeof LogLevel.Type

/**
 * `text` for people, `json` for machines: one event per line in both.
 *
 * @since 0.1.0
 * @category schemas
 */
export const LogFormat = Schema.Literals(["text", "json"])

/**
 * @since 0.1.0
 * @category models
 */
export type LogFormat = typeof LogFormat.Type

/**
 * The section `log`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const LogSettings = Schema.Struct({
  level: withDefault(LogLevel, "info", "The least severe events that are logged."),
  format: withDefault(LogFormat, "text", "text for people, json for machines.")
})

/**
 * @since 0.1.0
 * @category models
 */
export type LogSettings = typeof LogSettings.Type
