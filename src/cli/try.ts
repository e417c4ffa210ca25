/** `dockerrun try`: a server to log in to, without any configuration. */
import { randomBytes } from "node:crypto"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Command } from "effect/cli"
import * as App from "../App.ts"
import * as BcryptPasswordHasher from "../layers/BcryptPasswordHasher.ts"
import type { EngineKind } from "../schema/EngineConfig.ts"
import { Docker } from "../services/Docker.ts"
import { EngineConfig } from "../services/EngineConfig.ts"
import { PasswordHasher } from "../services/PasswordHasher.ts"
import { embedded, isEngineNamed } from "./engine.ts"

const user = "demo"

/** What a guest image most likely has: bash, or else any POSIX shell. */
const shell = ["/bin/sh", "-c", "if [ -x /bin/bash ]; then exec /bin/bash -l; fi; exec /bin/sh -l"]

/** 60 bits, in letters and digits that are not mistaken for one another. */
const makePassword = (): string => {
  const alphabet = "abcdefghijkmnpqrstuvwxyz23456789"
  return Array.from(randomBytes(12), (byte) => alphabet.charAt(byte % alphabet.length)).join("")
}

class NoEngine extends Schema.TaggedError<NoEngine>("dockerrun/NoEngine")("NoEngine", {
  cause: Schema.Defect(),
  /** Why there is no other one instead. */
  instead: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    const detail = this.cause instanceof Error ? this.cause.message : String(this.cause)
    const message = `no container engine answers (${detail}); start Docker or Podman, or name its address in DOCKER_HOST`
    return this.instead === undefined ? message : `${message}; ${this.instead}`
  }
}

/** A server that listens on every address is reached by a name that is one of them. */
const reachable = (host: string): string => (host === "::" || host === "0.0.0.0" ? "localhost" : host)

/** What to serve with, and what the person is told about it. */
interface Trial {
  readonly engine: EngineKind
  readonly shellCommand: ReadonlyArray<string>
  readonly explanation: ReadonlyArray<string>
}

const real: Trial = {
  engine: "docker",
  shellCommand: shell,
  explanation: ["Each login gets a container of its own, which is removed when you leave."]
}

const virtual: Trial = {
  engine: "embedded",
  shellCommand: ["/bin/bash", "-l"],
  explanation: [
    "Each login gets a VIRTUAL container of its own: a small shell and files in the memory of this process. It is not",
    "isolated as a real container is, has no network, and is gone when you leave. For real ones start Docker or Podman."
  ]
}

const configOf = ({ engine, shellCommand }: Trial, passwordHash: string) =>
  App.configText(
    JSON.stringify({
      auth: { users: { [user]: { passwordHash } } },
      engine,
      dockerrun: { config: { shellCommand } },
      log: { level: "notice" }
    })
  )

/** Real containers where there is an engine; virtual ones where there is none and nobody has named one. */
const choose = Effect.fnUntraced(function* (passwordHash: string) {
  const config = configOf(real, passwordHash)
  const kind = yield* EngineConfig.pipe(Effect.provide(config))
  if (kind === "embedded") return virtual
  const answer = yield* engineOrReason.pipe(Effect.provide(App.engine.pipe(Layer.provide(config))), Effect.result)
  if (Result.isSuccess(answer)) return real
  if (isEngineNamed(process.env)) return yield* answer.failure
  yield* embedded.pipe(
    Effect.mapError((cause) => new NoEngine({ cause: answer.failure.cause, instead: cause.message }))
  )
  yield* Console.log(`\n${answer.failure.message}\n\nUsing the engine inside of dockerrun instead.`)
  return virtual
})

export const tryOut = Command.make(
  "try",
  {},
  Effect.fn(function* () {
    const password = makePassword()
    const passwordHash = yield* PasswordHasher.use(({ hash }) => hash(Redacted.make(password))).pipe(
      Effect.provide(BcryptPasswordHasher.layer)
    )
    const trial = yield* choose(passwordHash)
    return yield* App.serve(({ host, port }) =>
      Console.log(
        [
          "",
          ...trial.explanation,
          "Log in with:",
          "",
          `  ssh -p ${port} ${user}@${reachable(host)}`,
          `  password: ${password}`,
          "",
          "Stop the server with Ctrl-C.",
          ""
        ].join("\n")
      )
    ).pipe(Effect.provide(configOf(trial, passwordHash)))
  })
).pipe(Command.withDescription("Serve on this machine only, with a password made for this run; needs no configuration"))

/** Without an engine nothing could be tried: this says so before anybody logs in. */
const engineOrReason = Docker.use(({ info }) => info).pipe(Effect.mapError((error) => new NoEngine({ cause: error })))
