/**
 * The anonymous volumes of containers, and how they are known again.
 *
 * An engine removes them with their container, unless it is ended in between: then it knows no more whose they were. Only
 * labels say so, and only a volume that is asked for as a mount gets any. So those of the image, and of the
 * configuration, are asked for as mounts.
 *
 * @since 0.1.0
 */
import type { ContainerSpec, Image, VolumeSummary } from "./Docker.ts"

/** A path as engines compare them. */
const clean = (path: string): string => (path.length > 1 ? path.replace(/\/+$/u, "") : path)

/** What an engine would write in another way is left to it. */
const isPlain = (path: string): boolean => /^(?:\/[^/]+)+$/u.test(path) && !/\/\.{1,2}(?:\/|$)/u.test(path)

/** Where a short mount leads: `/source:/target:ro`, or `/target` alone. */
const targetOf = (bind: string): string => {
  const [source = "", target] = bind.split(":")
  return target ?? source
}

/**
 * The specification of a container, its anonymous volumes with these labels. Where the volumes of other containers are
 * taken over, which ones it has is not known before: then they get none.
 *
 * @since 0.1.0
 * @category constructors
 */
export const labelled = (
  spec: ContainerSpec,
  image: Image,
  labels: Readonly<Record<string, string>>
): ContainerSpec => {
  const { config, host } = spec
  if ((host.VolumesFrom ?? []).length > 0) return spec
  const paths = [...image.volumes, ...Object.keys(config.Volumes ?? {})].map(clean)
  const mounts = host.Mounts ?? []
  const taken = new Set(
    [
      ...mounts.map(({ Target = "" }) => Target),
      ...(host.Binds ?? []).map(targetOf),
      ...Object.keys(host.Tmpfs ?? {})
    ].map(clean)
  )
  const free = [...new Set(paths)].filter((path) => isPlain(path) && !taken.has(path))
  const own = mounts.map((mount) =>
    mount.Type === "volume" && !mount.Source
      ? { ...mount, VolumeOptions: { ...mount.VolumeOptions, Labels: { ...mount.VolumeOptions?.Labels, ...labels } } }
      : mount
  )
  const driver = host.VolumeDriver ? { DriverConfig: { Name: host.VolumeDriver } } : {}
  const others = free.map((path) => ({
    Type: "volume" as const,
    Target: path,
    VolumeOptions: { Labels: labels, ...driver }
  }))
  const all = [...own, ...others]
  return all.length === 0 ? spec : { ...spec, host: { ...host, Mounts: all } }
}

/**
 * Whether the engine has made up its name: what somebody has named is nobody else's to remove.
 *
 * @since 0.1.0
 * @category predicates
 */
export const isAnonymous = ({ name }: VolumeSummary): boolean => /^[0-9a-f]{64}$/u.test(name)
