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
import { KnownImages } from "./KnownImages.ts"
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
  const isPullNeeded = ImagePull.isPullNeeded(config.imagePullPolicy, reference, present !== undefined)
  const known = yield* KnownImages
  known.keep(image, isPullNeeded ? undefined : present)
  if (!isPullNeeded) {
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

/**
 * Looks whether the configured image is still what it was when it was found. That it cannot be known now is no failure.
 *
 * @since 0.1.0
 * @category operations
 */
export const review: Effect.Effect<void, never, Docker | DockerRunConfig> = Effect.gen(function* () {
  const { config } = yield* DockerRunConfig
  const known = yield* KnownImages
  const image = config.container.Image
  known.keep(image, yield* ImagePull.find(image))
}).pipe(Effect.ignore)
