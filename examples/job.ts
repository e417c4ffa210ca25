/** The backend without SSH: a command in a container of its own, with `Stream`s for its input and its output. */
import { Effect, Stream } from "effect"
import { ByteSink, ChannelId, ConnectionId, DockerRun, ProgramExit } from "../src/index.ts"

/** Runs a command line; when it is over, or interrupted, nothing is left of its container. */
export const run = Effect.fn("job.run")(function* <E>(
  job: { readonly id: ConnectionId; readonly command: string },
  input: Stream.Stream<Uint8Array, E>
) {
  const { connect } = yield* DockerRun
  const connection = yield* connect({ connectionId: job.id, username: "job", address: "127.0.0.1" })
  const session = yield* connection.session(ChannelId.make(0))
  const { start } = yield* session.exec(job.command)

  const stdout = yield* ByteSink.makePipe()
  const program = yield* start({ stdout: stdout.sink, stderr: ByteSink.discard })
  const lines = stdout.stream.pipe(Stream.decodeText, Stream.splitLines, Stream.runCollect)
  // A program may end without having read all of its input; an input that fails ends the job.
  const feed = Effect.andThen(Stream.run(input, ByteSink.toSink(program.stdin)), Effect.never)
  return { lines: yield* Effect.raceFirst(lines, feed), exitStatus: ProgramExit.status(yield* program.exit) }
}, Effect.scoped)

/** Counts the lines of a text, in a container. */
export const countLines = (id: ConnectionId, text: string) =>
  run({ id, command: "wc -l" }, Stream.make(text).pipe(Stream.encodeText))

/** Ids are for the caller to make: 8 to 64 hexadecimal digits, different for each connection. */
export const firstJob = countLines(ConnectionId.make("00c0ffee"), "one\ntwo\n")
