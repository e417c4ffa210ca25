/**
 * Pulls: what is asked of the engine, and the lines in which it reports its progress.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { BadRequest, DockerError } from "../../schema/DockerError.ts"
import type { Platform } from "../../schema/Platform.ts"
import type { PullProgress } from "../../services/Docker.ts"
import { PullLine } from "./EngineAnswers.ts"
import { decodeWith } from "./EngineClient.ts"
import * as ErrorClassification from "./ErrorClassification.ts"

/**
 * The platform in the notation of the Engine API, `os/architecture/variant`. Nothing when neither system nor
 * architecture is named.
 *
 * @internal
 */
export const platformText = (platform: Platform | undefined): string | undefined => {
  const { os, architecture, variant } = platform ?? {}
  if (!os && !architecture) return undefined
  if (!architecture) return os
  return [os || "linux", architecture, ...(variant ? [variant] : [])].join("/")
}

/** A reference as it can stand in a URL's path: what the engine would refuse anyway does not get there. */
const readable = /^[\w.:@/[\]-]+$/u

/**
 * Checks what would mean something else to the engine than an image: an empty reference is an import, dots climb out of
 * the path. Everything else is for the engine to judge.
 *
 * @internal
 */
export const checkReference = (operation: string, reference: string): Effect.Effect<string, DockerError> =>
  readable.test(reference) && reference.split("/").every((part) => part !== "" && part !== "." && part !== "..")
    ? Effect.succeed(reference)
    : Effect.fail(
        new DockerError({
          operation,
          reason: new BadRequest({ message: `invalid reference format: ${JSON.stringify(reference)}` })
        })
      )

/**
 * The query of a pull. Without a tag the engine would fetch every tag that there is, so it is `latest`.
 *
 * @internal
 */
export const query = (reference: string, platform: Platform | undefined) => {
  const wanted = platformText(platform)
  const colon = reference.indexOf(":", reference.lastIndexOf("/") + 1)
  const [image, tag] = reference.includes("@")
    ? [reference, ""]
    : colon === -1
      ? [reference, "latest"]
      : [reference.slice(0, colon), reference.slice(colon + 1)]
  return { fromImage: image, tag, ...(wanted === undefined ? {} : { platform: wanted }) }
}

const decodeLine = decodeWith(PullLine)

/**
 * One line of the engine's report. A line that bears an error fails.
 *
 * @internal
 */
export const fromLine = Effect.fnUntraced(function* (operation: string, line: string) {
  const report = yield* decodeLine(operation, line)
  const error = report.errorDetail?.message ?? report.error
  if (error !== undefined) {
    return yield* new DockerError({ operation, reason: ErrorClassification.fromPull(undefined, error) })
  }
  const { current, total } = report.progressDetail ?? {}
  const progress: PullProgress = {
    status: report.status ?? "",
    // The engine also puts the tag into the id of a line about the whole image.
    ...(report.id === undefined || report.status?.startsWith("Pulling from ") ? {} : { layer: report.id }),
    ...(current === undefined ? {} : { current }),
    ...(total === undefined ? {} : { total })
  }
  return progress
})
