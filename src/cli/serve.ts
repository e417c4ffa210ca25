/** `dockerrun serve`: the server. */
import * as Effect from "effect/Effect"
import { Command, Flag } from "effect/cli"
import * as App from "../App.ts"
import { WorkerCount } from "../schema/WorkerCount.ts"
import { config } from "./flags.ts"

const workers = Flag.String("workers").pipe(
  Flag.withSchema(WorkerCount),
  Flag.withDescription("How many processes serve: a number, or auto for one per processor"),
  Flag.withDefault(1)
)

export const serve = Command.make(
  "serve",
  { config, workers },
  Effect.fn(({ config: path, workers }) => App.serveWith(workers).pipe(Effect.provide(App.configFile(path))))
).pipe(
  Command.withDescription("Serve SSH: a container for each connection, a program for each channel"),
  Command.withExamples([
    { command: "dockerrun serve --config /etc/dockerrun.yaml", description: "Serve as configured" },
    { command: "dockerrun serve --config /etc/dockerrun.yaml --workers auto", description: "On every processor" }
  ])
)
