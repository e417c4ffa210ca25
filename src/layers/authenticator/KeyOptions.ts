/**
 * The options field of a line of an authorized_keys file (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
 *
 * An option takes something away from whoever has the key. One that is not honoured would give it back, unnoticed; so
 * each option is either honoured, or forbids what this server never does, or makes the key unusable.
 */
import * as Result from "effect/Result"
import type { Permissions } from "../../schema/Permissions.ts"
import * as AddressPattern from "./AddressPattern.ts"

/** The conditions under which a key is good. */
export interface KeyOptions {
  readonly from?: AddressPattern.AddressPattern
  /** Milliseconds since the Unix epoch from which on the key is no longer good. */
  readonly expiresAt?: number
  /** What whoever logs in with the key may not do. */
  readonly permissions?: Permissions
}

/**
 * Options that allow or forbid what this server never does for anybody: X11, tunnels, an rc file, a touch of a security
 * key. Whoever adds one of these to the server has to take its options out of this list.
 */
const withoutEffect = new Set([
  "no-touch-required",
  "no-user-rc",
  "no-x11-forwarding",
  "tunnel",
  "user-rc",
  "x11-forwarding"
])

const refused: Readonly<Record<string, string>> = {
  "cert-authority": "an authority is trusted by auth.trustedUserCAKeys",
  command: "this server cannot bind a key to a command",
  environment: "this server cannot bind a key to environment variables",
  "no-pty": "this server cannot deny a terminal to a key",
  principals: "principals are named in authorizedPrincipals of the user",
  "verify-required": "keys on security keys (FIDO) are not supported by this server"
}

/** One option of the list: its name in lower case, and its value, if it has one, without the quotes. */
interface Option {
  readonly name: string
  readonly value?: string
}

/** Where the options field that begins the line ends: at the first blank that is not within quotes. */
export const fieldEnd = (line: string): number => {
  let quoted = false
  for (let i = 0; i < line.length; i++) {
    const char = line[i]
    if (char === "\\" && line[i + 1] === '"') i++
    else if (char === '"') quoted = !quoted
    else if (!quoted && (char === " " || char === "\t")) return i
  }
  return line.length
}

const oneOption = /([a-zA-Z0-9-]+)(?:=("(?:\\"|\\(?!")|[^"\\])*"))?(,|$)/uy

const split = (field: string): Result.Result<ReadonlyArray<Option>, string> => {
  const options: Array<Option> = []
  oneOption.lastIndex = 0
  for (;;) {
    const match = oneOption.exec(field)
    if (match === null) return Result.fail('the options are not a list of NAME or NAME="VALUE", separated by commas')
    const [, name = "", value, separator] = match
    options.push({
      name: name.toLowerCase(),
      ...(value === undefined ? {} : { value: value.slice(1, -1).replaceAll('\\"', '"') })
    })
    if (separator !== ",") return Result.succeed(options)
  }
}

const timeFormat = /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(Z)?$/iu

/** `YYYYMMDD[Z]` or `YYYYMMDDHHMM[SS][Z]`; without Z in the time zone of this system. */
const parseExpiry = (text: string): number | undefined => {
  const match = timeFormat.exec(text)
  if (match === null) return undefined
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map((part) => Number(part ?? 0))
  const asUtc = Date.UTC(year, month - 1, day, hour, minute, second)
  // Date turns the 31st of April into the 1st of May; only a date that comes back as it went in exists.
  const written = [year, month, day, hour, minute, second].map((part) => String(part).padStart(2, "0"))
  if (new Date(asUtc).toISOString().slice(0, 19).replaceAll(/[-T:]/gu, "") !== written.join("")) return undefined
  return match[7] === undefined ? new Date(year, month - 1, day, hour, minute, second).getTime() : asUtc
}

/** A word of the file that may be shown: long ones could be pieces of a key in the wrong place. */
const shown = (name: string): string => (name.length <= 32 ? `the option "${name}"` : "an option")

/** `host:port`, or a port alone; either may be `*`. */
const target = /^(?:.*:)?(?:\*|\d{1,5})$/u

/** Parses the options field, or says why the key must not be used. */
export const parse = (field: string): Result.Result<KeyOptions, string> => {
  const options = split(field)
  if (Result.isFailure(options)) return Result.fail(options.failure)
  let from: AddressPattern.AddressPattern | undefined
  let expiresAt: number | undefined
  let terminal = true
  let permissions: Permissions | undefined
  for (const { name, value } of options.success) {
    if (name === "from") {
      if (value === undefined) return Result.fail('from= needs a list of patterns in quotes: from="192.0.2.0/24"')
      if (from !== undefined) return Result.fail("from= stands there twice")
      const pattern = AddressPattern.parse(value)
      if (Result.isFailure(pattern)) return Result.fail(pattern.failure)
      from = pattern.success
    } else if (name === "expiry-time") {
      const time = value === undefined ? undefined : parseExpiry(value)
      if (time === undefined)
        return Result.fail('expiry-time= needs a time in quotes: "YYYYMMDD[Z]" or "YYYYMMDDHHMM[SS][Z]"')
      expiresAt = Math.min(time, expiresAt ?? time)
    } else if (name === "restrict") {
      terminal = false
      permissions = { ...permissions, portForwarding: false, agentForwarding: false }
    } else if (name === "port-forwarding" || name === "no-port-forwarding") {
      permissions = { ...permissions, portForwarding: name === "port-forwarding" }
    } else if (name === "agent-forwarding" || name === "no-agent-forwarding") {
      permissions = { ...permissions, agentForwarding: name === "agent-forwarding" }
    } else if (name === "permitopen" || name === "permitlisten") {
      if (value === undefined || !target.test(value))
        return Result.fail(`${name}= needs a target in quotes: "host:port"`)
      permissions =
        name === "permitopen"
          ? { ...permissions, permitOpen: [...(permissions?.permitOpen ?? []), value] }
          : { ...permissions, permitListen: [...(permissions?.permitListen ?? []), value] }
    } else if (name === "pty") {
      terminal = true
    } else if (!withoutEffect.has(name)) {
      const reason = Object.hasOwn(refused, name) ? refused[name] : undefined
      return Result.fail(`${shown(name)} is not honoured: ${reason ?? "it is not known to this server"}`)
    }
  }
  if (!terminal) {
    return Result.fail(
      'the option "restrict" is not honoured: this server cannot deny a terminal to a key; write restrict,pty'
    )
  }
  return Result.succeed({
    ...(from === undefined ? {} : { from }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(permissions === undefined ? {} : { permissions })
  })
}
