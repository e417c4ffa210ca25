/** The command `dockerrun` and its subcommands. */
import type * as NodeServices from "@effect/platform-node/NodeServices"
import { Command } from "effect/cli"
import { check } from "./check.ts"
import { doctor } from "./doctor.ts"
import { hashPassword } from "./hashPassword.ts"
import { reap } from "./reap.ts"
import { schema } from "./schema.ts"
import { serve } from "./serve.ts"
import { tryOut } from "./try.ts"

// The type is spelled out, because the compiler cannot name all that it would infer.
export const root: Command.Command<"dockerrun", {}, {}, Error, NodeServices.NodeServices> = Command.make(
  "dockerrun"
).pipe(
  Command.withDescription("One container per SSH connection, one program per channel"),
  Command.withSubcommands([serve, tryOut, check, doctor, hashPassword, reap, schema])
)
