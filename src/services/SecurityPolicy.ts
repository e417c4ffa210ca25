/**
 * What the section `security` says to a request.
 *
 * @since 0.1.0
 */
import type { PolicyMode, SecuritySettings } from "../schema/SecurityConfig.ts"

/**
 * The kinds of requests that have a policy.
 *
 * @since 0.1.0
 * @category models
 */
export type PolicyKind = "command" | "env" | "shell" | "signal" | "subsystem" | "tty"

interface Policy {
  readonly mode?: PolicyMode
  readonly allow?: ReadonlyArray<string>
  readonly deny?: ReadonlyArray<string>
}

/**
 * Whether a request is allowed. `name` is what the lists are about: the variable, the command line, the subsystem, the
 * signal.
 *
 * @since 0.1.0
 * @category guards
 */
export const isAllowed = (security: SecuritySettings, kind: PolicyKind, name = ""): boolean => {
  const { allow = [], deny = [], mode = security.defaultMode ?? "enable" }: Policy = security[kind]
  switch (mode) {
    case "enable":
      return !deny.includes(name)
    case "filter":
      return allow.includes(name)
    case "disable":
      return false
  }
}
