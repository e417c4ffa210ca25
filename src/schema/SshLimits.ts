/**
 * The keys of the section `ssh` that say who may connect, how often, and for how long.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { withDefault } from "./ConfigKey.ts"
import { GoDuration, PositiveGoDuration } from "./GoDuration.ts"
import { MaxStartups } from "./MaxStartups.ts"
import { Network } from "./Network.ts"

const atLeast = (minimum: number) =>
  Schema.Int.check(Schema.isGreaterThanOrEqualTo(minimum)).annotate({
    message: `is not a whole number of ${minimum} or more`
  })

/**
 * The limits.
 *
 * @since 0.1.0
 * @category schemas
 */
export const sshLimits = {
  loginGraceTime: withDefault(
    PositiveGoDuration,
    "2m",
    "How long a client may take to log in, from the first moment of its connection."
  ),
  maxAuthTries: withDefault(
    atLeast(1),
    6,
    "How many failed attempts to log in end a connection. A key that is refused counts, also one that was only asked about."
  ),
  maxStartups: withDefault(
    MaxStartups,
    "10:30:100",
    "How many connections may be open that have not logged in, as OpenSSH's MaxStartups: from the first number on, new ones are refused with the probability of the second in percent, which grows until at the third all are. One number: all from there on."
  ),
  maxStartupsPerAddress: withDefault(
    atLeast(0),
    30,
    "How many of those may come from one address, or one /64 network of IPv6. 0: no limit."
  ),
  maxConnectionsPerAddress: withDefault(
    atLeast(0),
    0,
    "How many connections one address, or one /64 network of IPv6, may have that have logged in. 0: no limit."
  ),
  maxConnectionsPerUser: withDefault(
    atLeast(0),
    0,
    "How many connections, and so containers, one user may have. 0: no limit."
  ),
  maxSessions: withDefault(atLeast(1), 10, "How many session channels may be open on one connection at a time."),
  clientAliveInterval: withDefault(
    GoDuration,
    "30s",
    "How long after the last sign of life a client is asked for one. 0: clients are not asked."
  ),
  clientAliveCountMax: withDefault(
    atLeast(0),
    3,
    "How often a client is asked, each time after clientAliveInterval, before its connection is ended."
  ),
  idleTimeout: withDefault(
    GoDuration,
    "0s",
    "How long a connection may go on on which nothing is typed, sent or printed. 0: for ever."
  ),
  maxConnectionTime: withDefault(GoDuration, "0s", "How long a connection may last after its login. 0: for ever."),
  proxyProtocol: withDefault(
    Schema.Array(Network),
    [],
    "Networks of load balancers, whose connections must begin with a PROXY protocol header, version 1 or 2. The address in it is the client's; from anywhere else such a header is not read."
  ),
  allow: withDefault(Schema.Array(Network), [], "Networks from which clients may connect. Empty: from everywhere."),
  deny: withDefault(Schema.Array(Network), [], "Networks from which clients may not connect; wins over allow.")
} as const

const Limits = Schema.Struct(sshLimits)

/**
 * @since 0.1.0
 * @category models
 */
export type SshLimits = typeof Limits.Type
