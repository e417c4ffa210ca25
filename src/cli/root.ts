/** The command `dockerrun` and its subcommands. */
import { Command } from "effect/cli"
import { serve } from "./serve.ts"
import { tryOut } from "./try.ts"

export const root = Command.make("dockerrun").pipe(
  Command.withDescription("One container per SSH connection, one program per channel"),
  Command.withSubcommands([serve, tryOut])
)
