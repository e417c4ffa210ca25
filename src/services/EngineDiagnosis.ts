/**
 * What an operator is told about the engine and the image: who answers there, and what the first login will wait for.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { DockerError } from "../schema/DockerError.ts"
import { type ImageReference, ImageReferenceFromString } from "../schema/ImageReference.ts"
import type { ImagePullPolicy } from "../schema/ImagePullPolicy.ts"
import type { Finding } from "./Diagnosis.ts"
import { Docker, type Image } from "./Docker.ts"
import { DockerRunConfig } from "./DockerRunConfig.ts"
import { isPullNeeded } from "./ImagePull.ts"

/** An engine that is well answers in milliseconds. */
const deadline = "10 seconds"

const subject = { engine: "engine", image: "image" } as const

/**
 * What the failure to reach an engine, or to find its address, means.
 *
 * @since 0.1.0
 * @category findings
 */
export const unusableEngine = ({ reason }: DockerError): Finding => ({
  verdict: "fail",
  subject: subject.engine,
  message: reason.message,
  remedy: remedyFor(reason)
})

const remedyFor = (reason: DockerError["reason"]): string => {
  switch (reason._tag) {
    case "Unreachable":
      return "start Docker or Podman, or say where it is: dockerrun.host, DOCKER_HOST, or docker context use NAME"
    case "Unauthorized":
      return "check dockerrun.cacert, cert and key, or the credentials of whatever stands before the engine"
    case "BadRequest":
      return "correct what the message names: the address, the docker context, the TLS material, or the version of the engine"
    default:
      return "see the engine's own log"
  }
}

/**
 * The engine inside of this program can be used.
 *
 * @since 0.1.0
 * @category findings
 */
export const embedded: Finding = {
  verdict: "warn",
  subject: subject.engine,
  message: "embedded: containers are virtual, in the server's own process, and not isolated as real ones are",
  remedy: "for real containers set engine to docker, and start Docker or Podman"
}

/**
 * There is no engine, but the one inside of this program can take its place where nobody has named another.
 *
 * @since 0.1.0
 * @category findings
 */
export const embeddedInstead: Finding = {
  verdict: "ok",
  subject: subject.engine,
  message: "without one `dockerrun try` makes virtual containers, in its own process; so does engine: embedded"
}

const noAnswer: Finding = {
  verdict: "fail",
  subject: subject.engine,
  message: `something accepts connections there, and does not answer within ${deadline}`,
  remedy: "see the engine's own log; restart it"
}

const decodeReference = Schema.decodeResult(ImageReferenceFromString)

const megabytes = (bytes: number): string => `${(bytes / 1_000_000).toFixed(1)} MB`

/** What the policy makes of an image that is there, or is not. */
const judge = (name: string, policy: ImagePullPolicy, reference: ImageReference, found: Image | undefined): Finding => {
  const isPulled = isPullNeeded(policy, reference, found !== undefined)
  if (found === undefined) {
    return isPulled
      ? {
          verdict: "ok",
          subject: subject.image,
          message: `${name} is not on the engine; the next login pulls it (imagePullPolicy ${policy})`,
          remedy: `to spare that login the wait: docker pull ${name}`
        }
      : {
          verdict: "fail",
          subject: subject.image,
          message: `${name} is not on the engine, and nobody pulls it (imagePullPolicy ${policy})`,
          remedy: `run: docker pull ${name}; or set dockerrun.config.imagePullPolicy to IfNotPresent`
        }
  }
  const present = `${name} is on the engine (${megabytes(found.size)})`
  if (!isPulled) return { verdict: "ok", subject: subject.image, message: present }
  return policy === "Always"
    ? {
        verdict: "ok",
        subject: subject.image,
        message: `${present}; each login pulls it again (imagePullPolicy Always)`
      }
    : {
        verdict: "ok",
        subject: subject.image,
        message: `${present}; each login pulls it again, because its tag is latest, or missing (imagePullPolicy ${policy})`,
        remedy: "with another tag, or a digest, logins do not wait for the registry"
      }
}

const image = Effect.gen(function* () {
  const docker = yield* Docker
  const { config } = yield* DockerRunConfig
  const name = config.container.Image
  const reference = decodeReference(name)
  if (Result.isFailure(reference)) return invalidReference(name)
  return yield* docker.inspectImage(name).pipe(
    Effect.map((found) => judge(name, config.imagePullPolicy, reference.success, found)),
    Effect.catchReason("DockerError", "NotFound", () =>
      Effect.succeed(judge(name, config.imagePullPolicy, reference.success, undefined))
    ),
    Effect.catch(({ reason }) =>
      Effect.succeed<Finding>({
        verdict: "fail",
        subject: subject.image,
        message: `the engine does not say whether it has ${name}: ${reason.message}`,
        remedy: remedyFor(reason)
      })
    )
  )
})

const invalidReference = (name: string): Finding => ({
  verdict: "fail",
  subject: subject.image,
  message: `${name} is not a reference to an image`,
  remedy: "correct dockerrun.config.container.Image: name, name:tag, registry/name:tag or name@digest"
})

/**
 * Which engine answers, where its address is from, and whether it has the image. An engine that does not answer within
 * 10 seconds counts as one that does not work.
 *
 * @since 0.1.0
 * @category findings
 */
export const engine: Effect.Effect<ReadonlyArray<Finding>, never, Docker | DockerRunConfig> = Effect.gen(function* () {
  const docker = yield* Docker
  const info = yield* docker.info
  const found: Finding = {
    verdict: "ok",
    subject: subject.engine,
    message: `${info.address} (${info.origin}): version ${info.engineVersion}, API ${info.apiVersion}, ${info.os} containers`
  }
  return [found, yield* image]
}).pipe(
  Effect.catch((error) => Effect.succeed([unusableEngine(error)])),
  Effect.timeoutOrElse({ duration: deadline, orElse: () => Effect.succeed([noAnswer]) })
)
