/** `dockerrun check`: everything that is wrong with a configuration, at once. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Command } from "effect/cli"
import * as App from "../App.ts"
import * as Diagnosis from "../services/Diagnosis.ts"
import { EngineConfig } from "../services/EngineConfig.ts"
import { embeddedFindings } from "./engine.ts"
import { config } from "./flags.ts"

/** The configuration cannot be used; its problems have been printed. */
class ConfigurationInvalid extends Schema.TaggedError<ConfigurationInvalid>("dockerrun/ConfigurationInvalid")(
  "ConfigurationInvalid",
  { source: Schema.String, problems: Schema.Int }
) {
  override get message(): string {
    return `${this.source} has ${this.problems === 1 ? "1 problem" : `${this.problems} problems`}`
  }
}

/** Whether an engine answers is for the doctor to say; whether the server has one of its own stands in its files. */
const engine = Effect.flatMap(EngineConfig, (kind) => (kind === "embedded" ? embeddedFindings : Effect.succeed([])))

export const check = Command.make(
  "check",
  { config },
  Effect.fn(function* ({ config: path }) {
    const source = Option.getOrElse(path, () => "the configuration without a file")
    const findings = yield* Effect.all([Diagnosis.authentication(App.authenticator), engine]).pipe(
      Effect.map((all) => all.flat()),
      Effect.provide(App.configFile(path)),
      Effect.catch((error) =>
        Effect.andThen(
          Console.error(error.message),
          Effect.fail(new ConfigurationInvalid({ source, problems: error.problems.length }))
        )
      )
    )
    const failures = findings.filter(({ verdict }) => verdict === "fail")
    yield* Effect.forEach(failures, ({ message }) => Console.error(`${source}: ${message}`), { discard: true })
    if (failures.length > 0) return yield* new ConfigurationInvalid({ source, problems: failures.length })
    const warnings = findings.filter(({ verdict }) => verdict === "warn")
    yield* Effect.forEach(warnings, ({ message }) => Console.error(`${source}: warning: ${message}`), { discard: true })
    yield* Console.log(`${source} is valid`)
  })
).pipe(
  Command.withDescription("Check a configuration; print every problem that it has"),
  Command.withExamples([
    { command: "dockerrun check --config dockerrun.yaml", description: "Exit 0 if a server could use it, 1 if not" }
  ])
)
