/** Flags that several commands have. */
import { Flag } from "effect/cli"

export const config = Flag.File("config", { mustExist: false }).pipe(
  Flag.withAlias("c"),
  Flag.withDescription("The configuration, YAML or JSON; without it defaults and DOCKERRUN_… variables apply"),
  Flag.optional
)
