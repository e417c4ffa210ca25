/**
 * The options field of a line of an authorized_keys file (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
 *
 * An option takes something away from whoever has the key. One that is not honoured would give it back, unnoticed; so
 * each option is either honoured, or forbids what this server never does, or makes the key unusable.
 */
import * as Result from "effect/Result"
import type { Permissions } from "../../schema/Permissions.ts"
import * as AddressPattern from "./AddressPattern.ts"

/** What a key binds whoever logs in with it to. */
export interface Binding {
  /** What may not be done. */
  readonly permissions?: Permissions
  /** What runs instead of whatever is asked for. */
  readonly forcedCommand?: string
  /** Variables that programs get, whatever the client says of them. */
  readonly environment?: Readonly<Record<string, string>>
}

/** The conditions under which a key is good, and what it binds to. */
export interface KeyOptions extends Binding {
  readonly from?: AddressPattern.AddressPattern
  /** Milliseconds since the Unix epoch from which on the key is no longer good. */
  readonly expiresAt?: number
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

/** `host:port`; the port may be `*`, and so may the host. */
const openTarget = /^.+:(?:\*|\d{1,5})$/u

/** The same, or a port alone. */
const listenTarget = /^(?:.*:)?(?:\*|\d{1,5})$/u

/** What each option that allows or forbids changes. */
const flags: Readonly<Record<string, Permissions>> = {
  restrict: { pty: false, portForwarding: false, agentForwarding: false },
  pty: { pty: true },
  "no-pty": { pty: false },
  "port-forwarding": { portForwarding: true },
  "no-port-forwarding": { portForwarding: false },
  "agent-forwarding": { agentForwarding: true },
  "no-agent-forwarding": { agentForwarding: false }
}

/** As sshd takes it. */
const assignment = /^(\w+)=([^\0]*)$/u

/** The options that are read one after the other: of those that contradict each other the last one counts. */
const add = (so: KeyOptions, { name, value }: Option): Result.Result<KeyOptions, string> => {
  if (Object.hasOwn(flags, name)) {
    if (value !== undefined) return Result.fail(`${name} has no value`)
    return Result.succeed({ ...so, permissions: { ...so.permissions, ...flags[name] } })
  }
  switch (name) {
    case "from": {
      if (value === undefined) return Result.fail('from= needs a list of patterns in quotes: from="192.0.2.0/24"')
      if (so.from !== undefined) return Result.fail("from= stands there twice")
      return Result.map(AddressPattern.parse(value), (from) => ({ ...so, from }))
    }
    case "expiry-time": {
      const time = value === undefined ? undefined : parseExpiry(value)
      return time === undefined
        ? Result.fail('expiry-time= needs a time in quotes: "YYYYMMDD[Z]" or "YYYYMMDDHHMM[SS][Z]"')
        : Result.succeed({ ...so, expiresAt: Math.min(time, so.expiresAt ?? time) })
    }
    case "command": {
      if (value === undefined || value.includes("\0")) return Result.fail("command= needs a command line in quotes")
      // Nobody could say which of the two was meant to bind the key.
      if (so.forcedCommand !== undefined) return Result.fail("command= stands there twice")
      return Result.succeed({ ...so, forcedCommand: value })
    }
    case "environment": {
      const [, variable, content] = assignment.exec(value ?? "") ?? []
      if (variable === undefined || content === undefined) {
        return Result.fail('environment= needs a variable in quotes: environment="NAME=value"')
      }
      // As with sshd, the first one of a name.
      return Result.succeed({ ...so, environment: { [variable]: content, ...so.environment } })
    }
    case "permitopen":
      if (value === undefined || !openTarget.test(value)) {
        return Result.fail('permitopen= needs a target in quotes: "host:port"')
      }
      return Result.succeed({
        ...so,
        permissions: { ...so.permissions, permitOpen: [...(so.permissions?.permitOpen ?? []), value] }
      })
    case "permitlisten":
      if (value === undefined || !listenTarget.test(value)) {
        return Result.fail('permitlisten= needs a target in quotes: "port" or "host:port"')
      }
      return Result.succeed({
        ...so,
        permissions: { ...so.permissions, permitListen: [...(so.permissions?.permitListen ?? []), value] }
      })
    default: {
      if (withoutEffect.has(name)) return Result.succeed(so)
      const reason = Object.hasOwn(refused, name) ? refused[name] : undefined
      return Result.fail(`${shown(name)} is not honoured: ${reason ?? "it is not known to this server"}`)
    }
  }
}

/** Parses the options field, or says why the key must not be used. */
export const parse = (field: string): Result.Result<KeyOptions, string> =>
  Result.flatMap(split(field), (options) =>
    options.reduce<Result.Result<KeyOptions, string>>(
      (parsed, option) => Result.flatMap(parsed, (so) => add(so, option)),
      Result.succeed({})
    )
  )
