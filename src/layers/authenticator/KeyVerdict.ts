/**
 * Whether a key is good, here and now, by the lines that list it.
 */
import * as Result from "effect/Result"
import type { RejectionReason } from "../../schema/AuthenticationResult.ts"
import type { AuthorizedKey } from "./AuthorizedKeys.ts"
import type { Binding } from "./KeyOptions.ts"

/** Good, with what it binds to; or why not. */
export type KeyVerdict =
  | { readonly good: true; readonly binding: Binding }
  | { readonly good: false; readonly reason: RejectionReason; readonly detail?: string }

/**
 * Takes the lines in their order. One whose conditions are not met is passed over, as sshd does; one whose options this
 * server cannot honour ends the search.
 */
export const judge = (
  lines: ReadonlyArray<AuthorizedKey>,
  client: { readonly remoteAddress: string; readonly now: number }
): KeyVerdict => {
  const unmet: Array<string> = []
  for (const { options, place } of lines) {
    if (Result.isFailure(options))
      return { good: false, reason: "KeyNotUsable", detail: `${place}: ${options.failure}` }
    const { expiresAt, from, ...binding } = options.success
    if (from !== undefined && !from(client.remoteAddress)) {
      unmet.push(`${place}: not from this address`)
    } else if (expiresAt !== undefined && client.now >= expiresAt) {
      unmet.push(`${place}: expired on ${new Date(expiresAt).toISOString()}`)
    } else {
      return { good: true, binding }
    }
  }
  return unmet.length === 0
    ? { good: false, reason: "UnknownKey" }
    : { good: false, reason: "KeyNotValid", detail: unmet.join("; ") }
}
