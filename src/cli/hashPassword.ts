/** `dockerrun hash-password`: the text to put into a configuration in place of a password. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"
import * as Terminal from "effect/Terminal"
import { Command, Prompt } from "effect/cli"
import * as BcryptPasswordHasher from "../layers/BcryptPasswordHasher.ts"
import { PasswordHasher } from "../services/PasswordHasher.ts"

/** There is no password to hash. Quotes nothing of what was read. */
class PasswordNotRead extends Schema.TaggedError<PasswordNotRead>("dockerrun/PasswordNotRead")("PasswordNotRead", {
  problem: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    return this.problem
  }
}

/** More than any password that could be used, so that a wrong file does not fill the memory. */
const maximumBytes = 4096

const decodeUtf8 = (bytes: Uint8Array) =>
  Effect.try({
    try: () => new TextDecoder("utf-8", { fatal: true }).decode(bytes),
    catch: (cause) => new PasswordNotRead({ problem: "the password is not UTF-8 text", cause })
  })

/** The one line that standard input holds. */
const fromInput = Effect.fnUntraced(function* (stdio: Stdio.Stdio) {
  let length = 0
  const chunks = yield* stdio.stdin.pipe(
    Stream.takeUntil((chunk) => (length += chunk.length) > maximumBytes),
    Stream.runCollect,
    Effect.mapError((cause) => new PasswordNotRead({ problem: "standard input cannot be read", cause }))
  )
  if (length > maximumBytes) {
    return yield* new PasswordNotRead({ problem: `standard input holds more than ${maximumBytes} bytes: no password` })
  }
  const text = yield* decodeUtf8(Buffer.concat(chunks))
  const line = text.replace(/\r?\n$/u, "")
  if (/[\r\n]/u.test(line)) {
    return yield* new PasswordNotRead({ problem: "standard input holds several lines; give the password as one" })
  }
  return Redacted.make(line)
})

/** Standard output is for the hash alone, so a person is asked on standard error. */
const onStandardError = (terminal: Terminal.Terminal, stdio: Stdio.Stdio): Terminal.Terminal =>
  Terminal.make({
    columns: terminal.columns,
    rows: terminal.rows,
    size: terminal.size,
    readInput: terminal.readInput,
    readLine: terminal.readLine,
    display: (text) => Stream.run(Stream.succeed(text), stdio.stderr())
  })

const twice = Prompt.all([Prompt.Hidden({ message: "Password" }), Prompt.Hidden({ message: "The same again" })])

const fromPerson = Effect.fnUntraced(function* (stdio: Stdio.Stdio) {
  const terminal = yield* Terminal.Terminal
  const [first, second] = yield* Prompt.run(twice).pipe(
    Effect.provideService(Terminal.Terminal, onStandardError(terminal, stdio)),
    Effect.mapError((cause) => new PasswordNotRead({ problem: "no password was given", cause }))
  )
  if (Redacted.value(first) !== Redacted.value(second)) {
    return yield* new PasswordNotRead({ problem: "the two passwords are not the same" })
  }
  return first
})

export const hashPassword = Command.make(
  "hash-password",
  {},
  Effect.fn(function* () {
    const stdio = yield* Stdio.Stdio
    const { hash } = yield* PasswordHasher
    const password = yield* (yield* stdio.stdinIsTerminal) ? fromPerson(stdio) : fromInput(stdio)
    yield* Console.log(yield* hash(password))
  }, Effect.provide(BcryptPasswordHasher.layer))
).pipe(
  Command.withDescription("Print the hash of a password, for auth.users.NAME.passwordHash"),
  Command.withExamples([
    { command: "dockerrun hash-password", description: "Ask for the password, without showing it" },
    { command: "dockerrun hash-password < password.txt", description: "Take the one line of a file" }
  ])
)
