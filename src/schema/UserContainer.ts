/**
 * What one user's programs have of their own in a container.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { optional } from "./ConfigKey.ts"

/**
 * What one user's programs have of their own in a container, whatever its configuration and its image say. The keys are
 * those of the Engine API.
 *
 * @since 0.1.0
 * @category schemas
 */
export const UserContainer = Schema.Struct({
  User: optional(
    Schema.String,
    "User of the container who runs this user's programs: name, uid, name:group or uid:gid."
  ),
  WorkingDir: optional(Schema.String, "Working directory of this user's programs."),
  Env: optional(
    Schema.Array(
      Schema.String.check(Schema.isPattern(/^[^=\0]+=[^\0]*$/u, { message: "is not a variable such as NAME=value" }))
    ),
    "Variables of this user's programs: NAME=value."
  )
})

/**
 * @since 0.1.0
 * @category models
 */
export type UserContainer = typeof UserContainer.Type
