/** What happens in one round, and when. The same seed gives the same plan. */

/** What a client runs. */
const kinds = ["echo", "sleep", "flood", "stubborn", "shell", "idle"] as const
export type Kind = (typeof kinds)[number]

/** What happens to a client, or to its container; `none` lets its program end by itself. */
const faults = ["none", "closeStdin", "killClient", "cutNetwork", "killContainer", "removeContainer"] as const
type Fault = (typeof faults)[number]

export type Step =
  | {
      readonly _tag: "Client"
      /** Milliseconds from the begin of the round. */
      readonly at: number
      readonly kind: Kind
      readonly fault: Fault
      /** Milliseconds from the start of the client to its fault; from that of its container to a fault of that. */
      readonly after: number
    }
  | { readonly _tag: "Server"; readonly at: number; readonly signal: "SIGKILL" | "SIGTERM" }
  | { readonly _tag: "Engine"; readonly at: number; readonly how: "KILL" | "TERM"; readonly away: number }
  /** So many clients come while the registry hangs; every other one is killed while it waits. */
  | { readonly _tag: "Pulls"; readonly at: number; readonly clients: number; readonly hangs: number }

export const modes = ["connection", "session", "persistent"] as const
type Mode = (typeof modes)[number]

export interface Plan {
  readonly seed: number
  /** So many processes serve. */
  readonly workers: 1 | 2
  readonly mode: Mode
  /** None but in mode `connection`. */
  readonly pool: number
  readonly waitingPrograms: boolean
  /** The image has an anonymous volume. */
  readonly volume: boolean
  readonly steps: ReadonlyArray<Step>
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
const generator = (seed: number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** How long a connection may be under way when it is hit: before its login, while its container starts, in its program. */
const life = 3000

/** In mode `session` who asks for no program has no container that could be hit. */
const withContainer = (step: Step): Step =>
  step._tag === "Client" && step.kind === "idle" ? { ...step, kind: "sleep" } : step

/** What outlives its connection there when the server is killed has to end with its input: nobody else ends it. */
const withInput = (step: Step): Step =>
  step._tag === "Client" && ["flood", "sleep", "stubborn"].includes(step.kind) ? { ...step, kind: "echo" } : step

export const draw = (seed: number): Plan => {
  const next = generator(seed)
  const upTo = (limit: number) => Math.floor(next() * limit)
  const pick = <A>(from: readonly [A, ...ReadonlyArray<A>]): A => from[upTo(from.length)] ?? from[0]
  const steps: Array<Step> = Array.from({ length: 2 + upTo(5) }, () => ({
    _tag: "Client" as const,
    at: upTo(1000),
    kind: pick(kinds),
    fault: pick(faults),
    after: upTo(life)
  }))
  if (next() < 0.4) steps.push({ _tag: "Server", at: upTo(life), signal: pick(["SIGKILL", "SIGTERM"]) })
  if (next() < 0.25) steps.push({ _tag: "Engine", at: upTo(life), how: pick(["KILL", "TERM"]), away: upTo(1500) })
  if (next() < 0.2) steps.push({ _tag: "Pulls", at: upTo(500), clients: 6 + upTo(8), hangs: 500 + upTo(1500) })
  const [pool, waitingPrograms, volume] = [pick([0, 2]), pick([true, false]), pick([true, false])]
  const workers = pick([1, 2] as const)
  const other = pick(["connection", "connection", "session"] as const)
  const mode: Mode = other === "connection" && next() < 0.3 ? "persistent" : other
  const isKilled = steps.some((step) => step._tag === "Server" && step.signal === "SIGKILL")
  const fit = (step: Step) =>
    mode === "session" ? withContainer(step) : mode === "persistent" && isKilled ? withInput(step) : step
  return {
    seed,
    workers,
    mode,
    pool: mode === "connection" ? pool : 0,
    waitingPrograms,
    volume,
    steps: steps.map(fit)
  }
}

export const isHit = (plan: Plan, part: "Server" | "Engine") => plan.steps.some(({ _tag }) => _tag === part)

export const isServerKilled = (plan: Plan) =>
  plan.steps.some((step) => step._tag === "Server" && step.signal === "SIGKILL")

export const isEngineKilled = (plan: Plan) => plan.steps.some((step) => step._tag === "Engine" && step.how === "KILL")

const describeStep = (step: Step): string => {
  const at = `  ${String(step.at).padStart(4)} ms  `
  switch (step._tag) {
    case "Client":
      return `${at}a client comes (${step.kind}); ${step.fault} after ${step.after} ms`
    case "Server":
      return `${at}the server gets ${step.signal}`
    case "Engine":
      return `${at}the engine is ended by ${step.how}, and back ${step.away} ms later`
    case "Pulls":
      return `${at}the registry hangs for ${step.hangs} ms while ${step.clients} clients come, every other one is killed`
  }
}

export const describePlan = (plan: Plan): string =>
  [
    `seed ${plan.seed}, ${plan.workers} workers, mode ${plan.mode}, pool ${plan.pool}, waiting programs ${plan.waitingPrograms ? "on" : "off"}, ${plan.volume ? "with" : "without"} a volume`,
    ...plan.steps.toSorted((one, other) => one.at - other.at).map(describeStep)
  ].join("\n")
