/**
 * What the operator is told.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { LogLevel } from "../schema/LogConfig.ts"

/**
 * One thing that happened.
 *
 * @since 0.1.0
 * @category models
 */
export interface LogEvent {
  readonly level: LogLevel
  /** A stable name for this kind of event, such as `CONTAINER_STARTED`. */
  readonly code: string
  /** The same for people, in one line. */
  readonly message: string
  /** Further facts; durations in milliseconds, their names end in `Ms`. Never a secret. */
  readonly fields?: Readonly<Record<string, unknown>>
  /** What went wrong. */
  readonly cause?: unknown
}

/**
 * Takes structured events. Which connection, container and channel an event belongs to is in Effect's log annotations
 * (`connectionId`, `containerId`, `channelId`, `username`, `remoteAddress`).
 *
 * @since 0.1.0
 * @category services
 */
export class Logger extends Context.Service<
  Logger,
  {
    readonly log: (event: LogEvent) => Effect.Effect<void>
  }
>()("dockerrun/services/Logger") {
  /**
   * Writes through Effect's own logging, so that an app's loggers, minimum level and annotations apply. Code and fields
   * become annotations; `notice`, which Effect does not have, is `Info` with the annotation `level: "notice"`.
   */
  static readonly layer: Layer.Layer<Logger> = Layer.succeed(
    Logger,
    Logger.of({
      log: ({ level, code, message, fields, cause }) =>
        effectLog(level, cause === undefined ? [message] : [message, cause]).pipe(
          Effect.annotateLogs({ ...fields, code, ...(level === "notice" ? { level } : {}) })
        )
    })
  )
}

const effectLog = (level: LogLevel, parts: ReadonlyArray<unknown>): Effect.Effect<void> => {
  switch (level) {
    case "debug":
      return Effect.logDebug(...parts)
    case "info":
    case "notice":
      return Effect.logInfo(...parts)
    case "warning":
      return Effect.logWarning(...parts)
    case "error":
      return Effect.logError(...parts)
  }
}
