/**
 * Why a connection is not taken, or not kept.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The client's address is denied, or not among those that are allowed (`ssh.allow`, `ssh.deny`).
 *
 * @since 0.1.0
 * @category reasons
 */
export class AddressDenied extends Schema.TaggedError<AddressDenied>("dockerrun/AddressDenied")("AddressDenied", {}) {
  readonly code = "DOCKERRUN_ADDRESS_DENIED"
  override get message(): string {
    return "connections from this address are not taken"
  }
}

/**
 * Too many connections have not logged in (`ssh.maxStartups`).
 *
 * @since 0.1.0
 * @category reasons
 */
export class TooManyStartups extends Schema.TaggedError<TooManyStartups>("dockerrun/TooManyStartups")(
  "TooManyStartups",
  {}
) {
  readonly code = "DOCKERRUN_STARTUPS_EXCEEDED"
  override get message(): string {
    return "too many connections are about to log in; try again in a moment"
  }
}

/**
 * Too many connections of one address have not logged in (`ssh.maxStartupsPerAddress`).
 *
 * @since 0.1.0
 * @category reasons
 */
export class TooManyStartupsOfAddress extends Schema.TaggedError<TooManyStartupsOfAddress>(
  "dockerrun/TooManyStartupsOfAddress"
)("TooManyStartupsOfAddress", {}) {
  readonly code = "DOCKERRUN_ADDRESS_STARTUPS_EXCEEDED"
  override get message(): string {
    return "too many connections from this address are about to log in; try again in a moment"
  }
}

/**
 * One address has as many connections as it may (`ssh.maxConnectionsPerAddress`).
 *
 * @since 0.1.0
 * @category reasons
 */
export class TooManyConnectionsOfAddress extends Schema.TaggedError<TooManyConnectionsOfAddress>(
  "dockerrun/TooManyConnectionsOfAddress"
)("TooManyConnectionsOfAddress", { limit: Schema.Int }) {
  readonly code = "DOCKERRUN_ADDRESS_CONNECTIONS_EXCEEDED"
  override get message(): string {
    return `this address has ${this.limit} connections, as many as it may; close one first`
  }
}

/**
 * One user has as many connections as it may (`ssh.maxConnectionsPerUser`).
 *
 * @since 0.1.0
 * @category reasons
 */
export class TooManyConnectionsOfUser extends Schema.TaggedError<TooManyConnectionsOfUser>(
  "dockerrun/TooManyConnectionsOfUser"
)("TooManyConnectionsOfUser", { limit: Schema.Int }) {
  readonly code = "DOCKERRUN_USER_CONNECTIONS_EXCEEDED"
  override get message(): string {
    return `you have ${this.limit} connections, as many as you may; close one first`
  }
}

/**
 * A connection from a network of `ssh.proxyProtocol` did not begin with a header of that protocol.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ProxyHeaderMissing extends Schema.TaggedError<ProxyHeaderMissing>("dockerrun/ProxyHeaderMissing")(
  "ProxyHeaderMissing",
  {
    /** What came instead. */
    detail: Schema.String
  }
) {
  readonly code = "DOCKERRUN_PROXY_HEADER_MISSING"
  override get message(): string {
    return `connections from this address begin with a PROXY protocol header: ${this.detail}`
  }
}

/**
 * The client did not log in within `ssh.loginGraceTime`.
 *
 * @since 0.1.0
 * @category reasons
 */
export class LoginTimedOut extends Schema.TaggedError<LoginTimedOut>("dockerrun/LoginTimedOut")("LoginTimedOut", {
  seconds: Schema.Finite
}) {
  readonly code = "DOCKERRUN_LOGIN_TIMEOUT"
  override get message(): string {
    return `nobody logged in within ${this.seconds} s`
  }
}

/**
 * The client failed to log in as often as it may on one connection (`ssh.maxAuthTries`).
 *
 * @since 0.1.0
 * @category reasons
 */
export class TooManyAttempts extends Schema.TaggedError<TooManyAttempts>("dockerrun/TooManyAttempts")(
  "TooManyAttempts",
  { limit: Schema.Int }
) {
  readonly code = "DOCKERRUN_LOGIN_ATTEMPTS_EXCEEDED"
  override get message(): string {
    return "too many authentication failures"
  }
}

/**
 * The connection has as many session channels as it may (`ssh.maxSessions`). It goes on, without the new one.
 *
 * @since 0.1.0
 * @category reasons
 */
export class TooManySessions extends Schema.TaggedError<TooManySessions>("dockerrun/TooManySessions")(
  "TooManySessions",
  { limit: Schema.Int }
) {
  readonly code = "DOCKERRUN_SESSIONS_EXCEEDED"
  override get message(): string {
    return `this connection has ${this.limit} sessions, as many as it may; close one first`
  }
}

/**
 * The client did not answer (`ssh.clientAliveInterval`, `ssh.clientAliveCountMax`).
 *
 * @since 0.1.0
 * @category reasons
 */
export class ClientUnresponsive extends Schema.TaggedError<ClientUnresponsive>("dockerrun/ClientUnresponsive")(
  "ClientUnresponsive",
  {}
) {
  readonly code = "DOCKERRUN_CLIENT_UNRESPONSIVE"
  override get message(): string {
    return "the client does not answer any more"
  }
}

/**
 * Nothing happened on the connection for `ssh.idleTimeout`.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ConnectionIdle extends Schema.TaggedError<ConnectionIdle>("dockerrun/ConnectionIdle")("ConnectionIdle", {
  /** As Go writes it. */
  duration: Schema.String
}) {
  readonly code = "DOCKERRUN_CONNECTION_IDLE"
  override get message(): string {
    return `nothing happened on this connection for ${this.duration}`
  }
}

/**
 * The connection has lasted for `ssh.maxConnectionTime`.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ConnectionTimeReached extends Schema.TaggedError<ConnectionTimeReached>("dockerrun/ConnectionTimeReached")(
  "ConnectionTimeReached",
  {
    /** As Go writes it. */
    duration: Schema.String
  }
) {
  readonly code = "DOCKERRUN_CONNECTION_TIME_REACHED"
  override get message(): string {
    return `this connection has lasted for ${this.duration}, as long as it may`
  }
}

/**
 * The server has almost no file descriptors left; the rest is for the connections that it has.
 *
 * @since 0.1.0
 * @category reasons
 */
export class DescriptorsExhausted extends Schema.TaggedError<DescriptorsExhausted>("dockerrun/DescriptorsExhausted")(
  "DescriptorsExhausted",
  {}
) {
  readonly code = "DOCKERRUN_DESCRIPTORS_EXHAUSTED"
  override get message(): string {
    return "this server has as many connections as it can hold; try again later"
  }
}

/**
 * @since 0.1.0
 * @category reasons
 */
export const LimitErrorReason = Schema.Union([
  AddressDenied,
  TooManyStartups,
  TooManyStartupsOfAddress,
  TooManyConnectionsOfAddress,
  TooManyConnectionsOfUser,
  ProxyHeaderMissing,
  LoginTimedOut,
  TooManyAttempts,
  TooManySessions,
  ClientUnresponsive,
  ConnectionIdle,
  ConnectionTimeReached,
  DescriptorsExhausted
])

/**
 * @since 0.1.0
 * @category reasons
 */
export type LimitErrorReason = typeof LimitErrorReason.Type

/**
 * A limit of the server was reached: a connection is not taken, or ends, or a session of it is refused. The message may
 * be shown to the client.
 *
 * @since 0.1.0
 * @category errors
 */
export class LimitError extends Schema.TaggedError<LimitError>("dockerrun/LimitError")("LimitError", {
  reason: LimitErrorReason
}) {
  /** The stable code, such as `DOCKERRUN_STARTUPS_EXCEEDED`. */
  get code(): string {
    return this.reason.code
  }

  override get message(): string {
    return this.reason.message
  }
}
