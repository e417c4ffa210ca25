import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { ContainerError, ContainerTimedOut } from "../../src/schema/ContainerError.ts"
import {
  BadRequest,
  Conflict,
  DockerError,
  type DockerErrorReason,
  NoSpace,
  NotFound,
  Overloaded,
  ProgramNotStarted,
  RegistryUnreachable,
  ServerError,
  Unauthorized,
  UnexpectedAnswer,
  Unreachable
} from "../../src/schema/DockerError.ts"
import { ConnectionId } from "../../src/schema/Identifiers.ts"
import * as ContainerFailure from "../../src/services/ContainerFailure.ts"
import { DockerRunConfig } from "../../src/services/DockerRunConfig.ts"

const message = "secret words of the engine"
const reasons = {
  NotFound: new NotFound({ message }),
  Conflict: new Conflict({ message }),
  BadRequest: new BadRequest({ message }),
  Unauthorized: new Unauthorized({ message }),
  Unreachable: new Unreachable({ address: "unix:///secret", message }),
  RegistryUnreachable: new RegistryUnreachable({ message }),
  ServerError: new ServerError({ status: 500, message }),
  NoSpace: new NoSpace({ message }),
  ProgramNotStarted: new ProgramNotStarted({ exitCode: 127, message }),
  UnexpectedAnswer: new UnexpectedAnswer({ message }),
  Overloaded: new Overloaded({ message })
} satisfies Record<DockerErrorReason["_tag"], DockerErrorReason>

type Step = Parameters<typeof ContainerFailure.reason>[0]

/** What the client is told of each failure in each step. */
const table: Record<Step, Record<DockerErrorReason["_tag"], string>> = {
  inspect: {
    NotFound: "DOCKERRUN_ENGINE_FAILED",
    Conflict: "DOCKERRUN_ENGINE_FAILED",
    BadRequest: "DOCKERRUN_IMAGE_REFERENCE_INVALID",
    Unauthorized: "DOCKERRUN_ENGINE_FAILED",
    Unreachable: "DOCKERRUN_ENGINE_UNREACHABLE",
    RegistryUnreachable: "DOCKERRUN_ENGINE_FAILED",
    ServerError: "DOCKERRUN_ENGINE_FAILED",
    NoSpace: "DOCKERRUN_ENGINE_FULL",
    ProgramNotStarted: "DOCKERRUN_ENGINE_FAILED",
    UnexpectedAnswer: "DOCKERRUN_ENGINE_FAILED",
    Overloaded: "DOCKERRUN_BUSY"
  },
  pull: {
    NotFound: "DOCKERRUN_IMAGE_NOT_FOUND",
    Conflict: "DOCKERRUN_PULL_FAILED",
    BadRequest: "DOCKERRUN_IMAGE_REFERENCE_INVALID",
    Unauthorized: "DOCKERRUN_REGISTRY_DENIED",
    Unreachable: "DOCKERRUN_ENGINE_UNREACHABLE",
    RegistryUnreachable: "DOCKERRUN_REGISTRY_UNREACHABLE",
    ServerError: "DOCKERRUN_PULL_FAILED",
    NoSpace: "DOCKERRUN_ENGINE_FULL",
    ProgramNotStarted: "DOCKERRUN_PULL_FAILED",
    UnexpectedAnswer: "DOCKERRUN_PULL_FAILED",
    Overloaded: "DOCKERRUN_BUSY"
  },
  create: {
    // The image was taken away between the pull and the container.
    NotFound: "DOCKERRUN_CONTAINER_REJECTED",
    Conflict: "DOCKERRUN_CONTAINER_NAME_TAKEN",
    BadRequest: "DOCKERRUN_CONTAINER_REJECTED",
    Unauthorized: "DOCKERRUN_ENGINE_FAILED",
    Unreachable: "DOCKERRUN_ENGINE_UNREACHABLE",
    RegistryUnreachable: "DOCKERRUN_ENGINE_FAILED",
    ServerError: "DOCKERRUN_ENGINE_FAILED",
    NoSpace: "DOCKERRUN_ENGINE_FULL",
    ProgramNotStarted: "DOCKERRUN_ENGINE_FAILED",
    UnexpectedAnswer: "DOCKERRUN_ENGINE_FAILED",
    Overloaded: "DOCKERRUN_BUSY"
  },
  start: {
    NotFound: "DOCKERRUN_CONTAINER_NOT_STARTED",
    Conflict: "DOCKERRUN_CONTAINER_NOT_STARTED",
    BadRequest: "DOCKERRUN_CONTAINER_NOT_STARTED",
    Unauthorized: "DOCKERRUN_CONTAINER_NOT_STARTED",
    Unreachable: "DOCKERRUN_ENGINE_UNREACHABLE",
    RegistryUnreachable: "DOCKERRUN_CONTAINER_NOT_STARTED",
    ServerError: "DOCKERRUN_ENGINE_FAILED",
    NoSpace: "DOCKERRUN_ENGINE_FULL",
    ProgramNotStarted: "DOCKERRUN_CONTAINER_NOT_STARTED",
    UnexpectedAnswer: "DOCKERRUN_CONTAINER_NOT_STARTED",
    Overloaded: "DOCKERRUN_BUSY"
  }
}

const cases = (["inspect", "pull", "create", "start"] as const).flatMap((step) =>
  Object.values(reasons).map((reason) => [step, reason._tag, table[step][reason._tag], reason] as const)
)

const config = DockerRunConfig.layer({
  config: { container: { Image: "demo/x:1" }, containername: "only-one", shellCommand: ["/bin/sh"] }
})
const connectionId = ConnectionId.make("0123456789abcdef0123456789abcdef")

describe("ContainerFailure", () => {
  it.effect.each(cases)("%s, %s: %s", ([step, , code, reason]) =>
    Effect.gen(function* () {
      const { config } = yield* DockerRunConfig
      const cause = new DockerError({ operation: "the operation", reason })
      const error = new ContainerError({
        connectionId,
        reason: ContainerFailure.reason(step, cause, config),
        cause
      })
      assert.strictEqual(error.code, code)
      // The engine's own words are for the log.
      assert.notInclude(error.clientMessage, "secret")
      assert.isTrue(error.clientMessage.endsWith(` [${code}, connection ${connectionId}]`), error.clientMessage)
      assert.isTrue(error.clientMessage.startsWith(error.message))
      if (/IMAGE|REGISTRY|PULL/u.test(code)) assert.include(error.message, "demo/x:1")
      if (code === "DOCKERRUN_CONTAINER_NAME_TAKEN") assert.include(error.message, "only-one")
    }).pipe(Effect.provide(config))
  )

  it.each([
    ["inspect", "asking the engine for the image took longer than 1.5 s"],
    ["pull", "pulling the image took longer than 1.5 s"],
    ["create", "creating the container took longer than 1.5 s"],
    ["start", "starting the container took longer than 1.5 s"]
  ] as const)("out of time in step %s: %s", (step, words) => {
    assert.strictEqual(new ContainerTimedOut({ step, seconds: 1.5 }).message, words)
  })
})
