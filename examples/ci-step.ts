/**
 * A build service that runs its steps in containers and speaks to its users in its own errors.
 *
 * What can go wrong below stands in the types, so the compiler says what is still to be decided: a handler for every
 * family of errors, and for each reason on which this service acts differently.
 */
import { randomBytes } from "node:crypto"
import { Duration, Effect, Schedule, Schema, Stream } from "effect"
import { ByteSink, ChannelId, ConnectionId, DockerRun, ProgramExit } from "../src/index.ts"

/** The person can mend it: the pipeline's file says something that does not work. */
export class StepInvalid extends Schema.TaggedError<StepInvalid>()("StepInvalid", { hint: Schema.String }) {
  override get message() {
    return this.hint
  }
}

/** Nobody needs to do anything but wait. */
export class Busy extends Schema.TaggedError<Busy>()("Busy", { retryAfter: Schema.Duration }) {
  override get message() {
    return `no capacity at the moment, again in ${Duration.format(this.retryAfter)}`
  }
}

/** We have to look; the person gets a number to quote. */
export class OurFault extends Schema.TaggedError<OurFault>()("OurFault", {
  code: Schema.String,
  connection: ConnectionId,
  cause: Schema.Defect()
}) {
  override get message() {
    return `something is broken on our side (${this.code}, ${this.connection})`
  }
}

const execute = Effect.fnUntraced(function* (command: string) {
  const { connect } = yield* DockerRun
  const connectionId = ConnectionId.make(randomBytes(16).toString("hex"))
  const connection = yield* connect({ connectionId, username: "ci", address: "127.0.0.1" })
  const session = yield* connection.session(ChannelId.make(0))
  const admitted = yield* session.exec(command)
  const output = yield* ByteSink.makePipe()
  const program = yield* admitted.start({ stdout: output.sink, stderr: ByteSink.discard })
  program.stdin.end()
  const log = Stream.mkString(Stream.decodeText(output.stream))
  // Both at once: the output of a program that could not be started, or was lost, has no end.
  return yield* Effect.all(
    { log, exitStatus: Effect.map(program.exit, ProgramExit.status) },
    { concurrency: "unbounded" }
  )
}, Effect.scoped)

/** Runs one step. A step that fails is a result; an error is a step that could not be run. */
export const runStep = Effect.fn("ci.runStep")(function* (command: string) {
  return yield* execute(command).pipe(
    Effect.catchReasons(
      "ContainerError",
      {
        ImageNotFound: ({ image }) => new StepInvalid({ hint: `there is no image ${image}: check its spelling` }),
        ImageReferenceInvalid: ({ image }) => new StepInvalid({ hint: `${image} does not name an image` }),
        RegistryDenied: ({ image }) => new StepInvalid({ hint: `${image} is private: add credentials for it` }),
        EngineUnreachable: () => new Busy({ retryAfter: Duration.seconds(30) }),
        ContainerTimedOut: ({ seconds }) => new Busy({ retryAfter: Duration.seconds(seconds) })
      },
      (_, error) => new OurFault({ code: error.code, connection: error.connectionId, cause: error })
    ),
    Effect.catchReason(
      "ProgramError",
      "ProgramNotFound",
      ({ program }) => new StepInvalid({ hint: `the image has no ${program}` }),
      (_, error) => new OurFault({ code: error.code, connection: error.connectionId, cause: error })
    )
  )
})

/** What is left are three errors of our own, and policies on them are one line each. */
export const runPatiently = (command: string) =>
  runStep(command).pipe(
    Effect.retry({ times: 3, schedule: Schedule.spaced("30 seconds"), while: (error) => error._tag === "Busy" })
  )
