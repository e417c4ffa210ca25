/** Rounds, one after the other. A plan that fails is made as short as it can be while it still fails. */
import * as Effect from "effect/Effect"
import type { HarnessError } from "../support/HarnessError.ts"
import { describePlan, draw, type Plan } from "./Plan.ts"
import type { PrivateEngine } from "./PrivateEngine.ts"
import { round, type RoundReport } from "./Round.ts"

/** How often a plan that fails is tried in a shorter form. */
const attempts = 12

/** Leaves out one step after the other, for good where it fails without. */
const shrink = (plan: Plan, error: HarnessError, engine: PrivateEngine) =>
  Effect.gen(function* () {
    let shortest = plan
    let why = error
    let tried = 0
    for (const step of plan.steps) {
      if (tried >= attempts || shortest.steps.length === 1) break
      tried += 1
      const shorter = { ...shortest, steps: shortest.steps.filter((one) => one !== step) }
      const result = yield* Effect.result(round(shorter, engine))
      if (result._tag === "Success") continue
      shortest = shorter
      why = result.failure
    }
    return { plan: shortest, error: why }
  })

interface Failure {
  readonly plan: Plan
  readonly error: HarnessError
  readonly shrunk: { readonly plan: Plan; readonly error: HarnessError }
}

export interface CampaignReport {
  readonly rounds: ReadonlyArray<RoundReport & { readonly plan: Plan }>
  readonly failures: ReadonlyArray<Failure>
}

/** Runs the seeds in turn, and stops to begin another round when the time is up. */
export const campaign = (
  engine: PrivateEngine,
  settings: {
    readonly seeds: Iterable<number>
    readonly minutes: number
    readonly say: (text: string) => void
    readonly shrinks?: boolean
  }
): Effect.Effect<CampaignReport> =>
  Effect.gen(function* () {
    const until = performance.now() + settings.minutes * 60_000
    const rounds: Array<CampaignReport["rounds"][number]> = []
    const failures: Array<Failure> = []
    for (const seed of settings.seeds) {
      if (performance.now() >= until) break
      const plan = draw(seed)
      const started = performance.now()
      const result = yield* Effect.result(round(plan, engine))
      const seconds = ((performance.now() - started) / 1000).toFixed(1)
      if (result._tag === "Success") {
        rounds.push({ ...result.success, plan })
        const { clients, echoed, harmed, reaped } = result.success
        settings.say(
          `seed ${seed}: ${clients} clients, ${harmed} harmed, ${echoed} bytes echoed, ${reaped.length} reaped, ${seconds} s${reaped.map((one) => `\n  ${one}`).join("")}`
        )
      } else {
        settings.say(`seed ${seed} FAILED after ${seconds} s: ${result.failure.message}\n${describePlan(plan)}`)
        const shrunk =
          settings.shrinks === false ? { plan, error: result.failure } : yield* shrink(plan, result.failure, engine)
        settings.say(
          `the shortest plan of seed ${seed} that fails:\n${describePlan(shrunk.plan)}\n${shrunk.error.message}`
        )
        failures.push({ plan, error: result.failure, shrunk })
      }
    }
    return { rounds, failures }
  })
