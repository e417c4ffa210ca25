/** What can go wrong stands in the types, and each way of going wrong can be met by itself. */
import { Effect, Stream } from "effect"
import { ConnectionId } from "../src/index.ts"
import { run } from "./job.ts"

const job = run({ id: ConnectionId.make("00c0ffee"), command: "make test" }, Stream.empty)

/** One reason handled, the others left as they are. */
export const withoutImage = job.pipe(
  Effect.catchReason("ContainerError", "ImageMissing", ({ image }) =>
    Effect.succeed({ lines: [`first run: docker pull ${image}`], exitStatus: 125 })
  )
)

/** Several reasons of two errors; whatever is left ends up in the last handler. */
export const status = job.pipe(
  Effect.map(({ exitStatus }) => exitStatus),
  Effect.catchReasons("ContainerError", {
    EngineUnreachable: () => Effect.succeed("try again later" as const),
    ContainerTimedOut: ({ step }) => Effect.succeed(`slow: ${step}` as const)
  }),
  Effect.catchTag("ProgramError", ({ exitStatus }) => Effect.succeed(exitStatus)),
  Effect.tapError(({ code, message }) => Effect.logError(message).pipe(Effect.annotateLogs({ code })))
)
