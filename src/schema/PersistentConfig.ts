/**
 * The section `dockerrun.config.persistent`: containers that stay when their connections end.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { withDefault } from "./ConfigKey.ts"
import { GoDuration } from "./GoDuration.ts"

const placeholder = "{username}"

/**
 * The section `dockerrun.config.persistent`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const PersistentConfig = Schema.Struct({
  name: withDefault(
    Schema.String.check(
      // The first character is the template's own: no username may decide what kind of name it is.
      Schema.isPattern(/^[a-zA-Z0-9][a-zA-Z0-9_.-]*\{username\}[a-zA-Z0-9_.-]*$/u, {
        message: `is not a name with ${placeholder} in it, such as dev-${placeholder}: letters, digits, _, . and -, the first a letter or digit, and ${placeholder} once`
      })
    ),
    `dockerrun-${placeholder}`,
    "Name of a user's container; {username} stands for the user. Servers with the same name share the containers."
  ),
  idleTimeout: withDefault(
    GoDuration,
    "30m",
    "How long a container runs on that nobody uses; then it is stopped. 0: it is never stopped."
  ),
  maxAge: withDefault(
    GoDuration,
    "0s",
    "How old a container may become: one that is older is removed when it is stopped, or, if it never is, when nobody uses it. 0: it is never removed."
  )
})

/**
 * @since 0.1.0
 * @category models
 */
export type PersistentConfig = typeof PersistentConfig.Type

/**
 * The name of a user's container. Two users never have one name: whatever is not a letter, a digit, `.` or `-` is
 * written byte by byte as `_` and two hexadecimal digits.
 *
 * @since 0.1.0
 * @category names
 */
export const nameOf = (template: string, username: string): string => {
  const [before = "", after = ""] = template.split(placeholder)
  const safe = Array.from(new TextEncoder().encode(username), (byte) => {
    const character = String.fromCharCode(byte)
    return /[a-zA-Z0-9.-]/u.test(character) ? character : `_${byte.toString(16).padStart(2, "0")}`
  })
  return `${before}${safe.join("")}${after}`
}
