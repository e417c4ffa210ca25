/**
 * A session channel: its requests become calls of the backend's session.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { ServerChannel, Session as Ssh2Session } from "ssh2"
import type { ProgramError } from "../../schema/ProgramError.ts"
import type { Presence } from "../../services/ConnectionTime.ts"
import type { ChannelSession } from "../../services/DockerRun.ts"
import { Logger } from "../../services/Logger.ts"
import type { AdmittedProgram, Session } from "../../services/Session.ts"
import * as PacketSize from "./PacketSize.ts"
import type { TerminalModes } from "../../services/TerminalModes.ts"
import * as RunningChannel from "./RunningChannel.ts"

/** Starts an effect, synchronously up to its first wait, in a fiber that the connection owns. */
export type Fork = (effect: Effect.Effect<void, never, Logger>) => void

/** What the backend made for this channel. */
export interface Backend {
  readonly presence: Presence
  readonly session: ChannelSession
}

/** As many refusals of a channel are worth a line each; who asks on and on should not fill the log. */
const loggedRefusals = 16

/**
 * Listens to a session that was just accepted. It must be called in the same step: ssh2 refuses a request for which
 * nobody listens. The backend's session is waited for, and requests are answered in the order in which they came.
 */
export const listen = (
  ssh: Ssh2Session,
  backend: Effect.Effect<Backend>,
  fork: Fork,
  terminalModes: () => TerminalModes | undefined
): void => {
  const closed = Deferred.makeUnsafe<void>()
  let columns = 80
  let refusals = 0
  PacketSize.raise(ssh)

  ssh.on("close", () => {
    Deferred.doneUnsafe(closed, Effect.void)
  })
  ssh.on("error", () => {
    // The channel closes by itself; what failed is the connection, which logs it.
  })

  const answer = (
    request: string,
    handle: (session: Session) => Effect.Effect<void, ProgramError>,
    accept: (() => void) | undefined,
    reject: (() => void) | undefined
  ) =>
    fork(
      Effect.flatMap(backend, ({ session }) => handle(session)).pipe(
        Effect.andThen(Effect.sync(() => accept?.())),
        Effect.catch((error) =>
          Effect.andThen(
            Effect.sync(() => reject?.()),
            logRefusal(request, error, (refusals += 1) > loggedRefusals)
          )
        )
      )
    )

  const start = (
    request: string,
    admit: (session: Session) => Effect.Effect<AdmittedProgram, ProgramError>,
    accept: () => ServerChannel | undefined,
    reject: (() => void) | undefined
  ) =>
    fork(
      Effect.flatMap(backend, ({ presence, session }) =>
        Effect.matchEffect(admit(session), {
          onFailure: (error) =>
            Effect.andThen(
              Effect.sync(() => reject?.()),
              logRefusal(request, error, (refusals += 1) > loggedRefusals)
            ),
          onSuccess: (program) => {
            const channel = accept()
            return channel === undefined
              ? Effect.void
              : RunningChannel.run({
                  place: session,
                  presence,
                  program,
                  channel,
                  closed,
                  columns: () => columns
                })
          }
        })
      )
    )

  ssh.on("env", (accept, reject, { key, val }) => answer("env", (session) => session.env(key, val), accept, reject))
  ssh.on("pty", (accept, reject, { cols, rows, term }) => {
    columns = cols
    const modes = terminalModes()
    const request = { term, columns: cols, rows, ...(modes === undefined ? {} : { modes }) }
    answer("pty-req", (session) => session.pty(request), accept, reject)
  })
  ssh.on("window-change", (accept, reject, { cols, rows }) => {
    columns = cols
    answer("window-change", (session) => session.window({ columns: cols, rows }), accept, reject)
  })
  ssh.on("signal", (accept, reject, { name }) => answer("signal", (session) => session.signal(name), accept, reject))
  ssh.on("shell", (accept, reject) => start("shell", (session) => session.shell, accept, reject))
  ssh.on("exec", (accept, reject, { command }) => start("exec", (session) => session.exec(command), accept, reject))
  ssh.on("subsystem", (accept, reject, { name }) =>
    start("subsystem", (session) => session.subsystem(name), accept, reject)
  )
}

const logRefusal = (request: string, error: ProgramError, isFlood: boolean) =>
  Logger.use((logger) =>
    logger.log({
      level: isFlood ? "debug" : "info",
      code: error.code,
      message: `${request} refused: ${error.message}`,
      ...(error.cause === undefined ? {} : { cause: error.cause })
    })
  )
