/**
 * How large the packets of a channel may be, which the client says when it opens the channel (RFC 4254, section 5.1).
 *
 * Each packet costs its encryption, however little is in it; with packets of one byte a client could keep the server busy
 * at its pleasure, and over packets of none ssh2 loops for ever. Every implementation takes payloads of 32768 bytes
 * (RFC 4253, section 6.1), so a client that says less can still take what is sent here.
 */
import * as Predicate from "effect/Predicate"

const least = 1024

/** Raises what a client said to something sensible, on a session or a channel that ssh2 has just accepted. */
export const raise = (accepted: unknown): void => {
  const holder = Predicate.hasProperty(accepted, "_chanInfo") ? accepted._chanInfo : accepted
  const outgoing = Predicate.hasProperty(holder, "outgoing") ? holder.outgoing : undefined
  if (!Predicate.hasProperty(outgoing, "packetSize") || !Predicate.isNumber(outgoing.packetSize)) return
  outgoing.packetSize = Math.max(outgoing.packetSize, least)
}
