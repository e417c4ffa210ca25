/**
 * The pattern list of the `from=` option (sshd(8), AUTHORIZED_KEYS FILE FORMAT; ssh_config(5), PATTERNS).
 *
 * A client is known by its address alone: no name is looked up, as with sshd's default `UseDNS no`. So a pattern that is
 * a host name matches nobody.
 */
import * as IpNetwork from "effect/net/IpNetwork"
import * as NetAddress from "effect/net/NetAddress"
import * as Result from "effect/Result"

/** Whether an address matches. */
export type AddressPattern = (address: string) => boolean

/** An IPv4 client of a socket that takes both families has an address such as `::ffff:192.0.2.1`. */
const parseAddress = (text: string): NetAddress.IpAddress | undefined => {
  const address = NetAddress.ipFromString(text.replace(/%.*$/u, ""))
  return Result.isSuccess(address) ? NetAddress.toCanonical(address.success) : undefined
}

const parseNetwork = (pattern: string): Result.Result<AddressPattern, string> => {
  const network = IpNetwork.fromString(pattern)
  if (Result.isFailure(network)) return Result.fail(`from= has a network that is not one: ${network.failure.message}`)
  return Result.succeed((address) => {
    const ip = parseAddress(address)
    return ip !== undefined && IpNetwork.contains(network.success, ip)
  })
}

/** `*` stands for any number of characters, `?` for one. Steps back to the last star only, so it is never exponential. */
const matchesWildcard = (pattern: string, text: string): boolean => {
  let p = 0
  let star = -1
  let resume = 0
  for (let t = 0; t < text.length;) {
    if (pattern[p] === "*") {
      star = p++
      resume = t
    } else if (pattern[p] === "?" || (p < pattern.length && pattern[p] === text[t])) {
      p++
      t++
    } else if (star >= 0) {
      p = star + 1
      t = ++resume
    } else {
      return false
    }
  }
  while (pattern[p] === "*") p++
  return p === pattern.length
}

const parseWildcard = (pattern: string): AddressPattern => {
  const exact = parseAddress(pattern)
  const written = exact === undefined ? pattern.toLowerCase() : NetAddress.formatIp(exact)
  return (address) => {
    const ip = parseAddress(address)
    return matchesWildcard(written, ip === undefined ? address.toLowerCase() : NetAddress.formatIp(ip))
  }
}

/** Parses `192.0.2.0/24,10.*,!10.0.0.1`: one must match, and none with `!` may. */
export const parse = (list: string): Result.Result<AddressPattern, string> => {
  const positive: Array<AddressPattern> = []
  const negative: Array<AddressPattern> = []
  for (const item of list.split(",").map((text) => text.trim())) {
    const negated = item.startsWith("!")
    const pattern = negated ? item.slice(1) : item
    if (pattern === "") return Result.fail("from= has an empty pattern")
    const matcher = pattern.includes("/") ? parseNetwork(pattern) : Result.succeed(parseWildcard(pattern))
    if (Result.isFailure(matcher)) return Result.fail(matcher.failure)
    ;(negated ? negative : positive).push(matcher.success)
  }
  return Result.succeed(
    (address) => positive.some((matches) => matches(address)) && !negative.some((matches) => matches(address))
  )
}
