/**
 * When an image is pulled.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * `Always`: for each connection. `IfNotPresent`: when the image is missing, its reference has no tag, or the tag is
 * `latest`. `Never`: not at all, a missing image fails the connection.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ImagePullPolicy = Schema.Literals(["Always", "IfNotPresent", "Never"])

/**
 * @since 0.1.0
 * @category models
 */
export type ImagePullPolicy = typeof ImagePullPolicy.Type
