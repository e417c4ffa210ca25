/** A server that hostile clients are let loose on, with the engine in memory, and the person beside them. */
import { join } from "node:path"
import { assert } from "@effect/vitest"
import { hash } from "bcrypt"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { waitFor } from "./Deadline.ts"
import { type HarnessError, harnessError } from "./HarnessError.ts"
import { startServer, type TestServer } from "./Server.ts"
import { connectClient, execOn } from "./Ssh2Client.ts"

export const user = "mallory"
export const password = "let me in"

export interface HostileServer extends TestServer {
  /** Fails unless the person who was there before still gets back what they type. */
  readonly bystanderGoesOn: Effect.Effect<void, HarnessError>
}

const program = join(import.meta.dirname, "../../bench/InMemoryServer.ts")

export const startHostileServer = (
  ssh: Readonly<Record<string, unknown>> = {}
): Effect.Effect<HostileServer, HarnessError, Scope.Scope> =>
  Effect.gen(function* () {
    // As weak as bcrypt gets: it is not the hash that is attacked.
    const passwordHash = yield* Effect.tryPromise({ try: () => hash(password, 4), catch: harnessError("hashing") })
    const server = yield* startServer({
      command: [process.execPath, program],
      auth: { users: { [user]: { passwordHash } } },
      ssh: { maxStartups: 2_000, ...ssh },
      log: { level: "info" },
      sections: {
        // Everything that can be asked for is let through to the code behind it.
        security: {
          forwarding: {
            forwardingMode: "enable",
            reverseForwardingMode: "enable",
            socketForwardingMode: "enable",
            socketListenMode: "enable",
            agentForwardingMode: "enable"
          }
        }
      }
    })
    const bystander = yield* connectClient({ port: server.port, user, password })
    const echo = yield* execOn(bystander, "cat")
    let lines = 0
    const bystanderGoesOn = Effect.suspend(() => {
      const line = `still here ${(lines += 1)}\n`
      echo.channel.write(line)
      return waitFor(
        `the bystander's ${line.trim()}`,
        Effect.sync(() => echo.stdout().endsWith(line)),
        10_000
      )
    }).pipe(
      Effect.andThen(() => {
        assert.isFalse(server.hasExited(), server.text().slice(-2_000))
        return Effect.void
      }),
      Effect.mapError((error) => harnessError(error.operation)(`${error.detail}\n${server.text().slice(-2_000)}`))
    )
    yield* bystanderGoesOn
    return { ...server, bystanderGoesOn }
  })
