/**
 * What happens to a socket between `accept` and SSH: it takes its place or is turned away, its load balancer says who it
 * is, and its time to log in begins.
 */
import { randomBytes } from "node:crypto"
import type { Socket } from "node:net"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { ConnectionId } from "../../schema/Identifiers.ts"
import {
  DescriptorsExhausted,
  LimitError,
  type LimitErrorReason,
  LoginTimedOut,
  ProxyHeaderMissing
} from "../../schema/LimitError.ts"
import { isIn, parseAddress } from "../../schema/Network.ts"
import type { SshLimits } from "../../schema/SshLimits.ts"
import { Admission, type Place } from "../../services/Admission.ts"
import { Logger } from "../../services/Logger.ts"
import * as FileDescriptors from "./FileDescriptors.ts"
import * as ProxyProtocol from "./ProxyProtocol.ts"

/** A connection that may begin. */
export interface Arrival {
  readonly connectionId: ConnectionId
  readonly socket: Socket
  /** Of the client, which is not that of the socket behind a load balancer. */
  readonly remoteAddress: string
  readonly remotePort: number
  readonly place: Place
  /** The client has logged in: it has no need to hurry any more. */
  readonly loggedIn: () => void
}

export interface Arrivals {
  /** Takes on a socket that was just accepted. */
  readonly receive: (socket: Socket) => void
  /** Tells the operator that no connection could be accepted. */
  readonly shortage: () => void
  /** Lets go of every socket. */
  readonly destroy: () => void
}

/** How long a load balancer may take for its header. */
const headerGraceTime = Duration.seconds(10)

/** A shortage is told once, and again when it lasts or comes back, in milliseconds. */
const shortageInterval = 60_000

/** Turns sockets into arrivals, for as long as the Scope is open. */
export const make = Effect.fnUntraced(function* (limits: SshLimits, arrive: (arrival: Arrival) => void) {
  const logger = yield* Logger
  const clock = yield* Clock.Clock
  const gate = yield* (yield* Admission)(limits)
  const fork = yield* FiberSet.runtime(yield* FiberSet.make<void, never>())<never>()
  const isLast = FileDescriptors.makeIsLast()
  const sockets = new Set<Socket>()
  let shortageLogged = -Infinity

  const log = (error: LimitError, level: "info" | "warning" = "info") =>
    logger.log({ level, code: error.code, message: `connection refused: ${error.message}` })

  const shortage = () => {
    const now = clock.currentTimeMillisUnsafe()
    if (now - shortageLogged < shortageInterval) return
    shortageLogged = now
    fork(log(new LimitError({ reason: new DescriptorsExhausted() }), "warning"))
  }

  /** The line comes before SSH (RFC 4253, section 4.2), and is what `ssh -v` shows. */
  const turnAway = (socket: Socket, message: string) => {
    socket.write(`${message}\r\n`)
    socket.destroySoon()
  }

  const receive = (socket: Socket) => {
    const { remoteAddress: peerAddress, remotePort: peerPort } = socket
    // It has gone again already.
    if (socket.destroyed || peerAddress === undefined || peerPort === undefined) {
      socket.destroy()
      return
    }
    if (isLast(socket)) {
      shortage()
      turnAway(socket, new DescriptorsExhausted().message)
      return
    }
    const connectionId = ConnectionId.make(randomBytes(16).toString("hex"))
    let client: ProxyProtocol.ProxySource = { address: peerAddress, port: peerPort }
    const logIn = (error: LimitError) =>
      Effect.annotateLogs(log(error), { connectionId, remoteAddress: client.address, remotePort: client.port })
    const refuse = (error: LimitError) => {
      fork(logIn(error))
      turnAway(socket, error.message)
    }

    const entered = gate.enter()
    if (Result.isFailure(entered)) {
      refuse(entered.failure)
      return
    }
    const place = entered.success
    const within = (duration: Duration.Duration, reason: LimitErrorReason, end: (error: LimitError) => void) => {
      const error = new LimitError({ reason })
      const fiber = fork(
        Effect.andThen(
          Effect.sleep(duration),
          Effect.sync(() => end(error))
        )
      )
      return () => fiber.interruptUnsafe()
    }
    const seconds = Duration.toSeconds(limits.loginGraceTime)
    const loggedIn = within(limits.loginGraceTime, new LoginTimedOut({ seconds }), (error) => {
      fork(logIn(error))
      socket.destroy()
    })
    sockets.add(socket)
    socket.once("close", () => {
      place.release()
      loggedIn()
      sockets.delete(socket)
    })

    const identified = () => {
      const admitted = place.identify(client.address)
      if (Result.isFailure(admitted)) refuse(admitted.failure)
      else arrive({ connectionId, socket, remoteAddress: client.address, remotePort: client.port, place, loggedIn })
    }
    if (!Option.exists(parseAddress(peerAddress), (address) => isIn(limits.proxyProtocol, address))) {
      identified()
      return
    }
    const inTime = within(
      headerGraceTime,
      new ProxyHeaderMissing({ detail: `none came within ${Duration.toSeconds(headerGraceTime)} s` }),
      refuse
    )
    readHeader(socket, (header) => {
      inTime()
      if (header._tag === "Invalid") {
        refuse(new LimitError({ reason: new ProxyHeaderMissing({ detail: `got ${header.detail}` }) }))
        return
      }
      client = header.source ?? client
      identified()
    })
  }

  const destroy = () => {
    for (const socket of sockets) socket.destroy()
  }
  return { receive, shortage, destroy } satisfies Arrivals
})

/** Reads the header, and leaves on the socket what comes after it. Without a word when the socket closes before. */
const readHeader = (
  socket: Socket,
  done: (header: Exclude<ProxyProtocol.ProxyHeader, { readonly _tag: "Incomplete" }>) => void
): void => {
  let received = Buffer.alloc(0)
  const read = (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
    const header = ProxyProtocol.parse(received)
    if (header._tag === "Incomplete") return
    socket.off("data", read)
    socket.pause()
    if (header._tag === "Complete" && header.length < received.length) {
      socket.unshift(received.subarray(header.length))
    }
    done(header)
  }
  socket.on("data", read)
  socket.once("close", () => socket.off("data", read))
}
