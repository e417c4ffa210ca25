/**
 * The images that are on the engine, and pulls from registries.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import {
  BadRequest,
  type DockerError,
  type DockerErrorReason,
  NotFound,
  RegistryUnreachable,
  Unauthorized
} from "../../schema/DockerError.ts"
import type { Platform } from "../../schema/Platform.ts"
import type { Image, PullProgress } from "../../services/Docker.ts"
import type { PullRecord } from "../../services/InMemoryEngine.ts"
import type { BreakPoint } from "./Calls.ts"
import { byDigest, canonical, registryOf, type RegistryImage, type SimulatedImage } from "./SimulatedImage.ts"

/**
 * @internal
 */
export interface ImagesOptions {
  readonly local: Readonly<Record<string, SimulatedImage>>
  readonly registry: Readonly<Record<string, RegistryImage>>
  /** Registries (`registry.example.org:5000`, `docker.io`) that cannot be reached. */
  readonly registriesDown: ReadonlyArray<string>
}

/**
 * @internal
 */
export interface Images {
  readonly local: (reference: string) => SimulatedImage | undefined
  readonly inspect: (reference: string) => Effect.Effect<Image, DockerErrorReason>
  /** Opens a pull; its lines come as the download goes on. */
  readonly pull: (
    reference: string,
    platform: Platform | undefined,
    breakPoint: BreakPoint | undefined
  ) => Effect.Effect<Stream.Stream<PullProgress, DockerError>, DockerErrorReason>
  readonly references: () => ReadonlyArray<string>
  readonly pulls: () => ReadonlyArray<PullRecord>
}

type MutablePull = { -readonly [Key in keyof PullRecord]: PullRecord[Key] }

const defaultLayers = [{ id: "5f70bf18a086", size: 1_048_576 }]
const layersOf = (image: RegistryImage) => image.layers ?? defaultLayers
const sizeOf = (image: RegistryImage) => layersOf(image).reduce((sum, { size }) => sum + size, 0)
/** How many lines report the download of one layer. */
const downloadLines = 4

const table = <A>(record: Readonly<Record<string, A>>): Map<string, A> => {
  const images = new Map<string, A>()
  for (const [reference, image] of Object.entries(record)) {
    const name = canonical(reference)
    if (name !== undefined) images.set(name, image)
  }
  return images
}

/** Names images by their digests, too. */
const withDigests = <A extends SimulatedImage>(images: Map<string, A>): Map<string, A> => {
  for (const [reference, image] of images) {
    const name = image.digest === undefined ? undefined : byDigest(reference, image.digest)
    if (name !== undefined) images.set(name, image)
  }
  return images
}

const invalid = (reference: string) =>
  new BadRequest({ message: `invalid reference format: ${JSON.stringify(reference)}` })

/**
 * @internal
 */
export const make = (options: ImagesOptions): Images => {
  const local = withDigests(table<SimulatedImage>(options.local))
  const registry = withDigests(table<RegistryImage>(options.registry))
  const ids = new Map<SimulatedImage, string>()
  /** Of the images that were pulled. */
  const sizes = new Map<SimulatedImage, number>()
  const layersHere = new Set<string>()
  const pulls: Array<MutablePull> = []

  const idOf = (image: SimulatedImage): string => {
    const known = ids.get(image)
    if (known !== undefined) return known
    const id = `sha256:${(ids.size + 1).toString(16).padStart(12, "0").padEnd(64, "0")}`
    ids.set(image, id)
    return id
  }
  const find = (reference: string): SimulatedImage | undefined => {
    const name = canonical(reference)
    return (
      (name === undefined ? undefined : local.get(name)) ??
      [...local.values()].find((image) => ids.get(image) === reference)
    )
  }

  const resolve = (reference: string, platform: Platform | undefined): RegistryImage | DockerErrorReason => {
    const name = canonical(reference)
    const host = registryOf(reference)
    if (name === undefined || host === undefined) return invalid(reference)
    if (options.registriesDown.includes(host)) {
      return new RegistryUnreachable({
        message: `Get "https://${host}/v2/": dial tcp: connect: connection refused`
      })
    }
    const image = registry.get(name)
    if (image === undefined) return new NotFound({ message: `manifest for ${reference} not found: manifest unknown` })
    if (image.denied === true) {
      return new Unauthorized({ message: `pull access denied for ${reference}: unauthorized: authentication required` })
    }
    const wanted =
      platform?.architecture === undefined ? undefined : `${platform.os ?? "linux"}/${platform.architecture}`
    if (wanted !== undefined && wanted !== (image.platform ?? "linux/amd64")) {
      return new NotFound({ message: `no matching manifest for ${wanted} in the manifest list entries` })
    }
    return image
  }

  const download = (
    image: RegistryImage,
    layer: { readonly id: string; readonly size: number },
    record: MutablePull,
    breakPoint: BreakPoint | undefined
  ): Stream.Stream<PullProgress, DockerError> => {
    const all = sizeOf(image)
    const time = image.downloadTime === undefined ? 0 : Duration.toMillis(Duration.fromInputUnsafe(image.downloadTime))
    const pause = Duration.millis(all === 0 ? 0 : (time * layer.size) / all / downloadLines)
    const step = (number: number): Effect.Effect<PullProgress, DockerError> =>
      Effect.gen(function* () {
        if (!Duration.isZero(pause)) yield* Effect.sleep(pause)
        const current = Math.floor((layer.size * number) / downloadLines)
        record.downloaded += current - Math.floor((layer.size * (number - 1)) / downloadLines)
        if (breakPoint !== undefined && record.downloaded >= breakPoint.bytes) return yield* breakPoint.error
        return { status: "Downloading", layer: layer.id, current, total: layer.size }
      })
    const line = (status: string): PullProgress => ({ status, layer: layer.id })
    return Stream.make(line("Pulling fs layer")).pipe(
      Stream.concat(Stream.mapEffect(Stream.range(1, downloadLines), step)),
      Stream.concat(Stream.make(line("Verifying Checksum"), line("Download complete"))),
      Stream.concat(
        Stream.make(
          { status: "Extracting", layer: layer.id, current: layer.size, total: layer.size },
          line("Pull complete")
        )
      ),
      Stream.concat(Stream.fromEffectDrain(Effect.sync(() => layersHere.add(layer.id))))
    )
  }

  const pull: Images["pull"] = (reference, platform, breakPoint) =>
    Effect.suspend(() => {
      const record: MutablePull = { reference, outcome: "running", downloaded: 0 }
      pulls.push(record)
      const image = resolve(reference, platform)
      if ("_tag" in image) {
        record.outcome = "failed"
        return Effect.fail(image)
      }
      const name = canonical(reference) ?? reference
      let isStored = false
      const isNewer = local.get(name) !== image
      // An image that is there under any name is recognized before its layers are looked at.
      const missing = [...local.values()].includes(image) ? [] : layersOf(image)
      const layers = Stream.fromIterable(missing).pipe(
        Stream.flatMap((layer) =>
          layersHere.has(layer.id)
            ? Stream.make<[PullProgress]>({ status: "Already exists", layer: layer.id })
            : download(image, layer, record, breakPoint)
        )
      )
      const store = Effect.sync((): PullProgress => {
        local.set(name, image)
        sizes.set(image, sizeOf(image))
        withDigests(local)
        isStored = true
        return {
          status: `Status: ${isNewer ? "Downloaded newer image" : "Image is up to date"} for ${reference}`
        }
      })
      return Effect.succeed(
        Stream.make<[PullProgress]>({ status: `Pulling from ${name}` }).pipe(
          Stream.concat(layers),
          Stream.concat(Stream.fromEffect(store)),
          Stream.onExit((exit) =>
            Effect.sync(() => {
              record.outcome = isStored
                ? "succeeded"
                : exit._tag === "Failure" && exit.cause.reasons.some((reason) => reason._tag === "Fail")
                  ? "failed"
                  : "abandoned"
            })
          )
        )
      )
    })

  return {
    local: find,
    inspect: (reference) => {
      const image = find(reference)
      if (image === undefined) {
        return Effect.fail(
          canonical(reference) === undefined && !reference.startsWith("sha256:")
            ? invalid(reference)
            : new NotFound({ message: `No such image: ${reference}` })
        )
      }
      return Effect.succeed({
        id: idOf(image),
        tags: [...local].flatMap(([name, one]) => (one === image && !name.includes("@") ? [name] : [])),
        size: image.size ?? sizes.get(image) ?? 0,
        user: image.user ?? "",
        env: image.env ?? [],
        volumes: image.volumes ?? []
      })
    },
    pull,
    references: () => [...local.keys()],
    pulls: () => pulls.map((record) => ({ ...record }))
  }
}
