/**
 * How a call passes from the caller to the engine and back: it is written down, and meets its faults.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { DockerError, type DockerErrorReason, Unreachable } from "../../schema/DockerError.ts"
import type { Call, FaultEffect, Operation } from "../../services/InMemoryEngine.ts"
import type { FaultPlan } from "./FaultPlan.ts"

/**
 * The address of an engine that has none.
 *
 * @internal
 */
export const address = "memory://"

/**
 * How long a stream lasts, and what it breaks with.
 *
 * @internal
 */
export interface BreakPoint {
  readonly bytes: number
  readonly error: DockerError
}

/**
 * @internal
 */
export interface Calls {
  /**
   * Passes a call on. What the engine was asked is done in the engine's own time: a caller that is interrupted has only
   * stopped to wait for it. `held` is for what belongs to the caller, such as a stream, and goes with it.
   */
  readonly call: <A, R>(
    operation: Operation,
    parameters: ReadonlyArray<unknown>,
    perform: (breakPoint: BreakPoint | undefined) => Effect.Effect<A, DockerErrorReason, R>,
    options?: { readonly held?: boolean }
  ) => Effect.Effect<A, DockerError, R>
  readonly log: () => ReadonlyArray<Call>
  readonly awaitCalls: (count: number, operation: Operation | undefined) => Effect.Effect<void>
}

/** Written down as it goes on. */
type Entry = { -readonly [Key in keyof Call]: Call[Key] }

/**
 * The connection that broke, or that nobody took.
 *
 * @internal
 */
export const unreachable = (errno: "ECONNREFUSED" | "ECONNRESET") =>
  new Unreachable({
    address,
    errno,
    message: errno === "ECONNRESET" ? `the connection to ${address} broke` : `nobody listens at ${address}`
  })

const words: Partial<Record<Operation, string>> = {
  waitContainer: "wait for container",
  containerEvents: "container events"
}

/** `createContainer` is "create container", as every layer calls it. */
const wordsOf = (operation: Operation): string =>
  words[operation] ?? operation.replaceAll(/[A-Z]/gu, (letter) => ` ${letter.toLowerCase()}`)

/**
 * An error of the engine about an operation.
 *
 * @internal
 */
export const failure = (operation: Operation, reason: DockerErrorReason) =>
  new DockerError({ operation: wordsOf(operation), reason })

const breakPointOf = (operation: Operation, faults: ReadonlyArray<FaultEffect>): BreakPoint | undefined => {
  const fault = faults.find((fault) => fault._tag === "Break")
  return fault?._tag === "Break"
    ? { bytes: fault.after, error: failure(operation, fault.reason ?? unreachable("ECONNRESET")) }
    : undefined
}

/** What happens on one of the two ways: to the engine, or with `performed` back from it. */
const onWay = (
  operation: Operation,
  faults: ReadonlyArray<FaultEffect>,
  performed: boolean
): Effect.Effect<void, DockerError> | undefined => {
  const steps = faults.flatMap((fault): ReadonlyArray<Effect.Effect<void, DockerError>> => {
    if (fault._tag === "Gone") return performed ? [] : [Effect.fail(failure(operation, unreachable("ECONNREFUSED")))]
    if (fault._tag === "Break" || (fault.performed ?? false) !== performed) return []
    switch (fault._tag) {
      case "Fail":
        return [Effect.fail(failure(operation, fault.reason))]
      case "Hang":
        return [Effect.never]
      case "Delay":
        return [Effect.sleep(fault.duration)]
    }
  })
  return steps.length === 0 ? undefined : Effect.forEach(steps, (step) => step, { discard: true })
}

/**
 * @internal
 */
export const make = (plan: FaultPlan, scope: Scope.Scope, remembers: boolean = true): Calls => {
  const entries: Array<Entry> = []
  let waiting: ReadonlyArray<{ readonly isThere: () => boolean; readonly done: Deferred.Deferred<void> }> = []

  const begin = (operation: Operation, parameters: ReadonlyArray<unknown>, now: number): Entry => {
    const entry: Entry = { operation, arguments: parameters, startedAt: now, outcome: "pending" }
    if (remembers) entries.push(entry)
    if (waiting.length > 0) {
      const met = waiting.filter(({ isThere }) => isThere())
      // First: whoever is told may wait for the next call at once.
      waiting = waiting.filter((one) => !met.includes(one))
      for (const { done } of met) Deferred.doneUnsafe(done, Effect.void)
    }
    return entry
  }
  const close = (entry: Entry, exit: Exit.Exit<unknown, DockerError>) => {
    if (Exit.isSuccess(exit)) {
      entry.outcome = "succeeded"
      return
    }
    const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
    entry.outcome = error === undefined ? "abandoned" : "failed"
    if (error !== undefined) entry.error = error
  }

  return {
    call: (operation, parameters, perform, options) =>
      // From here on the engine has been asked: an interruption only ends the waiting.
      Effect.uninterruptibleMask(
        Effect.fnUntraced(function* (restore) {
          const now = yield* Clock.currentTimeMillis
          const faults = plan.next(operation, now)
          const entry = begin(operation, parameters, now)
          const before = onWay(operation, faults, false)
          const after = onWay(operation, faults, true)
          const work = Effect.mapError(perform(breakPointOf(operation, faults)), (reason) => failure(operation, reason))
          const asked = before === undefined ? work : Effect.andThen(before, work)
          const done =
            options?.held === true
              ? restore(asked)
              : before === undefined
                ? work
                : Effect.flatMap(Effect.forkIn(asked, scope, { startImmediately: true }), (fiber) =>
                    restore(Fiber.join(fiber))
                  )
          return yield* (after === undefined ? done : Effect.tap(done, restore(after))).pipe(
            Effect.onExit((exit) => Effect.sync(() => close(entry, exit)))
          )
        })
      ),
    log: () => entries.map((entry) => ({ ...entry })),
    awaitCalls: (count, operation) =>
      Effect.suspend(() => {
        const isThere = () =>
          (operation === undefined ? entries : entries.filter((entry) => entry.operation === operation)).length >= count
        if (isThere()) return Effect.void
        const done = Deferred.makeUnsafe<void>()
        waiting = [...waiting, { isThere, done }]
        return Deferred.await(done)
      })
  }
}
