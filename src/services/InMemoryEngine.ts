/**
 * What a test may ask, and do to, an engine that exists only in memory: what it holds, what it was asked, and the faults
 * that it is to show.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { DockerError, DockerErrorReason } from "../schema/DockerError.ts"
import type { ContainerId, ExecId } from "../schema/Identifiers.ts"
import type { ContainerInfo, ContainerSpec, Docker, ExecInfo, ExecSpec, TerminalSize } from "./Docker.ts"

/**
 * The name of an operation of `Docker`.
 *
 * @since 0.1.0
 * @category models
 */
export type Operation = keyof Docker["Service"]

/**
 * What a fault does to a call. Without `performed` the engine does not do what it was asked. With it the engine does it
 * and only the answer is wrong, lost or late.
 *
 * - `Fail`: the call fails with this reason.
 * - `Hang`: the call gets no answer.
 * - `Delay`: the answer takes longer. A caller that gives up meanwhile does not stop the engine, which was already asked.
 * - `Break`: the stream of an exec, an attachment, a pull or of events breaks after so many bytes (of output, of
 *   downloaded layers) or, for events, after so many events.
 * - `Gone`: nobody answers at the engine's address, and the streams that are open break.
 *
 * @since 0.1.0
 * @category models
 */
export type FaultEffect =
  | { readonly _tag: "Fail"; readonly reason: DockerErrorReason; readonly performed?: boolean }
  | { readonly _tag: "Hang"; readonly performed?: boolean }
  | { readonly _tag: "Delay"; readonly duration: Duration.Input; readonly performed?: boolean }
  | { readonly _tag: "Break"; readonly after: number; readonly reason?: DockerErrorReason }
  | { readonly _tag: "Gone" }

/**
 * One fault, as data. It applies to the calls that meet every one of its conditions; without conditions, to all.
 *
 * @example
 * ```ts
 * const plan: ReadonlyArray<Fault> = [
 *   { operation: "createContainer", nth: 2, effect: { _tag: "Fail", reason: new ServerError({ status: 500, message: "" }) } },
 *   { operation: "startContainer", effect: { _tag: "Hang" } },
 *   { operation: "startExec", effect: { _tag: "Break", after: 10_240 } },
 *   { from: "10 seconds", until: "40 seconds", effect: { _tag: "Gone" } },
 *   { operation: "pullImage", effect: { _tag: "Delay", duration: "2 seconds" } }
 * ]
 * ```
 *
 * @since 0.1.0
 * @category models
 */
export interface Fault {
  /** Which calls. Left out: of every operation. */
  readonly operation?: Operation | ReadonlyArray<Operation>
  /** The first call to which it applies, from 1, among those of the operation since the fault was added. */
  readonly nth?: number
  /** To how many calls it applies: 1 when `nth` is given, otherwise no limit. */
  readonly times?: number
  /** Not before this time has passed since the fault was added. */
  readonly from?: Duration.Input
  /** Only until this time has passed since the fault was added. */
  readonly until?: Duration.Input
  readonly effect: FaultEffect
}

/**
 * One call that the engine received.
 *
 * @since 0.1.0
 * @category models
 */
export interface Call {
  readonly operation: Operation
  readonly arguments: ReadonlyArray<unknown>
  /** Milliseconds of the Clock. */
  readonly startedAt: number
  /** `pending` while there is no answer; `abandoned` when the caller went before there was one. */
  readonly outcome: "pending" | "succeeded" | "failed" | "abandoned"
  /** Why it failed. */
  readonly error?: DockerError
}

/**
 * A container that is there, or was.
 *
 * @since 0.1.0
 * @category models
 */
export interface ContainerRecord extends Omit<ContainerInfo, "execs"> {
  readonly image: string
  readonly spec: ContainerSpec
}

/**
 * An exec of a container that is there.
 *
 * @since 0.1.0
 * @category models
 */
export interface ExecRecord extends ExecInfo {
  readonly id: ExecId
  readonly container: ContainerId
  readonly spec: ExecSpec
  readonly size?: TerminalSize
}

/**
 * A pull that was begun.
 *
 * @since 0.1.0
 * @category models
 */
export interface PullRecord {
  readonly reference: string
  readonly outcome: "running" | "succeeded" | "failed" | "abandoned"
  /** Bytes of layers downloaded so far. */
  readonly downloaded: number
}

/**
 * The inside of an engine in memory.
 *
 * @since 0.1.0
 * @category services
 */
export class InMemoryEngine extends Context.Service<
  InMemoryEngine,
  {
    /** The containers that are there, in the order in which they were created. */
    readonly containers: Effect.Effect<ReadonlyArray<ContainerRecord>>
    /** The containers that were there once and are removed, as they were at the end. */
    readonly removed: Effect.Effect<ReadonlyArray<ContainerRecord>>
    /** The execs of the containers that are there. */
    readonly execs: Effect.Effect<ReadonlyArray<ExecRecord>>
    /** Makes a volume as an engine leaves it that dies while it removes the container. Gives its name. */
    readonly leaveVolume: (labels: Readonly<Record<string, string>>) => Effect.Effect<string>
    /** The references of the images that are there, in canonical form. */
    readonly images: Effect.Effect<ReadonlyArray<string>>
    readonly pulls: Effect.Effect<ReadonlyArray<PullRecord>>
    /** Every call since the beginning; with an operation, the calls of that one. */
    readonly calls: (operation?: Operation) => Effect.Effect<ReadonlyArray<Call>>
    /** Waits until so many calls (of one operation, if named) have reached the engine. */
    readonly awaitCalls: (count: number, operation?: Operation) => Effect.Effect<void>
    /** Adds faults to the plan. Their counts and times begin now. */
    readonly addFaults: (faults: ReadonlyArray<Fault>) => Effect.Effect<void>
    /** Takes all faults back. Calls that hang because of one go on hanging. */
    readonly clearFaults: Effect.Effect<void>
    /** The streams to clients that are open: of execs, attachments and events. */
    readonly openStreams: Effect.Effect<number>
  }
>()("dockerrun/services/InMemoryEngine") {}
