/**
 * What a certificate of a trusted authority is good for, here and now.
 *
 * @since 0.1.0
 */
import * as IpNetwork from "effect/net/IpNetwork"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"
import type { Permissions } from "../schema/Permissions.ts"
import type { Certificate } from "./Certificate.ts"
import { decodeText, readStrings } from "./SshWire.ts"

/**
 * Who comes with the certificate.
 *
 * @since 0.1.0
 * @category models
 */
export interface Bearer {
  /** Names of which the certificate must have one. */
  readonly principals: ReadonlyArray<string>
  readonly remoteAddress: string
  /** Milliseconds since the Unix epoch. */
  readonly now: number
}

/**
 * What the bearer may do.
 *
 * @since 0.1.0
 * @category models
 */
export interface Grant {
  readonly forcedCommand?: string
  readonly permissions: Permissions
}

/** The one string that the value of an option holds. */
const textOf = (value: Uint8Array): string | undefined => {
  const [text, ...rest] = readStrings(value) ?? []
  return text === undefined || rest.length > 0 ? undefined : decodeText(text)
}

/** Addresses and networks, separated by commas; undefined if one is neither. */
const isFrom = (list: string, remoteAddress: string): boolean | undefined => {
  const parsed = NetAddress.ipFromString(remoteAddress.replace(/%.*$/u, ""))
  // An IPv4 client of a socket that takes both families has an address such as ::ffff:192.0.2.1.
  const address = Result.isSuccess(parsed) ? NetAddress.toCanonical(parsed.success) : undefined
  const networks = list.split(",").map((item) => {
    const text = item.trim()
    return IpNetwork.fromString(text.includes("/") ? text : `${text}/${text.includes(":") ? 128 : 32}`)
  })
  const valid = networks.flatMap((network) => (Result.isSuccess(network) ? [network.success] : []))
  if (valid.length < networks.length) return undefined
  return address !== undefined && valid.some((network) => IpNetwork.contains(network, address))
}

const day = (seconds: bigint): string =>
  seconds > 8_640_000_000_000n ? "for ever" : new Date(Number(seconds) * 1000).toISOString()

/** The options that bind the bearer, if all of them are known: one that is not may take away anything. */
const readCritical = (
  { criticalOptions }: Certificate,
  { remoteAddress }: Bearer
): Result.Result<{ readonly forcedCommand?: string }, string> => {
  let forcedCommand: string | undefined
  for (const [name, value] of criticalOptions) {
    const text = textOf(value)
    if (name !== "force-command" && name !== "source-address") {
      const shown = name.length <= 64 ? JSON.stringify(name) : "of a long name"
      return Result.fail(`the critical option ${shown} is not known to this server`)
    }
    if (text === undefined || text === "") return Result.fail(`the critical option ${name} is damaged`)
    if (name === "force-command") {
      forcedCommand = text
      continue
    }
    const from = isFrom(text, remoteAddress)
    if (from === undefined) return Result.fail("the critical option source-address is not a list of networks")
    if (!from) return Result.fail("the certificate is not good from this address")
  }
  return Result.succeed(forcedCommand === undefined ? {} : { forcedCommand })
}

/**
 * What the certificate is good for, or why for nothing. That a trusted authority has signed it is taken for granted.
 *
 * @since 0.1.0
 * @category decisions
 */
export const judge = (certificate: Certificate, bearer: Bearer): Result.Result<Grant, string> => {
  const { extensions, kind, principals, validAfter, validBefore } = certificate
  const now = BigInt(Math.floor(bearer.now / 1000))
  if (kind !== "user") return Result.fail("the certificate is not one for users")
  if (now < validAfter) return Result.fail(`the certificate is not valid before ${day(validAfter)}`)
  if (now >= validBefore) return Result.fail(`the certificate has expired on ${day(validBefore)}`)
  // Without principals it would be good for everybody.
  if (principals.length === 0) return Result.fail("the certificate names no principals")
  if (!principals.some((name) => bearer.principals.includes(name))) {
    return Result.fail("the certificate names none of the user's principals")
  }
  return Result.map(readCritical(certificate, bearer), (critical) => ({
    ...critical,
    permissions: {
      pty: extensions.has("permit-pty"),
      portForwarding: extensions.has("permit-port-forwarding"),
      agentForwarding: extensions.has("permit-agent-forwarding")
    }
  }))
}
