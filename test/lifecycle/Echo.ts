/** A session that sends back what it gets. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { waitFor, within } from "../support/Deadline.ts"
import type { HarnessError } from "../support/HarnessError.ts"
import { type SshTarget, startSsh } from "../support/OpenSsh.ts"
import type { ProgramExit } from "../support/Program.ts"

export interface Echo {
  /** Sends a line, and waits until it has come back. */
  readonly echo: (word: string) => Effect.Effect<void, HarnessError>
  /** Waits until the client has ended. */
  readonly ended: Effect.Effect<ProgramExit, HarnessError>
  readonly hasEnded: () => boolean
  /** What it was told on standard error. */
  readonly told: () => string
}

/** Comes when a first line has come back. */
export const startEcho = Effect.fnUntraced(function* (
  target: SshTarget
): Effect.fn.Return<Echo, HarnessError, Scope.Scope> {
  const client = yield* startSsh({ ...target, command: "cat" })
  let output = ""
  let told = ""
  client.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()))
  client.stderr.on("data", (chunk: Buffer) => (told += chunk.toString()))
  const echo = (word: string) =>
    Effect.suspend(() => {
      client.stdin.write(`${word}\n`)
      return Effect.asVoid(
        waitFor(
          `the echo of ${word}`,
          Effect.sync(() => output.endsWith(`${word}\n`)),
          30_000
        )
      )
    })
  yield* echo("first")
  return {
    echo,
    ended: within(client.closed, 20_000, () => `the end of a session that was told ${JSON.stringify(told)}`),
    hasEnded: client.hasExited,
    told: () => told
  }
})
