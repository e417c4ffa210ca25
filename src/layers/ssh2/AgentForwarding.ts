/**
 * The client's agent in the container: the first session that asks for it has a socket made, whose connections are
 * channels to the agent. And what else a session asks for that is about forwarding: X11, which there is not.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Session as Ssh2Session } from "ssh2"
import type { Connection } from "../../services/DockerRun.ts"
import * as AgentChannel from "./AgentChannel.ts"
import { type ForwardingRequestsOptions, receive } from "./ForwardingRequests.ts"

/** What listens to a session; to be called in the step in which it was accepted. `backend` waits for the connection whose programs are told of the socket. */
export const make = (
  { client, fork, forwarding, touch }: ForwardingRequestsOptions,
  backend: Effect.Effect<Connection>
): ((session: Ssh2Session) => void) => {
  const socket = Deferred.makeUnsafe<Option.Option<string>>()
  let isWanted = false

  const open = AgentChannel.opener(client)
  const start = Effect.gen(function* () {
    const { listen } = yield* forwarding
    const listener = yield* listen({ kind: "agent" }, (incoming) => {
      if (open !== undefined) fork(receive(incoming, (_incoming, opened) => open(opened), touch))
    })
    yield* Deferred.succeed(socket, Option.some(listener.place))
    yield* listener.ended
  }).pipe(
    // Why there is none was logged.
    Effect.ignore,
    Effect.ensuring(Deferred.succeed(socket, Option.none())),
    Effect.scoped
  )

  return (session) => {
    session.on("auth-agent", (accept, reject) => {
      if (open === undefined) {
        reject?.()
        return
      }
      if (!isWanted) {
        isWanted = true
        fork(start)
        fork(Effect.flatMap(backend, ({ provide }) => provide("SSH_AUTH_SOCK", Deferred.await(socket))))
      }
      fork(
        Effect.map(Deferred.await(socket), (found) => {
          if (Option.isSome(found)) accept?.()
          else reject?.()
        })
      )
    })
    session.on("x11", (_accept, reject) => {
      reject?.()
      fork(Effect.flatMap(forwarding, ({ refuse }) => refuse({ kind: "x11" })))
    })
  }
}
