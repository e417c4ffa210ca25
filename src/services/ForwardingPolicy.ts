/**
 * Who may have what forwarded: the configuration's modes and lists, and what the key of the login takes away.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as IpNetwork from "effect/net/IpNetwork"
import * as NetAddress from "effect/net/NetAddress"
import type { ForwardingRule, ForwardingSettings, SocketRule } from "../schema/ForwardingConfig.ts"
import type { Permissions } from "../schema/Permissions.ts"

/**
 * A port in the container's network: to connect to, or to listen on (then 0 asks for any that is free).
 *
 * @since 0.1.0
 * @category models
 */
export interface TcpTarget {
  readonly host: string
  readonly port: number
}

/**
 * What somebody wants.
 *
 * @since 0.1.0
 * @category models
 */
export type ForwardingRequest =
  | { readonly kind: "tcp"; readonly target: TcpTarget }
  | { readonly kind: "tcp-listen"; readonly target: TcpTarget }
  | { readonly kind: "socket"; readonly path: string }
  | { readonly kind: "socket-listen"; readonly path: string }
  | { readonly kind: "agent" }
  | { readonly kind: "x11" }

/**
 * @since 0.1.0
 * @category models
 */
export interface ForwardingUser {
  readonly username: string
  readonly permissions?: Permissions
}

/**
 * `host:port`, with an IPv6 address in brackets.
 *
 * @since 0.1.0
 * @category formatting
 */
export const formatTcp = ({ host, port }: TcpTarget): string => `${host.includes(":") ? `[${host}]` : host}:${port}`

/**
 * What was asked for, for the log.
 *
 * @since 0.1.0
 * @category formatting
 */
export const formatRequest = (request: ForwardingRequest): string => {
  if ("target" in request) return formatTcp(request.target)
  return "path" in request ? request.path : request.kind
}

const settingOf = { tcp: "forwarding", "tcp-listen": "reverseForwarding", agent: "agentForwarding" } as const
const socketSettingOf = { socket: "socketForwarding", "socket-listen": "socketListen" } as const

/**
 * Nothing when it may be done, and otherwise the setting that forbids it.
 *
 * @since 0.1.0
 * @category predicates
 */
export const forbids = (
  settings: ForwardingSettings,
  { permissions, username }: ForwardingUser,
  request: ForwardingRequest
): string | undefined => {
  const byKey = permissions === undefined ? undefined : forbidsByKey(permissions, request)
  if (byKey !== undefined) return byKey
  const byMode = (name: string, mode: "enable" | "filter" | "disable", isListed: () => boolean) => {
    if (mode === "disable") return `security.forwarding.${name}Mode: disable`
    return mode === "enable" || isListed() ? undefined : `security.forwarding.${name}Allow`
  }
  switch (request.kind) {
    case "tcp":
    case "tcp-listen": {
      const name = settingOf[request.kind]
      return byMode(name, settings[`${name}Mode`], () =>
        settings[`${name}Allow`].some((rule) => allowsTcp(rule, username, request.target))
      )
    }
    case "socket":
    case "socket-listen": {
      const name = socketSettingOf[request.kind]
      return byMode(name, settings[`${name}Mode`], () =>
        settings[`${name}Allow`].some((rule) => allowsPath(rule, username, request.path))
      )
    }
    case "agent":
      return byMode("agentForwarding", settings.agentForwardingMode, () =>
        matchesAny(settings.agentForwardingAllow, username)
      )
    case "x11":
      return "security.forwarding.x11ForwardingMode: disable"
  }
}

const allowsTcp = ({ hosts, ports, users }: ForwardingRule, username: string, { host, port }: TcpTarget): boolean =>
  (users.length === 0 || matchesAny(users, username)) &&
  (hosts.length === 0 || hosts.some((pattern) => matchesHost(pattern, host))) &&
  (ports.length === 0 || ports.some((range) => isInRange(range, port)))

const allowsPath = ({ paths, users }: SocketRule, username: string, path: string): boolean =>
  (users.length === 0 || matchesAny(users, username)) && (paths.length === 0 || matchesAny(paths, path))

const isInRange = (range: string, port: number): boolean => {
  const [first = 0, last = first] = range.split("-").map(Number)
  return first <= port && port <= last
}

const matchesAny = (patterns: ReadonlyArray<string>, text: string): boolean =>
  patterns.some((pattern) => matches(pattern, text))

/** In one pass: a pattern of many stars must not take long over a text from the network. */
const matches = (pattern: string, text: string): boolean => {
  let at = 0
  let star = -1
  let starText = 0
  let place = 0
  while (place < text.length) {
    if (pattern[at] === "*") {
      star = at
      at += 1
      starText = place
    } else if (pattern[at] === "?" || pattern[at] === text[place]) {
      at += 1
      place += 1
    } else if (star >= 0) {
      // The last star takes one character more.
      at = star + 1
      starText += 1
      place = starText
    } else {
      return false
    }
  }
  return /^\**$/u.test(pattern.slice(at))
}

/** Names are the same in upper and lower case, addresses in all the ways in which they can be written. */
const matchesHost = (pattern: string, host: string): boolean => {
  const address = NetAddress.ipFromString(host)
  const network = Result.isFailure(address) ? undefined : networkOf(pattern)
  return network !== undefined && Result.isSuccess(address)
    ? IpNetwork.contains(network, NetAddress.toCanonical(address.success))
    : matches(pattern.toLowerCase(), host.toLowerCase())
}

const networkOf = (pattern: string): IpNetwork.IpNetwork | undefined => {
  const network = IpNetwork.fromString(pattern)
  if (Result.isSuccess(network)) return network.success
  const address = NetAddress.ipFromString(pattern)
  return Result.isSuccess(address)
    ? IpNetwork.fromAddressUnsafe(address.success, NetAddress.width(address.success))
    : undefined
}

const forbidsByKey = (permissions: Permissions, request: ForwardingRequest): string | undefined => {
  if (request.kind === "agent") {
    return permissions.agentForwarding === false ? "no-agent-forwarding of the key" : undefined
  }
  if (request.kind === "x11") return undefined
  if (permissions.portForwarding === false) return "no-port-forwarding of the key"
  if (request.kind === "tcp" && permissions.permitOpen !== undefined) {
    return permitsKeyTarget(permissions.permitOpen, request.target) ? undefined : "permitopen of the key"
  }
  if (request.kind === "tcp-listen" && permissions.permitListen !== undefined) {
    return permitsKeyTarget(permissions.permitListen, request.target) ? undefined : "permitlisten of the key"
  }
  return undefined
}

/** As sshd does: the host is compared as it is written, and no host stands for every host. */
const permitsKeyTarget = (permitted: ReadonlyArray<string>, { host, port }: TcpTarget): boolean =>
  permitted.some((entry) => {
    const [, name = "*", number = ""] = /^(?:(.*):)?([^:]*)$/u.exec(entry) ?? []
    const plain = name.replace(/^\[(.*)\]$/u, "$1")
    return (plain === "*" || plain.toLowerCase() === host.toLowerCase()) && (number === "*" || Number(number) === port)
  })
