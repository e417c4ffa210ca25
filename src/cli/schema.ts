/** `dockerrun schema`: the JSON Schema of the configuration, for editors. */
import * as Console from "effect/Console"
import { Command } from "effect/cli"
import { configJsonSchema } from "../schema/ConfigJsonSchema.ts"

export const schema = Command.make("schema", {}, () =>
  Console.log(JSON.stringify(configJsonSchema(), undefined, 2))
).pipe(
  Command.withDescription("Print the JSON Schema of the configuration file, for editors"),
  Command.withExamples([
    { command: "dockerrun schema > dockerrun.schema.json", description: "Keep it beside the configuration" }
  ])
)
