/**
 * Getting the image onto the engine.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { DockerError } from "../schema/DockerError.ts"
import type { ImageReference } from "../schema/ImageReference.ts"
import type { ImagePullPolicy } from "../schema/ImagePullPolicy.ts"
import type { Platform } from "../schema/Platform.ts"
import { Docker, type Image, type PullProgress } from "./Docker.ts"

/**
 * How far a pull has come, over all layers.
 *
 * @since 0.1.0
 * @category models
 */
export interface PullSummary {
  readonly layers: number
  readonly layersDone: number
  /** Bytes downloaded of the layers whose size is known so far, and those sizes together. */
  readonly current: number
  readonly total: number
}

/**
 * Whether the policy asks for a pull. `IfNotPresent` pulls what is missing, and what a registry may have changed: a
 * reference without a tag, or with `latest`.
 *
 * @since 0.1.0
 * @category policies
 */
export const isPullNeeded = (policy: ImagePullPolicy, reference: ImageReference, present: boolean): boolean => {
  switch (policy) {
    case "Always":
      return true
    case "Never":
      return false
    case "IfNotPresent":
      return !present || reference.isFloating
  }
}

interface Layer {
  readonly current: number
  readonly total: number
  readonly done: boolean
}

const finished = new Set(["Pull complete", "Already exists"])

/**
 * Folds the lines of a pull into a summary after each line.
 *
 * @since 0.1.0
 * @category progress
 */
export const summarize = <E, R>(lines: Stream.Stream<PullProgress, E, R>): Stream.Stream<PullSummary, E, R> =>
  lines.pipe(
    Stream.mapAccum(
      () => new Map<string, Layer>(),
      (layers, line) => {
        if (line.layer === undefined || line.status.startsWith("Pulling from")) return [layers, []] as const
        const before = layers.get(line.layer) ?? { current: 0, total: 0, done: false }
        const done = before.done || finished.has(line.status)
        const total = line.status === "Downloading" ? (line.total ?? before.total) : before.total
        const current = line.status === "Downloading" ? (line.current ?? before.current) : done ? total : before.current
        layers.set(line.layer, { current: Math.min(current, total), total, done })
        return [layers, [summary(layers)]] as const
      }
    )
  )

const summary = (layers: ReadonlyMap<string, Layer>): PullSummary => {
  let layersDone = 0
  let current = 0
  let total = 0
  for (const layer of layers.values()) {
    if (layer.done) layersDone += 1
    current += layer.current
    total += layer.total
  }
  return { layers: layers.size, layersDone, current, total }
}

/**
 * Asks the engine for the image; undefined when it does not have it.
 *
 * @since 0.1.0
 * @category operations
 */
export const find = Effect.fnUntraced(function* (
  image: string
): Effect.fn.Return<Image | undefined, DockerError, Docker> {
  const docker = yield* Docker
  return yield* docker.inspectImage(image).pipe(Effect.catchReason("DockerError", "NotFound", () => Effect.undefined))
})

/**
 * Pulls the image; `onProgress` is told how far it has come.
 *
 * @since 0.1.0
 * @category operations
 */
export const pull = Effect.fn("ImagePull.pull")(function* (
  image: string,
  platform: Option.Option<Platform>,
  onProgress: (summary: PullSummary) => Effect.Effect<void>
): Effect.fn.Return<void, DockerError, Docker> {
  const docker = yield* Docker
  const lines = docker.pullImage(image, Option.isSome(platform) ? { platform: platform.value } : {})
  yield* Stream.runForEach(summarize(lines), onProgress)
})
