/**
 * Images that an engine had when it was last asked, and that the pull policy takes as they are. A container of one is
 * created without asking again: an engine that does not have it any more says so, and creates nothing.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type { Image } from "./Docker.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Memory {
  readonly of: (reference: string) => Image | undefined
  /** Keeps what the engine has said of a reference; undefined: that it has no such image, or that it has to be pulled. */
  readonly keep: (reference: string, image: Image | undefined) => void
}

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (): Memory => {
  const images = new Map<string, Image>()
  return {
    of: (reference) => images.get(reference),
    keep: (reference, image) => {
      // Volumes are asked for by path, also in a container of what the reference has come to mean in the meantime: there
      // they would be in the way. So those of an image that has any are looked up each time.
      if (image === undefined || image.volumes.length > 0) images.delete(reference)
      else images.set(reference, image)
    }
  }
}

/**
 * The memory of an engine's connections, as a reference: `DockerRun` has one of its own. Without one the engine is asked
 * each time.
 *
 * @since 0.1.0
 * @category references
 */
export const KnownImages = Context.Reference<Memory>("dockerrun/services/KnownImages", {
  defaultValue: () => ({ of: () => undefined, keep: () => {} })
})
