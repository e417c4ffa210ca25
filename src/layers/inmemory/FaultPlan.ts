/**
 * Which faults a call meets.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import type { Fault, FaultEffect, Operation } from "../../services/InMemoryEngine.ts"

interface Planned {
  readonly operations: ReadonlySet<Operation> | undefined
  /** The first and the last call, counted from 1. */
  readonly first: number
  readonly last: number
  /** Milliseconds of the Clock. */
  readonly from: number
  readonly until: number
  readonly effect: FaultEffect
  seen: number
}

/**
 * @internal
 */
export interface FaultPlan {
  readonly add: (faults: ReadonlyArray<Fault>, now: number) => void
  readonly clear: () => void
  /** Counts the call, and gives the faults that apply to it in the order of the plan. */
  readonly next: (operation: Operation, now: number) => ReadonlyArray<FaultEffect>
}

const millis = (input: Duration.Input | undefined, otherwise: number) =>
  input === undefined ? otherwise : Duration.toMillis(Duration.fromInputUnsafe(input))

const plan = (fault: Fault, now: number): Planned => {
  const { nth, operation } = fault
  const times = fault.times ?? (nth === undefined ? Number.POSITIVE_INFINITY : 1)
  return {
    operations: operation === undefined ? undefined : new Set(typeof operation === "string" ? [operation] : operation),
    first: nth ?? 1,
    last: (nth ?? 1) + times - 1,
    from: now + millis(fault.from, 0),
    until: now + millis(fault.until, Number.POSITIVE_INFINITY),
    effect: fault.effect,
    seen: 0
  }
}

/**
 * @internal
 */
export const make = (): FaultPlan => {
  let planned: ReadonlyArray<Planned> = []
  return {
    add: (faults, now) => {
      planned = [...planned, ...faults.map((fault) => plan(fault, now))]
    },
    clear: () => {
      planned = []
    },
    next: (operation, now) =>
      planned.flatMap((fault) => {
        if (fault.operations?.has(operation) === false || now < fault.from || now >= fault.until) return []
        fault.seen += 1
        return fault.seen >= fault.first && fault.seen <= fault.last ? [fault.effect] : []
      })
  }
}
