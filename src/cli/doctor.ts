/** `dockerrun doctor`: whether a server would work here, and what to do where it would not. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { Command } from "effect/cli"
import * as App from "../App.ts"
import * as DockerodeDocker from "../layers/DockerodeDocker.ts"
import * as FileHostKeys from "../layers/FileHostKeys.ts"
import * as FileStatus from "../layers/FileStatus.ts"
import * as Ssh2Server from "../layers/Ssh2Server.ts"
import { HostKeySource } from "../schema/SshConfig.ts"
import * as Diagnosis from "../services/Diagnosis.ts"
import { EngineConfig } from "../services/EngineConfig.ts"
import * as EngineDiagnosis from "../services/EngineDiagnosis.ts"
import { Logger } from "../services/Logger.ts"
import * as RunningServers from "../services/RunningServers.ts"
import { SshConfig } from "../services/SshConfig.ts"
import { config } from "./flags.ts"
import { embedded, embeddedFindings, isEngineNamed } from "./engine.ts"

/** Something does not work; what, has been printed. */
class Unhealthy extends Schema.TaggedError<Unhealthy>("dockerrun/Unhealthy")("Unhealthy", {
  failures: Schema.Int
}) {
  override get message(): string {
    return this.failures === 1 ? "1 thing does not work" : `${this.failures} things do not work`
  }
}

/** What `dockerrun try` serves with, as far as it matters here; without a file nothing says which shell to run. */
const withoutFile = JSON.stringify({ dockerrun: { config: { shellCommand: ["/bin/sh"] } } })

/** Building `FileHostKeys` makes the keys that are missing; a doctor only looks. */
const hostKeys = Effect.gen(function* () {
  const ssh = yield* SshConfig
  const fileSystem = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const isThere = (file: string) => fileSystem.exists(file).pipe(Effect.catch(() => Effect.succeed(true)))
  const kept = FileHostKeys.keptFiles.map((name) => path.join(ssh.hostkeyDirectory, name))
  const found =
    ssh.hostkeys.length > 0
      ? ssh.hostkeys
      : (yield* Effect.filter(kept, isThere)).map((file) => HostKeySource.make({ _tag: "File", path: file }))
  if (found.length === 0) return [Diagnosis.hostKeysToCome(ssh.hostkeyDirectory)]
  return yield* Diagnosis.hostKeys.pipe(
    Effect.provide(FileHostKeys.layer),
    Effect.provideService(SshConfig, { ...ssh, hostkeys: found }),
    Effect.catch((error) => Effect.succeed([Diagnosis.unusableHostKey(error)]))
  )
}).pipe(Effect.provide(Logger.layer))

const engine = Effect.fnUntraced(function* (path: Option.Option<string>) {
  if ((yield* EngineConfig) === "embedded") return yield* embeddedFindings
  const findings = yield* EngineDiagnosis.engine.pipe(
    Effect.provide(DockerodeDocker.layer),
    Effect.catch((error) => Effect.succeed([EngineDiagnosis.unusableEngine(error)]))
  )
  const isWell = findings.every(({ verdict }) => verdict !== "fail")
  if (isWell || Option.isSome(path) || isEngineNamed(process.env)) return findings
  return (yield* Effect.isSuccess(embedded)) ? [...findings, EngineDiagnosis.embeddedInstead] : findings
})

/** Everything that depends on the configuration. */
const examine = Effect.fnUntraced(
  function* (path: Option.Option<string>) {
    const [engineFindings, keyFindings, userFindings, programFindings, serverFindings] = yield* Effect.all(
      [
        engine(path),
        hostKeys,
        Option.isSome(path)
          ? Diagnosis.authentication(App.authenticator)
          : Effect.succeed([Diagnosis.passwordOfTheRun]),
        Diagnosis.programs,
        RunningServers.findings.pipe(Effect.provide(FileStatus.layerRunning))
      ],
      { concurrency: "unbounded" }
    )
    return [
      Diagnosis.validConfiguration(Option.getOrUndefined(path)),
      ...engineFindings,
      ...keyFindings,
      ...userFindings,
      ...programFindings,
      ...serverFindings
    ]
  },
  (effect, path) =>
    effect.pipe(
      Effect.provide(Option.isSome(path) ? App.configFile(path) : App.configText(withoutFile)),
      Effect.catch((error) => Effect.succeed(Diagnosis.invalidConfiguration(error)))
    )
)

const line = ({ message, remedy, subject, verdict }: Diagnosis.Finding): string =>
  `${verdict.padEnd(4)}  ${subject.padEnd(14)}  ${message}${remedy === undefined ? "" : ` → ${remedy}`}`

export const doctor = Command.make(
  "doctor",
  { config },
  Effect.fn(function* ({ config: path }) {
    const findings = [
      Diagnosis.node(process.versions.node),
      Diagnosis.encryption(Ssh2Server.detectCrypto()),
      ...(yield* examine(path))
    ]
    yield* Effect.forEach(findings, (finding) => Console.log(line(finding)), { discard: true })
    const failures = findings.filter(({ verdict }) => verdict === "fail").length
    if (failures > 0) return yield* new Unhealthy({ failures })
  })
).pipe(
  Command.withDescription("Look at the configuration, the engine, the image, the host keys; say what to do"),
  Command.withExamples([
    { command: "dockerrun doctor", description: "What a server without a configuration would find here" },
    { command: "dockerrun doctor --config dockerrun.yaml", description: "The same for a configuration" }
  ])
)
