/** A session that nobody means to harm: what it sends comes back, byte for byte, while others fall around it. */
import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { pause, waitFor, within } from "../support/Deadline.ts"
import { HarnessError } from "../support/HarnessError.ts"
import { startSsh, type SshTarget } from "../support/OpenSsh.ts"
import type { ProgramExit } from "../support/Program.ts"

export interface Bystander {
  /** Ends its input, waits until it has ended, and fails when anything that it sent has not come back. */
  readonly leave: Effect.Effect<void, HarnessError>
  /** Waits until it has ended by itself, and fails when what came back is not the begin of what was sent. */
  readonly perish: Effect.Effect<ProgramExit, HarnessError>
  /** How many bytes have come back. */
  readonly echoed: () => number
}

/** Comes once its first line has come back. */
export const makeBystander = Effect.fnUntraced(function* (
  target: SshTarget
): Effect.fn.Return<Bystander, HarnessError, Scope.Scope> {
  const client = yield* startSsh({ ...target, command: "cat" })
  let sent = ""
  let received = ""
  let complaints = ""
  let isLeaving = false
  client.stdout.on("data", (chunk: Buffer) => (received += chunk.toString("latin1")))
  client.stderr.on("data", (chunk: Buffer) => (complaints += chunk.toString()))
  const line = Effect.sync(() => {
    if (isLeaving || client.hasExited()) return
    const text = `${randomBytes(30).toString("base64")}\n`
    sent += text
    client.stdin.write(text)
  })
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(line, pause(25))))
  yield* waitFor(
    "the bystander's first line",
    Effect.sync(() => received.length > 0),
    40_000
  )
  const complain = (detail: string) =>
    new HarnessError({ operation: "the bystander", detail: `${detail}; it was told: ${JSON.stringify(complaints)}` })
  return {
    leave: Effect.gen(function* () {
      if (client.hasExited()) {
        const { signal, status } = yield* client.exit
        return yield* complain(`ended (${status ?? signal}) after ${received.length} bytes`)
      }
      isLeaving = true
      client.stdin.end()
      const { status } = yield* within(client.closed, 30_000, () => "the end of the bystander")
      if (status !== 0) return yield* complain(`its status is ${status}`)
      if (received !== sent) return yield* complain(`sent ${sent.length} bytes, got ${received.length}, or others`)
    }),
    perish: Effect.gen(function* () {
      const exit = yield* within(client.closed, 45_000, () => "the end of the bystander")
      if (!sent.startsWith(received)) return yield* complain("what came back is not what was sent")
      return exit
    }),
    echoed: () => received.length
  }
})
