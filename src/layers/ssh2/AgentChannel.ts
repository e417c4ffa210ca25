/**
 * A channel to the client's agent (`auth-agent@openssh.com`; draft-ietf-sshm-ssh-agent, section 4).
 *
 * ssh2 1.17 can write the message that opens it, and has no call for that on its server side. Here the message is sent,
 * and its answer waited for, as ssh2 does it for the channels that it has calls for; an ssh2 in which that is not found
 * opens none.
 */
import * as Predicate from "effect/Predicate"
import type { Channel, Connection } from "ssh2"

/** ssh2's own, which its channels reckon with (Channel.js). */
const maxWindow = 2 * 1024 * 1024
const packetSize = 32 * 1024

type Opened = (error: Error | undefined, channel: Channel) => void

interface Opener {
  readonly _chanMgr: { readonly add: (opened: Opened & { type: string }) => number }
  readonly _protocol: { readonly openssh_authAgent: (channel: number, window: number, packetSize: number) => void }
}

const isOpener = (value: unknown): value is Opener =>
  Predicate.hasProperty(value, "_chanMgr") &&
  Predicate.hasProperty(value._chanMgr, "add") &&
  Predicate.isFunction(value._chanMgr.add) &&
  Predicate.hasProperty(value, "_protocol") &&
  Predicate.hasProperty(value._protocol, "openssh_authAgent") &&
  Predicate.isFunction(value._protocol.openssh_authAgent)

/** What opens such channels, if this ssh2 can. */
export const opener = (client: Connection): ((opened: Opened) => void) | undefined => {
  const internals: unknown = client
  if (!isOpener(internals)) return undefined
  return (opened) => {
    const answer: Opened = (error, channel) => opened(error, channel)
    const id = internals._chanMgr.add(Object.assign(answer, { type: "auth-agent@openssh.com" }))
    // It has no more numbers: then nobody will ever answer.
    if (id >= 0) internals._protocol.openssh_authAgent(id, maxWindow, packetSize)
  }
}
