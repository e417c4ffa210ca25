/**
 * The variables that a client sets for its program (RFC 4254, section 6.4).
 *
 * @since 0.1.0
 */
import { EnvLimitExceeded, EnvNotAccepted, type ProgramErrorReason, RequestForbidden } from "../schema/ProgramError.ts"
import type { SecuritySettings } from "../schema/SecurityConfig.ts"
import * as NamePattern from "./NamePattern.ts"
import * as SecurityPolicy from "./SecurityPolicy.ts"
import * as Signal from "./Signal.ts"

/**
 * How many variables a channel may set, as in OpenSSH.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxCount = 128

/**
 * How long all names and values together may be, in UTF-16 code units: what a system takes for a program's environment
 * and arguments is not much more.
 *
 * @since 0.1.0
 * @category constants
 */
export const maxSize = 65_536

/** What the server says of the connection is not the client's to say. */
const ownNames = new Set(["SSH_CLIENT", "SSH_CONNECTION", "SSH_ORIGINAL_COMMAND", "SSH_TTY", Signal.marker])

/**
 * The variables of one channel.
 *
 * @since 0.1.0
 * @category models
 */
export interface ClientEnvironment {
  /** Sets a variable, or says why that is refused. */
  readonly set: (name: string, value: string) => ProgramErrorReason | undefined
  readonly all: () => Readonly<Record<string, string>>
}

/**
 * No variables yet.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (options: {
  readonly security: SecuritySettings
  /** Default: every name. */
  readonly acceptEnv?: ReadonlyArray<string> | undefined
}): ClientEnvironment => {
  const values = new Map<string, string>()
  let size = 0

  const isAccepted = (name: string, value: string) =>
    /^[^=\0]+$/u.test(name) &&
    !value.includes("\0") &&
    !ownNames.has(name) &&
    (options.acceptEnv?.some((pattern) => NamePattern.matches(pattern, name)) ?? true)

  return {
    set: (name, value) => {
      if (!SecurityPolicy.isAllowed(options.security, "env", name)) return new RequestForbidden({ request: "env" })
      if (!isAccepted(name, value)) return new EnvNotAccepted({ name })
      const before = values.get(name)
      const nextSize = size + value.length - (before?.length ?? -name.length)
      if (before === undefined && values.size >= maxCount) return new EnvLimitExceeded({ limit: "count" })
      if (nextSize > maxSize) return new EnvLimitExceeded({ limit: "size" })
      values.set(name, value)
      size = nextSize
      return undefined
    },
    all: () => Object.fromEntries(values)
  }
}
