/**
 * Claims about who gets in, and about a connection on which nothing happens.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import ssh2 from "ssh2"
import { ConformanceError, expectEqual } from "./Conformance.ts"
import type { SshCase } from "./SshCase.ts"
import { outcomeOf } from "./SshCase.ts"
import { connect, SshTarget } from "./SshClient.ts"

const expectRefused = Effect.fnUntraced(function* (
  claim: string,
  credentials: { readonly username?: string; readonly password?: string; readonly privateKey?: string }
) {
  const { username } = yield* SshTarget
  yield* Effect.matchEffect(Effect.scoped(connect({ credentials: { username, ...credentials } })), {
    onSuccess: () => Effect.fail(new ConformanceError({ claim, expected: "refused", actual: "let in" })),
    onFailure: (error) =>
      error.isRefusal
        ? Effect.void
        : Effect.fail(new ConformanceError({ claim, expected: "refused", actual: error.message }))
  })
})

const wrongPassword = "no password of anybody"

/**
 * @internal
 */
export const cases: ReadonlyArray<SshCase> = [
  {
    group: "authentication",
    name: "lets in who proves who he is",
    check: Effect.gen(function* () {
      const connection = yield* connect()
      const channel = yield* connection.exec("echo in")
      yield* expectEqual("the outcome", yield* outcomeOf(channel), { stdout: "in\n", stderr: "", status: 0 })
    })
  },
  {
    group: "authentication",
    name: "refuses a wrong password",
    claim: "password",
    check: expectRefused("a wrong password", { password: wrongPassword })
  },
  {
    group: "authentication",
    name: "refuses a user that is not there, and one that offers nothing",
    check: Effect.gen(function* () {
      const { password = wrongPassword } = yield* SshTarget
      yield* expectRefused("a user that is not there", { username: "nobody-of-this-name", password })
      yield* expectRefused("a user that offers nothing", {})
    })
  },
  {
    group: "authentication",
    name: "refuses a key that it does not know",
    check: Effect.suspend(() =>
      expectRefused("an unknown key", { privateKey: ssh2.utils.generateKeyPairSync("ed25519").private })
    )
  },
  {
    group: "connection",
    name: "goes on when nothing happens: the client's questions whether the server is there are answered",
    check: Effect.gen(function* () {
      // A server that answered none of them would be given up after a second.
      const connection = yield* connect({ keepalive: { interval: 100, countMax: 9 } })
      yield* Effect.sleep("2500 millis")
      yield* expectEqual("why it broke", connection.failure()?.message, undefined)
      const channel = yield* connection.exec("echo still here")
      yield* expectEqual("the outcome", yield* outcomeOf(channel), { stdout: "still here\n", stderr: "", status: 0 })
    })
  }
]
