import { assert, describe, it } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Sink from "effect/Sink"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import { Command } from "effect/cli"
import { TestConsole } from "effect/testing"
import { hashPassword } from "../../src/cli/hashPassword.ts"
import * as BcryptPasswordHasher from "../../src/layers/BcryptPasswordHasher.ts"
import { PasswordHasher } from "../../src/services/PasswordHasher.ts"

const runCommand = Command.runWith(hashPassword, { version: "0" })([]).pipe(
  Effect.match({ onSuccess: () => undefined, onFailure: (error) => error.message })
)

/** What the program prints, or what it says is wrong, for these bytes on a standard input that is no terminal. */
const piped = (...chunks: ReadonlyArray<string | Uint8Array>) =>
  Effect.gen(function* () {
    const failure = yield* runCommand
    return { failure, stdout: (yield* TestConsole.logLines).map(String) }
  }).pipe(
    Effect.provide(
      Layer.merge(
        NodeServices.layer,
        Stdio.layerTest({
          stdin: Stream.fromIterable(
            chunks.map((chunk) => (typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk))
          )
        })
      )
    )
  )

const matches = Effect.fnUntraced(function* (password: string, hash: string | undefined) {
  assert.isDefined(hash)
  const { verifier } = yield* PasswordHasher
  const verify = yield* verifier([Redacted.make(hash)])
  return yield* verify(Redacted.make(password), Redacted.make(hash))
}, Effect.provide(BcryptPasswordHasher.layer))

/** The program at a terminal where a person types this; `shown` is what they see of it. */
const typed = (text: string) =>
  Effect.gen(function* () {
    const keys = yield* Queue.unbounded<Terminal.UserInput, Cause.Done>()
    for (const character of text) {
      const isEnter = character === "\r"
      yield* Queue.offer(keys, {
        input: Option.some(character),
        key: { name: isEnter ? "return" : character, ctrl: false, meta: false, shift: false }
      })
    }
    yield* Queue.end(keys)
    const shown: Array<string> = []
    const terminal = Terminal.make({
      columns: Effect.succeed(80),
      rows: Effect.succeed(24),
      size: Effect.die("nothing is resized"),
      readInput: Effect.succeed(keys),
      readLine: Effect.die("a line would be echoed"),
      display: () => Effect.die("standard output is for the hash")
    })
    const stdio = Stdio.layerTest({
      stdinIsTerminal: Effect.succeed(true),
      stderr: () =>
        Sink.forEach((chunk) => Effect.sync(() => shown.push(typeof chunk === "string" ? chunk : "(bytes)")))
    })
    const failure = yield* runCommand.pipe(
      Effect.provide(Layer.mergeAll(NodeServices.layer, stdio, Layer.succeed(Terminal.Terminal, terminal)))
    )
    return { failure, shown: shown.join(""), stdout: (yield* TestConsole.logLines).map(String) }
  })

describe("dockerrun hash-password", () => {
  describe("from a file or a pipe", () => {
    it.effect("prints the hash of the line, without its end, and nothing else", () =>
      Effect.gen(function* () {
        const { failure, stdout } = yield* piped("correct ", "horse\n")
        assert.isUndefined(failure)
        assert.strictEqual(stdout.length, 1)
        assert.isTrue(yield* matches("correct horse", stdout[0]))
      })
    )

    it.effect("takes a line without an end, and one that Windows wrote", () =>
      Effect.gen(function* () {
        assert.isTrue(yield* matches("a b ", (yield* piped("a b ")).stdout.at(-1)))
        assert.isTrue(yield* matches("pass", (yield* piped("pass\r\n")).stdout.at(-1)))
      })
    )

    it.effect("puts a letter together whose bytes come apart", () =>
      Effect.gen(function* () {
        const bytes = new TextEncoder().encode("ü")
        const { stdout } = yield* piped(bytes.subarray(0, 1), bytes.subarray(1))
        assert.isTrue(yield* matches("ü", stdout[0]))
      })
    )

    const refused: ReadonlyArray<readonly [what: string, input: ReadonlyArray<string | Uint8Array>, RegExp]> = [
      ["nothing", [], /^the password is empty$/u],
      ["an empty line", ["\n"], /^the password is empty$/u],
      ["several lines", ["one\ntwo\n"], /several lines/u],
      ["more bytes than count", ["x".repeat(73)], /73 bytes, and no more than 72/u],
      ["what is not UTF-8", [new Uint8Array([0xff])], /not UTF-8/u],
      ["a large file", Array.from({ length: 5 }, () => "x".repeat(1000)), /more than 4096 bytes/u]
    ]
    for (const [what, input, message] of refused) {
      it.effect(`refuses ${what}`, () =>
        Effect.gen(function* () {
          const { failure, stdout } = yield* piped(...input)
          assert.match(failure ?? "", message)
          assert.deepStrictEqual(stdout, [])
        })
      )
    }

    it.effect("does not go on reading what never ends", () =>
      Effect.gen(function* () {
        const failure = yield* runCommand.pipe(
          Effect.provide(
            Layer.merge(
              NodeServices.layer,
              Stdio.layerTest({ stdin: Stream.forever(Stream.succeed(new Uint8Array(1024))) })
            )
          )
        )
        assert.match(failure ?? "", /more than 4096 bytes/u)
      })
    )
  })

  describe("at a terminal", () => {
    it.effect("asks twice, shows nothing of the password, and prints only the hash on standard output", () =>
      Effect.gen(function* () {
        const { failure, shown, stdout } = yield* typed("xyzzy\rxyzzy\r")
        assert.isUndefined(failure)
        assert.match(shown, /Password.*The same again/su)
        assert.notMatch(shown, /[xz*]/u)
        assert.strictEqual(stdout.length, 1)
        assert.isTrue(yield* matches("xyzzy", stdout[0]))
      })
    )

    it.effect("refuses two that differ", () =>
      Effect.gen(function* () {
        const { failure, stdout } = yield* typed("xyzzy\rxyzzz\r")
        assert.strictEqual(failure, "the two passwords are not the same")
        assert.deepStrictEqual(stdout, [])
      })
    )

    it.effect("gives up when the person does", () =>
      Effect.gen(function* () {
        const { failure, stdout } = yield* typed("xyz")
        assert.strictEqual(failure, "no password was given")
        assert.deepStrictEqual(stdout, [])
      })
    )
  })
})
