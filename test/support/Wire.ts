/** A network of its own for a client, and a wire to it that can be cut: packets vanish, and nobody is told. */
import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { HarnessError } from "./HarnessError.ts"
import { output } from "./Program.ts"

export interface Wire {
  /** The address of this side, which a client on the other side connects to. */
  readonly address: string
  /** Puts this in front of a command line, and it runs on the other side. */
  readonly prefix: readonly [string, ...ReadonlyArray<string>]
  readonly cut: Effect.Effect<void, HarnessError>
}

/** Needs root. The network goes with the Scope. */
export const makeWire: Effect.Effect<Wire, HarnessError, Scope.Scope> = Effect.gen(function* () {
  const id = randomBytes(3).toString("hex")
  const [namespace, here, there] = [`dr-${id}`, `drh${id}`, `drt${id}`]
  // One /30 of the block for tests of networks (RFC 2544) for each of several that run at once.
  const base = `198.18.${Number.parseInt(id.slice(0, 2), 16)}`
  const host = (Number.parseInt(id.slice(2, 4), 16) & 0xfc) + 1
  const ip = (...args: ReadonlyArray<string>) => output("ip", args)
  yield* Effect.acquireRelease(ip("netns", "add", namespace), () => Effect.ignore(ip("netns", "delete", namespace)))
  yield* Effect.acquireRelease(ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", namespace), () =>
    Effect.ignore(ip("link", "delete", here))
  )
  yield* ip("address", "add", `${base}.${host}/30`, "dev", here)
  yield* ip("link", "set", here, "up")
  yield* ip("-n", namespace, "address", "add", `${base}.${host + 1}/30`, "dev", there)
  yield* ip("-n", namespace, "link", "set", there, "up")
  return {
    address: `${base}.${host}`,
    prefix: ["ip", "netns", "exec", namespace],
    cut: Effect.asVoid(ip("-n", namespace, "link", "set", there, "down"))
  }
})
