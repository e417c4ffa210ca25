/** What the commands that look at the engine have in common. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as EmbeddedDocker from "../layers/EmbeddedDocker.ts"
import type { DockerError } from "../schema/DockerError.ts"
import type { Finding } from "../services/Diagnosis.ts"
import * as EngineDiagnosis from "../services/EngineDiagnosis.ts"

/** Whether somebody has said which engine to use. Then none is used instead of it. */
export const isEngineNamed = (environment: NodeJS.ProcessEnv): boolean =>
  ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKERRUN_HOST", "DOCKERRUN_ENGINE"].some(
    (name) => (environment[name] ?? "") !== ""
  )

/** Fails when the embedded engine cannot be used here. */
export const embedded: Effect.Effect<void, DockerError> = Effect.asVoid(
  Effect.scoped(Layer.build(EmbeddedDocker.layer()))
)

/** Whether the embedded engine can be used here. */
export const embeddedFindings: Effect.Effect<ReadonlyArray<Finding>> = embedded.pipe(
  Effect.as([EngineDiagnosis.embedded]),
  Effect.catch((error) => Effect.succeed([EngineDiagnosis.unusableEngine(error)]))
)
