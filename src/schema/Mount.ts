/**
 * Mount: a volume, directory, image or tmpfs in a container (Engine API 1.41 to 1.47).
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { optional } from "./ConfigKey.ts"
import { StringMap, Strings } from "./EngineValue.ts"

const BindOptions = Schema.Struct({
  Propagation: optional(
    Schema.Literals(["", "private", "rprivate", "shared", "rshared", "slave", "rslave"]),
    "Propagation of mounts below this one."
  ),
  NonRecursive: optional(Schema.Boolean, "Leave out mounts below the source."),
  CreateMountpoint: optional(Schema.Boolean, "Make the source directory when it is missing (API 1.43)."),
  ReadOnlyNonRecursive: optional(Schema.Boolean, "Mounts below stay writable (API 1.44)."),
  ReadOnlyForceRecursive: optional(Schema.Boolean, "Fail when mounts below cannot be read-only (API 1.44).")
})

const VolumeOptions = Schema.Struct({
  NoCopy: optional(Schema.Boolean, "Do not fill a new volume with what the image has there."),
  Labels: optional(StringMap, "Labels of a new volume."),
  DriverConfig: optional(
    Schema.Struct({
      Name: optional(Schema.String, "Name of the volume driver."),
      Options: optional(StringMap, "Options of the volume driver.")
    }),
    "Driver of a new volume."
  ),
  Subpath: optional(Schema.String, "Path inside the volume, relative (API 1.45).")
})

const TmpfsOptions = Schema.Struct({
  SizeBytes: optional(Schema.Int, "Size in bytes."),
  Mode: optional(Schema.Int, "Permission bits, as an integer: 1777 octal is 1023."),
  Options: optional(Schema.Array(Strings), 'Mount options: [["noexec"], ["uid", "1000"]] (API 1.46).')
})

/**
 * A mount of a container.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Mount = Schema.Struct({
  Type: optional(Schema.Literals(["bind", "volume", "tmpfs", "npipe", "cluster", "image"]), "Kind of mount."),
  Source: optional(Schema.String, "What to mount: a path of the host, the name of a volume, an image."),
  Target: optional(Schema.String, "Path in the container."),
  ReadOnly: optional(Schema.Boolean, "Not writable in the container."),
  Consistency: optional(Schema.String, "default, consistent, cached or delegated."),
  BindOptions: optional(BindOptions, "For bind."),
  VolumeOptions: optional(VolumeOptions, "For volume."),
  TmpfsOptions: optional(TmpfsOptions, "For tmpfs."),
  ClusterOptions: optional(Schema.Record(Schema.String, Schema.Never), "For cluster: no options yet."),
  ImageOptions: optional(
    Schema.Struct({ Subpath: optional(Schema.String, "Path inside the image, relative.") }),
    "For image."
  )
})

/**
 * @since 0.1.0
 * @category models
 */
export type Mount = typeof Mount.Type
