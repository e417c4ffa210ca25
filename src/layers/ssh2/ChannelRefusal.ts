/**
 * A channel that is not opened, and why (`SSH_MSG_CHANNEL_OPEN_FAILURE`, RFC 4254, section 5.1).
 *
 * ssh2's `reject` gives "connect failed" and no description. Here both are put in on the way out, in the one call in
 * which ssh2 sends the message; an ssh2 in which that call is not found refuses the channel in its own words.
 */
import * as Predicate from "effect/Predicate"
import type { Connection } from "ssh2"

/** RFC 4254, section 5.1. */
export const reasons = { administrativelyProhibited: 1, connectFailed: 2, resourceShortage: 4 } as const

interface FailureSender {
  channelOpenFail: (recipient: number, reason: number, description?: string) => void
}

const isFailureSender = (value: unknown): value is FailureSender =>
  Predicate.hasProperty(value, "channelOpenFail") && Predicate.isFunction(value.channelOpenFail)

/** Refuses a channel; to be called where `reject` would be. */
export const refuse = (client: Connection, reject: () => void, reason: number, description: string): void => {
  const protocol = Predicate.hasProperty(client, "_protocol") ? client._protocol : undefined
  if (!isFailureSender(protocol)) {
    reject()
    return
  }
  const send = protocol.channelOpenFail
  protocol.channelOpenFail = (recipient) => send.call(protocol, recipient, reason, description)
  try {
    reject()
  } finally {
    protocol.channelOpenFail = send
  }
}
