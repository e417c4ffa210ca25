import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { vi } from "vitest"
import * as ConsoleLog from "../../src/layers/ConsoleLog.ts"
import { ContainerError, EngineUnreachable } from "../../src/schema/ContainerError.ts"
import { DockerError, Unreachable } from "../../src/schema/DockerError.ts"
import { ConnectionId } from "../../src/schema/Identifiers.ts"
import type { LogLevel } from "../../src/schema/LogConfig.ts"
import { LogConfig } from "../../src/services/LogConfig.ts"
import { Logger, type LogEvent } from "../../src/services/Logger.ts"

const time = "1970-01-01T00:00:00.000Z"

/** What an effect writes to standard error. */
const written = <A, E>(
  effect: Effect.Effect<A, E, Logger>,
  settings: { readonly level?: LogLevel; readonly format?: "text" | "json" } = {}
): Effect.Effect<ReadonlyArray<string>, E> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const chunks: Array<string> = []
      const write = vi.spyOn(process.stderr, "write").mockImplementation((chunk) => {
        chunks.push(String(chunk))
        return true
      })
      return { chunks, write }
    }),
    ({ chunks }) =>
      effect.pipe(
        Effect.provide(
          Layer.merge(Logger.layer, ConsoleLog.layer).pipe(Layer.provide(Layer.orDie(LogConfig.layer(settings))))
        ),
        Effect.map(() => chunks)
      ),
    ({ write }) => Effect.sync(() => write.mockRestore())
  )

const log = (event: Partial<LogEvent>) =>
  Logger.use((logger) => logger.log({ level: "info", code: "CODE", message: "message", ...event }))

const text = (event: Partial<LogEvent>) =>
  Effect.map(written(log(event)), (lines) => lines.map((line) => line.replace(`${time} INFO    CODE `, "")))

const object = (event: Partial<LogEvent>, annotations: Record<string, unknown> = {}) =>
  written(Effect.annotateLogs(log(event), annotations), { format: "json" }).pipe(
    Effect.flatMap(([line = ""]) => {
      assert.match(line, /^[^\n]+\n$/u)
      return Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown)))(line)
    })
  )

describe("the log as text", () => {
  it.effect("is one line for each event: time, level, code, message, fields", () =>
    Effect.gen(function* () {
      const lines = yield* written(
        Effect.all([
          log({ level: "error", code: "WENT_WRONG", message: "it went wrong" }),
          log({ level: "warning" }),
          log({ level: "notice" }),
          log({ fields: { createMs: 12, image: "demo/x:1", tty: false } })
        ])
      )
      assert.deepStrictEqual(lines, [
        `${time} ERROR   WENT_WRONG it went wrong\n`,
        `${time} WARNING CODE message\n`,
        `${time} NOTICE  CODE message\n`,
        `${time} INFO    CODE message createMs=12 image=demo/x:1 tty=false\n`
      ])
    })
  )

  it.effect("has the annotations of the connection, and quotes what is not a plain word", () =>
    Effect.gen(function* () {
      const lines = yield* written(
        Effect.annotateLogs(log({ fields: { name: "two words", empty: "", list: ["a", 1], quote: '"' } }), {
          connectionId: "0123456789abcdef",
          username: "alice smith"
        })
      )
      const line = String(lines[0]).trimEnd()
      for (const part of [
        "connectionId=0123456789abcdef",
        'username="alice smith"',
        'name="two words"',
        'empty=""',
        'list=["a",1]',
        'quote="\\""'
      ]) {
        assert.include(line, ` ${part}`)
      }
    })
  )

  it.effect("a field that is not known is no reason to fail", () =>
    Effect.gen(function* () {
      const circle: Record<string, unknown> = {}
      circle["itself"] = circle
      const lines = yield* text({
        fields: { nothing: undefined, none: null, big: 12n, circle, symbol: Symbol("s"), call: () => 1 }
      })
      assert.strictEqual(lines.length, 1)
      const line = lines[0] ?? ""
      assert.isTrue(line.startsWith("message"))
      assert.include(line, "none=null")
      assert.include(line, 'big="12n"')
      assert.notInclude(line, "nothing")
    })
  )

  it.effect("no control character gets through: a client can neither begin a line nor command the terminal", () =>
    Effect.gen(function* () {
      // C0, DEL and C1 (0x9B begins a command as ESC [ does), the line ends of Unicode, and the reversal of text.
      const hostile = "a\n2026 ERROR FORGED\r\t\u0000\u0007\u001B[2J\u007F\u0085\u009B31m\u2028\u2029\u202E\u2066z"
      const lines = yield* text({
        message: hostile,
        fields: { name: hostile, list: [hostile] },
        cause: new Error(hostile)
      })
      assert.strictEqual(lines.length, 1)
      const line = lines[0] ?? ""
      assert.isTrue(line.endsWith("\n"))
      assert.notMatch(line.slice(0, -1), /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u)
      assert.isTrue(
        line.startsWith("a\\n2026 ERROR FORGED\\r\\t\\u0000\\u0007\\u001b[2J\\u007f\\u0085\\u009b31m\\u2028")
      )
    })
  )

  it.effect.prop(
    "any text in any place gives one line without control characters",
    { given: Schema.String },
    ({ given }) =>
      Effect.gen(function* () {
        const lines = yield* text({ message: given, fields: { given }, cause: given })
        assert.strictEqual(lines.length, 1)
        assert.notMatch((lines[0] ?? "").slice(0, -1), /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u)
      })
  )

  it.effect("letters of every kind are letters", () =>
    Effect.gen(function* () {
      const given = "Grüße, 日本 🐳"
      assert.deepStrictEqual(yield* text({ message: given }), [`${given}\n`])
    })
  )
})

describe("causes", () => {
  const failure = new ContainerError({
    connectionId: ConnectionId.make("0123456789abcdef"),
    reason: new EngineUnreachable(),
    cause: new DockerError({
      operation: "create container",
      reason: new Unreachable({ address: "unix:///x", errno: "ENOENT", message: "there is no socket at unix:///x" })
    })
  })
  const told = "the container engine does not answer: create container: there is no socket at unix:///x"

  it.effect("are told in one line with what they came from, and without a stack", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* text({ cause: failure }), [`message cause=${JSON.stringify(told)}\n`])
      assert.deepStrictEqual(yield* text({ cause: Cause.fail(failure) }), [`message cause=${JSON.stringify(told)}\n`])
      assert.deepStrictEqual(yield* text({ cause: new Error("outer", { cause: new Error("inner") }) }), [
        'message cause="outer: inner"\n'
      ])
      assert.deepStrictEqual(yield* text({ cause: new TypeError("") }), ['message cause="TypeError"\n'])
      assert.deepStrictEqual(yield* text({ cause: "exit status 2" }), ['message cause="exit status 2"\n'])
    })
  )

  it.effect("may be anything that can be thrown", () =>
    Effect.gen(function* () {
      const self = new Error("round")
      self.cause = self
      const circle: Record<string, unknown> = {}
      circle["itself"] = circle
      for (const cause of [null, 0, false, 12n, Symbol("s"), circle, self, {}]) {
        const lines = yield* text({ cause })
        assert.strictEqual(lines.length, 1)
        assert.match(lines[0] ?? "", /^message cause="/u)
      }
    })
  )

  it.effect("of a fiber that nobody joined are told too", () =>
    Effect.gen(function* () {
      const lines = yield* written(Effect.fail(failure).pipe(Effect.ignoreCause({ log: "Error", message: "lost" })))
      assert.strictEqual(lines.length, 1)
      assert.include(lines[0], "ERROR")
      assert.include(lines[0], told)
      assert.notInclude(lines[0], "ConsoleLog.test")
    })
  )
})

describe("the log as JSON", () => {
  it.effect("is one object for each event, with its fields beside the rest", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* object(
          {
            level: "warning",
            code: "CODE",
            message: "two\nlines",
            fields: { startMs: 3, list: [1] },
            cause: new Error("x")
          },
          { connectionId: "0123456789abcdef" }
        ),
        {
          time,
          level: "warning",
          code: "CODE",
          message: "two\nlines",
          cause: "x",
          startMs: 3,
          list: [1],
          connectionId: "0123456789abcdef"
        }
      )
      assert.deepStrictEqual(yield* object({ level: "notice", fields: { gone: undefined } }), {
        time,
        level: "notice",
        code: "CODE",
        message: "message"
      })
    })
  )

  it.effect("a field never takes the place of time, level, code or message", () =>
    Effect.gen(function* () {
      const line = yield* object({ fields: { time: "x", message: "y", cause: "z" } })
      assert.deepInclude(line, { time, level: "info", code: "CODE", message: "message" })
    })
  )

  it.effect("holds whatever it is given, in characters that a terminal shows", () =>
    Effect.gen(function* () {
      const hostile = "\u0000\n\u001B[2J\u007F\u009B31m\u2028\u202E"
      const [line = ""] = yield* written(log({ message: hostile, fields: { hostile } }), { format: "json" })
      assert.notMatch(line.slice(0, -1), /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u)
      assert.deepInclude(yield* object({ message: hostile, fields: { hostile } }), { message: hostile, hostile })

      const circle: Record<string, unknown> = {}
      circle["itself"] = circle
      assert.deepInclude(yield* object({ fields: { circle, big: 12n } }), {
        code: "CODE",
        message: "message",
        big: "12n"
      })
    })
  )
})

describe("log.level", () => {
  const levels = ["debug", "info", "notice", "warning", "error"] as const

  it.effect.each(levels.map((level, index) => [level, levels.slice(index)] as const))(
    "%s lets %s through",
    ([level, expected]) =>
      Effect.gen(function* () {
        const lines = yield* written(
          Effect.forEach(levels, (one) => log({ level: one, code: one })),
          { level, format: "json" }
        )
        assert.deepStrictEqual(
          lines.map((line) => /"code":"(\w+)"/u.exec(line)?.[1]),
          expected
        )
      })
  )

  it.effect("is info, as text, unless told", () =>
    Effect.gen(function* () {
      const lines = yield* written(Effect.forEach(levels, (level) => log({ level })))
      assert.deepStrictEqual(
        lines.map((line) => line.split(/ +/u)[1]),
        ["INFO", "NOTICE", "WARNING", "ERROR"]
      )
    })
  )
})
