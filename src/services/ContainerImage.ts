/**
 * Making a container's image present, as the pull policy says.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { type ContainerError, ImageMissing, ImageReferenceInvalid } from "../schema/ContainerError.ts"
import { ImageReferenceFromString } from "../schema/ImageReference.ts"
import type { Acquisition } from "./Acquisition.ts"
import { Docker, type Image } from "./Docker.ts"
import { DockerRunConfig } from "./DockerRunConfig.ts"
import * as ImagePull from "./ImagePull.ts"
import { Logger } from "./Logger.ts"

const decodeReference = Schema.decodeEffect(ImageReferenceFromString)

/**
 * Pulls the configured image if the policy asks for it, and gives what is present then.
 *
 * @since 0.1.0
 * @category operations
 */
export const ensure = Effect.fnUntraced(function* ({
  during,
  fail,
  onStep
}: Acquisition): Effect.fn.Return<Image, ContainerError, Docker | DockerRunConfig | Logger> {
  const logger = yield* Logger
  const { config } = yield* DockerRunConfig
  const image = config.container.Image
  const reference = yield* decodeReference(image).pipe(
    Effect.mapError((cause) => fail(new ImageReferenceInvalid({ image }), cause))
  )
  const docker = yield* Docker
  const present = config.imagePullPolicy === "Always" ? undefined : yield* ImagePull.find(image).pipe(during("inspect"))
  if (!ImagePull.isPullNeeded(config.imagePullPolicy, reference, present !== undefined)) {
    if (present !== undefined) return present
    return yield* fail(new ImageMissing({ image }))
  }
  yield* logger.log({ level: "debug", code: "IMAGE_PULLING", message: `pulling ${image}` })
  const [duration] = yield* ImagePull.pull(image, Option.fromNullishOr(config.platform), (summary) =>
    onStep({ _tag: "Pulling", image, summary })
  ).pipe(during("pull"), Effect.timed)
  const pullMs = Math.round(Duration.toMillis(duration))
  yield* logger.log({ level: "info", code: "IMAGE_PULLED", message: `pulled ${image}`, fields: { image, pullMs } })
  return yield* docker.inspectImage(image).pipe(during("inspect"))
})
