/**
 * The anonymous volumes of containers: made with them and removed with them. What is in them is not simulated.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { Conflict, NotFound } from "../../schema/DockerError.ts"
import type { ContainerId } from "../../schema/Identifiers.ts"
import type { ContainerSpec, VolumeSummary } from "../../services/Docker.ts"
import type { SimulatedImage } from "./SimulatedImage.ts"

/**
 * @internal
 */
export interface Volumes {
  readonly make: (container: ContainerId, spec: ContainerSpec, image: SimulatedImage) => void
  /** Removes those of a container that is removed. */
  readonly removeOf: (container: ContainerId) => void
  readonly remove: (name: string) => Effect.Effect<void, NotFound | Conflict>
  readonly list: () => ReadonlyArray<VolumeSummary>
  /** Makes one of a container that nobody knows any more, and gives its name. */
  readonly leave: (labels: Readonly<Record<string, string>>) => string
}

/**
 * @internal
 */
export const make = (): Volumes => {
  const volumes = new Map<string, VolumeSummary & { readonly container?: ContainerId }>()
  let made = 0

  const add = (labels: Readonly<Record<string, string>>, container?: ContainerId): string => {
    made += 1
    const name = made.toString(16).padStart(64, "0")
    volumes.set(name, { name, labels, ...(container === undefined ? {} : { container }) })
    return name
  }

  return {
    make: (container, { config, host }, image) => {
      const mounts = host.Mounts ?? []
      const taken = new Set(mounts.map(({ Target }) => Target))
      for (const { Source, Type, VolumeOptions } of mounts) {
        if (Type === "volume" && !Source) add(VolumeOptions?.Labels ?? {}, container)
      }
      for (const path of new Set([...(image.volumes ?? []), ...Object.keys(config.Volumes ?? {})])) {
        if (!taken.has(path)) add({}, container)
      }
    },
    removeOf: (container) => {
      for (const volume of volumes.values()) if (volume.container === container) volumes.delete(volume.name)
    },
    remove: (name) =>
      Effect.gen(function* () {
        const volume = volumes.get(name)
        if (volume === undefined) return yield* new NotFound({ message: `get ${name}: no such volume` })
        if (volume.container !== undefined) {
          return yield* new Conflict({ message: `remove ${name}: volume is in use - [${volume.container}]` })
        }
        volumes.delete(name)
        return undefined
      }),
    list: () => [...volumes.values()].map(({ labels, name }) => ({ name, labels })),
    leave: (labels) => add(labels)
  }
}
