/** `dockerrun try`: a server to log in to, without any configuration. */
import { randomBytes } from "node:crypto"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { Command } from "effect/cli"
import * as App from "../App.ts"
import * as BcryptPasswordHasher from "../layers/BcryptPasswordHasher.ts"
import { Docker } from "../services/Docker.ts"
import { PasswordHasher } from "../services/PasswordHasher.ts"

const user = "demo"

/** What a guest image most likely has: bash, or else any POSIX shell. */
const shell = ["/bin/sh", "-c", "if [ -x /bin/bash ]; then exec /bin/bash -l; fi; exec /bin/sh -l"]

/** 60 bits, in letters and digits that are not mistaken for one another. */
const makePassword = (): string => {
  const alphabet = "abcdefghijkmnpqrstuvwxyz23456789"
  return Array.from(randomBytes(12), (byte) => alphabet.charAt(byte % alphabet.length)).join("")
}

class NoEngine extends Schema.TaggedError<NoEngine>("dockerrun/NoEngine")("NoEngine", { cause: Schema.Defect() }) {
  override get message(): string {
    const detail = this.cause instanceof Error ? this.cause.message : String(this.cause)
    return `no container engine answers (${detail}); start Docker or Podman, or name its address in DOCKER_HOST`
  }
}

export const tryOut = Command.make(
  "try",
  {},
  Effect.fn(function* () {
    const password = makePassword()
    const passwordHash = yield* PasswordHasher.use(({ hash }) => hash(Redacted.make(password))).pipe(
      Effect.provide(BcryptPasswordHasher.layer)
    )
    const config = App.configText(
      JSON.stringify({
        auth: { users: { [user]: { passwordHash } } },
        dockerrun: { config: { shellCommand: shell } },
        log: { level: "notice" }
      })
    )
    yield* engineOrReason.pipe(Effect.provide(App.engine.pipe(Layer.provide(config))))
    return yield* App.serve(({ host, port }) =>
      Console.log(
        [
          "",
          "Each login gets a container of its own, which is removed when you leave. Log in with:",
          "",
          `  ssh -p ${port} ${user}@${host}`,
          `  password: ${password}`,
          "",
          "Stop the server with Ctrl-C.",
          ""
        ].join("\n")
      )
    ).pipe(Effect.provide(config))
  })
).pipe(Command.withDescription("Serve on this machine only, with a password made for this run; needs no configuration"))

/** Without an engine nothing could be tried: this says so before anybody logs in. */
const engineOrReason = Docker.use(({ info }) => info).pipe(Effect.mapError((error) => new NoEngine({ cause: error })))
