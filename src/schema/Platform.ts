/**
 * The platform of an image, as the OCI image specification describes it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { optional } from "./ConfigKey.ts"

/**
 * OCI platform. The engine takes `os`, `architecture` and `variant` when it creates a container or pulls an image.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Platform = Schema.Struct({
  architecture: optional(Schema.String, "CPU architecture, as Go names it: amd64, arm64, …"),
  os: optional(Schema.String, "Operating system, as Go names it: linux, windows, …"),
  "os.version": optional(Schema.String, "Version of the operating system, for Windows: 10.0.14393.1066"),
  "os.features": optional(Schema.Array(Schema.String), "Features of the operating system that are needed: win32k"),
  variant: optional(Schema.String, "Variant of the CPU: v7, v8, …")
})

/**
 * @since 0.1.0
 * @category models
 */
export type Platform = typeof Platform.Type
