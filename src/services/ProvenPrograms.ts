/**
 * Programs that have run: of any other only the engine can say why it does not run. What has run in one container of an
 * image is likely to be in the next one, where a waiting shell makes sure of it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"

/**
 * @since 0.1.0
 * @category models
 */
export interface Memory {
  /** The programs that have run in containers of the image, the latest one last. */
  readonly of: (image: string) => ReadonlySet<string>
  /** Keeps what may be of use later. A name without a path is nothing that is looked for at one place. */
  readonly add: (image: string, program: string) => void
}

/** Of so many programs of an image it is remembered that they can be run, and of so many images. */
const most = 32

/** A longer path is not among them. */
const longestPath = 200

const forgetOldest = (all: Map<string, unknown> | Set<string>) => {
  for (const oldest of all.keys()) {
    if (all.size <= most) return
    all.delete(oldest)
  }
}

const nothing: ReadonlySet<string> = new Set()

/**
 * @since 0.1.0
 * @category constructors
 */
export const make = (): Memory => {
  // In both the latest is the last.
  const images = new Map<string, Set<string>>()
  return {
    of: (image) => images.get(image) ?? nothing,
    add: (image, program) => {
      if (!program.includes("/") || program.length > longestPath) return
      const programs = images.get(image) ?? new Set<string>()
      programs.delete(program)
      programs.add(program)
      forgetOldest(programs)
      images.delete(image)
      images.set(image, programs)
      forgetOldest(images)
    }
  }
}

/**
 * The memory of an engine's connections, as a reference: `DockerRun` has one of its own.
 *
 * @since 0.1.0
 * @category references
 */
export const ProvenPrograms = Context.Reference<Memory>("dockerrun/services/ProvenPrograms", { defaultValue: make })
