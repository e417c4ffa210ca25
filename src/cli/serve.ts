/** `dockerrun serve`: the server. */
import * as Effect from "effect/Effect"
import { Command } from "effect/cli"
import * as App from "../App.ts"
import { config } from "./flags.ts"

export const serve = Command.make(
  "serve",
  { config },
  Effect.fn(({ config: path }) => App.serve(() => Effect.void).pipe(Effect.provide(App.configFile(path))))
).pipe(
  Command.withDescription("Serve SSH: a container for each connection, a program for each channel"),
  Command.withExamples([
    { command: "dockerrun serve --config /etc/dockerrun.yaml", description: "Serve as configured" }
  ])
)
