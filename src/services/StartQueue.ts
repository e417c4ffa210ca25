/**
 * A bounded number of starts at a time, and a bounded queue of those that wait for one.
 *
 * First come, first served; what is only made ready waits until nobody is left who waits in person. Whoever gives up
 * leaves the queue without a trace.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"

/**
 * Where a start waits: `begun` is for what has begun already, and goes before all that has yet to begin.
 *
 * @since 0.1.0
 * @category models
 */
export type Lane = "begun" | "live" | "background"

/**
 * How many run, and how many wait.
 *
 * @since 0.1.0
 * @category models
 */
export interface Counts {
  readonly running: number
  readonly waiting: number
}

/**
 * @since 0.1.0
 * @category options
 */
export interface Options {
  /** How many run at a time. */
  readonly slots: number
  /** How many may wait in the lane `live`; only there is anybody turned away. */
  readonly length: number
  /** Runs when one that had to wait need not wait any more: it has a slot, or has given up. */
  readonly onWaited: (waitedMillis: number) => Effect.Effect<void>
  /** Called when the counts have changed. */
  readonly onChange?: () => void
}

/**
 * A slot, for as long as it is not given back.
 *
 * @since 0.1.0
 * @category models
 */
export interface Slot {
  /** Gives the slot to the next one. May be called more than once, from anywhere. */
  readonly release: () => void
}

/**
 * @since 0.1.0
 * @category models
 */
export interface StartQueue {
  /**
   * Runs the effect with a slot of its own, or `whenFull` if too many wait already. Whoever succeeds gives the slot back;
   * for a failure and an interruption that is done here.
   */
  readonly withSlot: <A, E, R, E2>(
    lane: Lane,
    effect: (slot: Slot) => Effect.Effect<A, E, R>,
    whenFull: Effect.Effect<never, E2>
  ) => Effect.Effect<A, E | E2, R>
  readonly counts: () => Counts
}

/**
 * Tells whoever asks on behalf of others, in a fiber of its own, whether the engine knows of it yet.
 *
 * @since 0.1.0
 * @category models
 */
export interface Ticket {
  /** It stands in the queue: nothing of it has reached the engine. */
  isWaiting: boolean
}

/**
 * The ticket of the start that is asked for, if anybody wants to know.
 *
 * @since 0.1.0
 * @category references
 */
export const StartTicket = Context.Reference<Ticket | undefined>("dockerrun/services/StartQueue/StartTicket", {
  defaultValue: () => undefined
})

/**
 * Is told how many are served before, once a wait has lasted a second, and then every second; and `undefined` when what
 * waited has its slot. Of what waits in the lane `background` nobody is told.
 *
 * @since 0.1.0
 * @category models
 */
export type Watcher = (before: number | undefined) => Effect.Effect<void>

/**
 * Who watches the starts that are asked for, if anybody waits for them in person.
 *
 * @since 0.1.0
 * @category references
 */
export const StartWatcher = Context.Reference<Watcher | undefined>("dockerrun/services/StartQueue/StartWatcher", {
  defaultValue: () => undefined
})

/** Nobody wonders about a wait that is shorter. */
const reportInterval = "1 second"

interface Waiter {
  isAdmitted: boolean
  wake: () => void
}

/**
 * A queue with nobody in it.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = ({ length, onChange = () => {}, onWaited, slots }: Options): StartQueue => {
  const lanes = { begun: new Set<Waiter>(), live: new Set<Waiter>(), background: new Set<Waiter>() }
  let running = 0

  const next = (): Waiter | undefined => {
    for (const lane of [lanes.begun, lanes.live, lanes.background]) {
      for (const waiter of lane) {
        lane.delete(waiter)
        return waiter
      }
    }
    return undefined
  }
  const giveBack = () => {
    const waiter = next()
    if (waiter === undefined) {
      running -= 1
      onChange()
      return
    }
    // The slot changes hands here, so that nobody who comes in between takes it.
    waiter.isAdmitted = true
    onChange()
    waiter.wake()
  }
  const makeSlot = (): Slot => {
    let isHeld = true
    return {
      release: () => {
        if (!isHeld) return
        isHeld = false
        giveBack()
      }
    }
  }

  const before = (waiter: Waiter): number => {
    let count = 0
    for (const lane of [lanes.begun, lanes.live, lanes.background]) {
      for (const other of lane) {
        if (other === waiter) return count
        count += 1
      }
    }
    return count
  }

  const enter = (lane: Set<Waiter>): Waiter => {
    const waiter: Waiter = { isAdmitted: false, wake: () => {} }
    lane.add(waiter)
    onChange()
    return waiter
  }

  /** Waits for a slot, which is the caller's from then on: only the waiting itself can be interrupted. */
  const wait = (
    lane: Set<Waiter>,
    waiter: Waiter,
    restore: <A>(effect: Effect.Effect<A>) => Effect.Effect<A>,
    watcher: Watcher | undefined
  ) => {
    const admitted = restore(
      Effect.callback<void>((resume) => {
        if (waiter.isAdmitted) resume(Effect.void)
        else waiter.wake = () => resume(Effect.void)
      })
    ).pipe(
      Effect.onExit((exit) => {
        if (Exit.isSuccess(exit)) return Effect.void
        lane.delete(waiter)
        if (waiter.isAdmitted) giveBack()
        else onChange()
        return Effect.void
      })
    )
    if (watcher === undefined) return admitted
    const reports = Effect.suspend(() => watcher(before(waiter))).pipe(Effect.delay(reportInterval), Effect.forever)
    return Effect.flatMap(Effect.forkChild(reports), (reporter) =>
      Effect.onExit(admitted, (exit) =>
        Effect.andThen(Fiber.interrupt(reporter), Exit.isSuccess(exit) ? watcher(undefined) : Effect.void)
      )
    )
  }

  return {
    withSlot: <A, E, R, E2>(
      lane: Lane,
      effect: (slot: Slot) => Effect.Effect<A, E, R>,
      whenFull: Effect.Effect<never, E2>
    ) =>
      Effect.uninterruptibleMask((restore): Effect.Effect<A, E | E2, R> => {
        const run = Effect.suspend(() => {
          const slot = makeSlot()
          return Effect.onExit(restore(effect(slot)), (exit) =>
            Exit.isSuccess(exit) ? Effect.void : Effect.sync(slot.release)
          )
        })
        if (running < slots) {
          running += 1
          onChange()
          return run
        }
        if (lane === "live" && lanes.live.size >= length) return whenFull
        // In the step in which no slot was free: one that becomes free later knows of it.
        const waiter = enter(lanes[lane])
        return Effect.gen(function* () {
          const since = yield* Clock.currentTimeMillis
          const ticket = yield* StartTicket
          const watcher = lane === "background" ? undefined : yield* StartWatcher
          if (ticket !== undefined) ticket.isWaiting = true
          return yield* wait(lanes[lane], waiter, restore, watcher).pipe(
            Effect.onExit(() => {
              if (ticket !== undefined) ticket.isWaiting = false
              return Effect.flatMap(Clock.currentTimeMillis, (now) => onWaited(now - since))
            }),
            Effect.andThen(run)
          )
        })
      }),
    counts: () => ({
      running,
      waiting: lanes.begun.size + lanes.live.size + lanes.background.size
    })
  }
}
