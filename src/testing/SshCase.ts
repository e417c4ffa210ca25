/**
 * What the cases of the black-box suite are made of.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { ConformanceError } from "./Conformance.ts"
import type { SshChannel, SshClientError, SshTarget } from "./SshClient.ts"

/**
 * @internal
 */
export interface SshCase {
  readonly group: string
  readonly name: string
  /** What the server must claim for this. */
  readonly claim?: "pty" | "signals" | "env" | "password"
  readonly check: Effect.Effect<void, ConformanceError | SshClientError, Scope.Scope | SshTarget>
}

/**
 * What became of a program: its outputs as text, its exit status, and the signal that ended it.
 *
 * @internal
 */
export const outcomeOf = (channel: SshChannel) =>
  Effect.map(channel.closed, ({ signal, status }) => ({
    stdout: channel.stdout(),
    stderr: channel.stderr(),
    status: status ?? null,
    ...(signal === undefined ? {} : { signal })
  }))

/**
 * A shell reports 128 and the number of a signal that ended a program; a server may name the signal instead.
 *
 * @internal
 */
export const expectEndedBy = (
  claim: string,
  channel: SshChannel,
  name: string,
  status: number
): Effect.Effect<void, ConformanceError> =>
  Effect.flatMap(channel.closed, (end) =>
    end.status === status || end.signal?.replace(/^SIG/u, "") === name
      ? Effect.void
      : Effect.fail(new ConformanceError({ claim, expected: `${status} or ${name}`, actual: end }))
  )
