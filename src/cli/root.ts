/** The command `dockerrun` and its subcommands. */
import { Command } from "effect/cli"
import { check } from "./check.ts"
import { doctor } from "./doctor.ts"
import { hashPassword } from "./hashPassword.ts"
import { schema } from "./schema.ts"
import { serve } from "./serve.ts"
import { tryOut } from "./try.ts"

export const root = Command.make("dockerrun").pipe(
  Command.withDescription("One container per SSH connection, one program per channel"),
  Command.withSubcommands([serve, tryOut, check, doctor, hashPassword, schema])
)
