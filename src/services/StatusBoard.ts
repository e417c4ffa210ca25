/**
 * Where the parts of a server say how they are, for those who ask from outside of its process.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type { EngineStatus } from "../schema/ServerStatus.ts"
import type { Counts } from "./StartQueue.ts"

/**
 * @since 0.1.0
 * @category models
 */
export interface Board {
  readonly engine: (state: EngineStatus) => void
  readonly queue: (kind: "containers" | "programs", counts: Counts) => void
  /** A connection has come (1), or gone (-1). */
  readonly connections: (change: 1 | -1) => void
}

/**
 * The board, as a reference: without a layer nothing is kept of what is said.
 *
 * @since 0.1.0
 * @category references
 */
export const StatusBoard = Context.Reference<Board>("dockerrun/services/StatusBoard", {
  defaultValue: () => ({ engine: () => {}, queue: () => {}, connections: () => {} })
})
