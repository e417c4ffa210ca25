/**
 * One SSH connection: authentication, then the backend's connection, then any number of session channels. The Scope of
 * it all ends with the connection.
 */
import type { Socket } from "node:net"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import type { Connection as Ssh2Connection } from "ssh2"
import type { Identity } from "../../schema/AuthenticationResult.ts"
import { ChannelId } from "../../schema/Identifiers.ts"
import { ClientUnresponsive, LimitError, TooManySessions } from "../../schema/LimitError.ts"
import type { SshSettings } from "../../schema/SshConfig.ts"
import type { SshLimits } from "../../schema/SshLimits.ts"
import * as ConnectionTime from "../../services/ConnectionTime.ts"
import { type Connection, DockerRun } from "../../services/DockerRun.ts"
import * as Forwarding from "../../services/Forwarding.ts"
import { Logger } from "../../services/Logger.ts"
import { Shutdown } from "../../services/Shutdown.ts"
import type { Arrival } from "./Arrivals.ts"
import * as AgentForwarding from "./AgentForwarding.ts"
import * as Authentication from "./Authentication.ts"
import * as ChannelRefusal from "./ChannelRefusal.ts"
import * as Disconnect from "./Disconnect.ts"
import * as ForwardingRequests from "./ForwardingRequests.ts"
import * as KeepAlive from "./KeepAlive.ts"
import * as PtyModes from "./PtyModes.ts"
import * as SessionChannel from "./SessionChannel.ts"

/** What the programs that forward for a connection have in place of a session's number. */
const forwardingChannel = ChannelId.make(0)

/** How long a client whose container failed may take to open a channel and read why. */
const failureGraceTime = "2 seconds"

/** How long a client may take to close its side after it was disconnected. */
const closeGraceTime = "1 second"

export interface ServerConnectionOptions {
  readonly client: Ssh2Connection
  readonly arrival: Arrival
  readonly limits: SshLimits
  readonly settings: Pick<SshSettings, "acceptEnv" | "motd">
  /** Waits until the server shuts down; gives how long programs may still run. */
  readonly shutdown: Effect.Effect<Duration.Duration>
}

/** Nobody joins these fibers: a defect would end one of them without a word. */
const reportDefect = <R>(effect: Effect.Effect<void, never, R>): Effect.Effect<void, never, R> =>
  Effect.catchDefect(effect, (defect) => Effect.logError("a defect ended a part of the connection", defect))

/**
 * Serves a connection from the client's identification string to its last byte. It must be started in the step in which
 * ssh2 emits `connection`: requests for which nobody listens are lost.
 */
export const serve = Effect.fnUntraced(
  function* ({ arrival, client, limits, settings, shutdown }: ServerConnectionOptions) {
    const { connectionId, remoteAddress, remotePort, socket } = arrival
    const terminalModes = PtyModes.watch(client)
    yield* Effect.annotateLogsScoped({ connectionId, remoteAddress, remotePort })
    const logger = yield* Logger
    const dockerRun = yield* DockerRun
    const { hurry } = yield* Shutdown
    const { localAddress, localPort } = socket
    const server =
      localAddress === undefined || localPort === undefined
        ? {}
        : { server: { address: localAddress, port: localPort } }
    const startTime = yield* Clock.currentTimeMillis
    const closed = yield* Deferred.make<void>()
    // Closed, or as good as that: ssh2 reports an error for what it cannot go on with, a client that answers no keepalive
    // included, and then waits for the other side to close, which a client that is not there any more never does.
    const over = yield* Deferred.make<void>()
    const authenticated = yield* Deferred.make<void>()
    const backend = yield* Deferred.make<Connection>()
    const forwarding = yield* Deferred.make<Forwarding.Forwarding>()
    const forkOwned = yield* Effect.map(FiberSet.make<void, never>(), FiberSet.runtime).pipe(
      Effect.flatMap((makeFork) => makeFork<Logger>())
    )
    const fork = (effect: Effect.Effect<void, never, Logger>) => forkOwned(reportDefect(effect))
    let identity: Identity | undefined
    const presence = yield* ConnectionTime.makePresence
    const end = (error: LimitError, reason: number = Disconnect.reasons.byApplication) =>
      Effect.andThen(
        logger.log({ level: "info", code: error.code, message: error.message }),
        Effect.sync(() => Disconnect.disconnect(client, socket, reason, error.message))
      )
    const authenticate = yield* Authentication.make({
      remoteAddress,
      maxAuthTries: limits.maxAuthTries,
      onProven: (proven) => {
        identity = proven
        return arrival.place.login(proven.username)
      },
      end
    })
    let channels = 0
    let sessions = 0

    client.on("error", (cause) => {
      Deferred.doneUnsafe(over, Effect.void)
      fork(
        KeepAlive.isTimeout(cause)
          ? end(new LimitError({ reason: new ClientUnresponsive() }))
          : logger.log({ level: "debug", code: "CONNECTION_ERROR", message: cause.message })
      )
    })
    client.on("close", () => {
      Deferred.doneUnsafe(closed, Effect.void)
      Deferred.doneUnsafe(over, Effect.void)
    })
    client.on("authentication", (context) => {
      fork(authenticate(context))
    })
    client.on("ready", () => {
      arrival.loggedIn()
      Deferred.doneUnsafe(authenticated, Effect.void)
    })
    const forwards: ForwardingRequests.ForwardingRequestsOptions = {
      client,
      forwarding: Deferred.await(forwarding),
      touch: presence.touch,
      fork: (effect) => fork(Effect.annotateLogs(effect, { username: identity?.username }))
    }
    const listenForAgent = AgentForwarding.make(forwards, Deferred.await(backend))
    client.on("session", (accept, reject) => {
      if (sessions >= limits.maxSessions) {
        const error = new LimitError({ reason: new TooManySessions({ limit: limits.maxSessions }) })
        ChannelRefusal.refuse(client, reject, ChannelRefusal.reasons.resourceShortage, error.message)
        fork(logger.log({ level: "info", code: error.code, message: error.message }))
        return
      }
      const channelId = ChannelId.make(channels)
      channels += 1
      const session = Deferred.makeUnsafe<SessionChannel.Backend>()
      // A session is open until its client has closed it, and everything that it began has ended.
      let parts = 1
      sessions += 1
      const leave = () => {
        parts -= 1
        if (parts === 0) sessions -= 1
      }
      const own = (effect: Effect.Effect<void, never, Logger>) => {
        parts += 1
        fork(
          Effect.annotateLogs(effect, { channelId, username: identity?.username }).pipe(
            Effect.ensuring(Effect.sync(leave))
          )
        )
      }
      own(
        Deferred.await(backend).pipe(
          Effect.flatMap((connection) =>
            Effect.map(connection.session(channelId), (session) => ({ presence, session }))
          ),
          Deferred.into(session),
          Effect.asVoid
        )
      )
      const channel = accept()
      channel.once("close", leave)
      listenForAgent(channel)
      SessionChannel.listen(channel, Deferred.await(session), own, terminalModes)
    })
    ForwardingRequests.listen(forwards)
    yield* Effect.addFinalizer(() => disconnect(client, socket, Deferred.await(closed)))

    const isIn = yield* Effect.raceFirst(
      Effect.as(Deferred.await(authenticated), true),
      Effect.as(Effect.raceFirst(Deferred.await(over), shutdown), false)
    )
    if (!isIn || identity === undefined) {
      return yield* logger.log({
        level: "debug",
        code: "CONNECTION_CLOSED",
        message: "the connection ended without a login"
      })
    }

    const { certificate, fingerprint, method, permissions, username } = identity
    yield* Effect.annotateLogsScoped({ username })
    yield* logger.log({
      level: "info",
      code: "AUTHENTICATION_SUCCEEDED",
      message: `${username} logged in by ${method}`,
      fields: {
        method,
        ...(fingerprint === undefined ? {} : { fingerprint }),
        ...(certificate === undefined
          ? {}
          : { keyId: certificate.keyId, serial: certificate.serial, authority: certificate.authority })
      }
    })
    const connection = yield* dockerRun.connect({
      connectionId,
      username,
      address: remoteAddress,
      login: {
        port: remotePort,
        ...server,
        ...(identity.forcedCommand === undefined ? {} : { forcedCommand: identity.forcedCommand }),
        ...(identity.environment === undefined ? {} : { environment: identity.environment }),
        ...(permissions === undefined ? {} : { permissions }),
        ...(identity.container === undefined ? {} : { container: identity.container }),
        acceptEnv: settings.acceptEnv,
        motd: settings.motd
      }
    })
    yield* Deferred.succeed(backend, connection)
    yield* Deferred.into(
      Forwarding.make(identity, (command, output) => connection.run(forwardingChannel, command, output)),
      forwarding
    )

    // Without its container a connection is of no use; its channels have a moment to say so.
    const failed = Effect.exit(connection.container).pipe(
      Effect.flatMap((exit) => (Exit.isSuccess(exit) ? connection.ended : Effect.void)),
      Effect.tap(() => Effect.sleep(failureGraceTime))
    )
    yield* Effect.raceAllFirst([
      Deferred.await(over),
      failed,
      Effect.flatMap(ConnectionTime.untilOver(limits, presence), end),
      Effect.flatMap(shutdown, (gracePeriod) => {
        presence.tell("this server is shutting down")
        return Effect.raceFirst(connection.terminate(gracePeriod), hurry)
      })
    ])
    yield* logger.log({
      level: "info",
      code: "CONNECTION_CLOSED",
      message: `the connection of ${username} ended`,
      fields: { durationMs: (yield* Clock.currentTimeMillis) - startTime }
    })
  },
  Effect.scoped,
  reportDefect
)

/** Says goodbye, waits a moment for the other side, and lets go of the socket in any case. */
const disconnect = (client: Ssh2Connection, socket: Socket, closed: Effect.Effect<void>) =>
  Effect.sync(() => client.end()).pipe(
    Effect.andThen(closed),
    Effect.timeoutOption(closeGraceTime),
    Effect.andThen(Effect.sync(() => socket.destroy()))
  )
