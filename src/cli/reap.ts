/** `dockerrun reap`: removes what servers that are gone have left on an engine. */
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Command, Flag } from "effect/cli"
import * as App from "../App.ts"
import * as FileInstance from "../layers/FileInstance.ts"
import * as GoDuration from "../schema/GoDuration.ts"
import { InstanceId } from "../schema/InstanceId.ts"
import * as Reaper from "../services/Reaper.ts"
import { config } from "./flags.ts"

class SelectionInvalid extends Schema.TaggedError<SelectionInvalid>("dockerrun/SelectionInvalid")(
  "SelectionInvalid",
  {}
) {
  override get message(): string {
    return "name either a server (--instance NAME) or an age (--all-stale AGE, such as 24h)"
  }
}

/** Something is still there; what, has been printed. */
class NotReaped extends Schema.TaggedError<NotReaped>("dockerrun/NotReaped")("NotReaped", { failures: Schema.Int }) {
  override get message(): string {
    return this.failures === 1 ? "1 was not removed" : `${this.failures} were not removed`
  }
}

/** Without a file nothing says which shell to run, and nobody here needs one. */
const withoutFile = JSON.stringify({ dockerrun: { config: { disableShell: true } } })

const instance = Flag.String("instance").pipe(
  Flag.withSchema(InstanceId),
  Flag.withDescription("Containers of the server with this name (the label dockerrun_instance)"),
  Flag.optional
)

const allStale = Flag.String("all-stale").pipe(
  Flag.withSchema(GoDuration.PositiveGoDuration),
  Flag.map(Duration.toMillis),
  Flag.withDescription("Containers of any server that were made longer ago than this (24h, 90m)"),
  Flag.optional
)

const dryRun = Flag.Boolean("dry-run").pipe(
  Flag.withDescription("Only print what would be removed"),
  Flag.withDefault(false)
)

const selection = (
  id: Option.Option<InstanceId>,
  age: Option.Option<number>
): Effect.Effect<Reaper.Selection, SelectionInvalid> => {
  if (Option.isSome(id) && Option.isNone(age)) return Effect.succeed({ _tag: "Instance", id: id.value })
  if (Option.isNone(id) && Option.isSome(age)) return Effect.succeed({ _tag: "Stale", age: Duration.millis(age.value) })
  return Effect.fail(new SelectionInvalid())
}

const ageText = (age: Duration.Duration): string =>
  GoDuration.format(BigInt(Math.floor(Duration.toSeconds(age))) * 1_000_000_000n)

const nameOf = ({ left }: Reaper.Candidate): string =>
  (left._tag === "Container" ? left.container.id : left.volume.name).slice(0, 12)

const described = (candidate: Reaper.Candidate): string => {
  const { age, instance, left } = candidate
  const { labels } = left._tag === "Container" ? left.container : left.volume
  return [
    nameOf(candidate),
    `of ${instance}`,
    left._tag === "Container" ? left.container.status : "a volume without a container",
    `made ${ageText(age)} ago`,
    `for ${labels["containerssh_username"] ?? "nobody"}`
  ].join(", ")
}

const reasons = {
  "server runs": "its server runs",
  "not stale": "it is not old enough"
} as const

const line = (candidate: Reaper.Candidate): string =>
  candidate.spared === undefined
    ? `remove  ${described(candidate)}`
    : `spare   ${described(candidate)}: ${reasons[candidate.spared]}`

const run = Effect.fnUntraced(function* (chosen: Reaper.Selection, isDry: boolean) {
  const candidates = yield* Reaper.select(chosen, yield* FileInstance.knownBoots)
  yield* Effect.forEach(candidates, (candidate) => Console.log(line(candidate)), { discard: true })
  const doomed = candidates.filter(({ spared }) => spared === undefined)
  if (isDry || doomed.length === 0) {
    return yield* Console.log(`${doomed.length} to remove${isDry ? "; nothing was done" : ""}`)
  }
  const outcomes = yield* Effect.forEach(doomed, (candidate) =>
    Effect.result(Reaper.reap(candidate)).pipe(
      Effect.tap((outcome) =>
        Result.isFailure(outcome) ? Console.error(`${nameOf(candidate)}: ${outcome.failure.message}`) : Effect.void
      )
    )
  )
  const failures = outcomes.filter(Result.isFailure).length
  yield* Console.log(`${outcomes.length - failures} removed`)
  if (failures > 0) return yield* new NotReaped({ failures })
})

export const reap = Command.make(
  "reap",
  { config, instance, allStale, dryRun },
  Effect.fn(function* ({ allStale: age, config: path, dryRun: isDry, instance: id }) {
    const chosen = yield* selection(id, age)
    const configuration = Option.isSome(path) ? App.configFile(path) : App.configText(withoutFile)
    yield* run(chosen, isDry).pipe(Effect.provide(Layer.provideMerge(App.engine, configuration)))
  })
).pipe(
  Command.withDescription("Remove containers that servers have left behind; print first which"),
  Command.withExamples([
    { command: "dockerrun reap --instance web-1", description: "All containers of a server that is gone for good" },
    { command: "dockerrun reap --all-stale 24h --dry-run", description: "What would go that is older than a day" }
  ])
)
