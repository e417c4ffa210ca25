/**
 * The part `security.forwarding` of the configuration: what clients may have forwarded, and where to. It has the modes of
 * ContainerSSH's part of that name, and lists of what a mode of `filter` allows.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { emptyIsUnset } from "./CanonicalKeys.ts"
import { withDefault } from "./ConfigKey.ts"
import { Strings } from "./EngineValue.ts"
import { PositiveGoDuration } from "./GoDuration.ts"

const mode = (description: string) =>
  withDefault(
    Schema.Literals(["enable", "filter", "disable"]).annotate({ [emptyIsUnset]: true }),
    "disable",
    description
  )

const users = withDefault(Strings, [], "Names of users, * and ? are wildcards. Empty: every user.")

const isPortRange = (text: string): boolean => {
  const [first = 0, last = first] = text.split("-").map(Number)
  return /^\d{1,5}(?:-\d{1,5})?$/u.test(text) && first >= 1 && first <= last && last <= 65_535
}

const PortRange = Schema.String.check(
  Schema.makeFilter(isPortRange, { message: "is not a port such as 443 or a range such as 8000-8999" })
)

/**
 * Targets that somebody may reach: all three conditions have to hold.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ForwardingRule = Schema.Struct({
  users,
  hosts: withDefault(
    Strings,
    [],
    "Hosts as the client names them, * and ? are wildcards, or networks such as 10.0.0.0/8. Empty: every host."
  ),
  ports: withDefault(Schema.Array(PortRange), [], "Ports or ranges of ports: 443, 8000-8999. Empty: every port.")
})

/**
 * @since 0.1.0
 * @category models
 */
export type ForwardingRule = typeof ForwardingRule.Type

/**
 * Unix sockets that somebody may use: both conditions have to hold.
 *
 * @since 0.1.0
 * @category schemas
 */
export const SocketRule = Schema.Struct({
  users,
  paths: withDefault(Strings, [], "Paths of Unix sockets in the container, * and ? are wildcards. Empty: every path.")
})

/**
 * @since 0.1.0
 * @category models
 */
export type SocketRule = typeof SocketRule.Type

const limit = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1, { message: "must be 1 or more" }))

const hasPlaceholders = (words: ReadonlyArray<string>): boolean =>
  words.length === 0 || ["{host}", "{port}"].every((name) => words.some((word) => word.includes(name)))

/**
 * The part `security.forwarding`. Nothing is forwarded unless its mode says so.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ForwardingSettings = Schema.Struct({
  forwardingMode: mode(
    "Connections that the client opens from inside of the container (-L, -D, -W, -J): enable (all), filter (what forwardingAllow lists) or disable."
  ),
  forwardingAllow: withDefault(Schema.Array(ForwardingRule), [], "What forwardingMode: filter allows."),
  reverseForwardingMode: mode(
    "Listening in the container's network for connections to the client (-R): enable, filter (reverseForwardingAllow) or disable."
  ),
  reverseForwardingAllow: withDefault(
    Schema.Array(ForwardingRule),
    [],
    "What reverseForwardingMode: filter allows; hosts and ports are those to listen on."
  ),
  socketForwardingMode: mode(
    "Connections that the client opens to Unix sockets in the container: enable, filter (socketForwardingAllow) or disable."
  ),
  socketForwardingAllow: withDefault(Schema.Array(SocketRule), [], "What socketForwardingMode: filter allows."),
  socketListenMode: mode(
    "Unix sockets in the container for connections to the client: enable, filter (socketListenAllow) or disable."
  ),
  socketListenAllow: withDefault(Schema.Array(SocketRule), [], "What socketListenMode: filter allows."),
  agentForwardingMode: mode(
    "Access to the client's SSH agent from inside of the container (-A): enable, filter (agentForwardingAllow) or disable."
  ),
  agentForwardingAllow: withDefault(
    Strings,
    [],
    "Names of users that agentForwardingMode: filter allows; with wildcards."
  ),
  x11ForwardingMode: withDefault(
    Schema.Literal("disable").annotate({ [emptyIsUnset]: true }),
    "disable",
    "X11 is not forwarded: disable is the only mode."
  ),
  command: withDefault(
    Strings.check(Schema.makeFilter(hasPlaceholders, { message: "must have {host} and {port} in its words" })),
    [],
    'Program in the container that connects its input and output to {host} and {port}, in words: ["nc", "{host}", "{port}"]. Empty: the best of perl, socat, nc and bash that the image has.'
  ),
  connectTimeout: withDefault(
    PositiveGoDuration,
    "30s",
    "How long the program may take to make a forwarded connection, once it runs."
  ),
  maxChannels: withDefault(limit, 128, "How many forwarded connections a connection may have open at once."),
  maxListeners: withDefault(limit, 16, "How many ports and sockets a connection may listen on at once.")
})

/**
 * @since 0.1.0
 * @category models
 */
export type ForwardingSettings = typeof ForwardingSettings.Type
