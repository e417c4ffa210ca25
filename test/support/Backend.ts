/** The backend over an engine in memory: everything real but the engine, in virtual time. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import * as InMemoryDocker from "../../src/layers/InMemoryDocker.ts"
import type { DockerRunSettings } from "../../src/schema/DockerRunConfig.ts"
import { ChannelId, ConnectionId } from "../../src/schema/Identifiers.ts"
import { DockerRun } from "../../src/services/DockerRun.ts"
import { DockerRunConfig } from "../../src/services/DockerRunConfig.ts"
import * as EngineCircuit from "../../src/services/EngineCircuit.ts"
import * as EngineGate from "../../src/services/EngineGate.ts"
import { type LogEvent, Logger } from "../../src/services/Logger.ts"

export const image = "dockerrun-test/tiny:1"

/** What was logged so far. */
export class RecordedLog extends Context.Service<
  RecordedLog,
  { readonly codes: Effect.Effect<ReadonlyArray<string>>; readonly events: Effect.Effect<ReadonlyArray<LogEvent>> }
>()("test/RecordedLog") {}

const recording = Layer.effectContext(
  Effect.sync(() => {
    const events: Array<LogEvent> = []
    return Context.make(Logger, {
      log: (event) => Effect.sync(() => void events.push(event))
    }).pipe(
      Context.add(RecordedLog, {
        codes: Effect.sync(() => events.map(({ code }) => code)),
        events: Effect.sync(() => [...events])
      })
    )
  })
)

type Section = (typeof DockerRunSettings.Encoded)["config"]
type Limits = (typeof DockerRunSettings.Encoded)["limits"]

/** The backend with the image {@link image} on the engine, which is behind its gate as in the program. */
export const backend = (engine: InMemoryDocker.Options = {}, config: Section = {}, limits: Limits = {}) =>
  DockerRun.layer.pipe(
    Layer.provideMerge(EngineCircuit.layer.pipe(Layer.provide(EngineGate.layer))),
    Layer.provideMerge(
      Layer.mergeAll(
        InMemoryDocker.layer({ images: { [image]: {} }, ...engine }),
        DockerRunConfig.layer({
          // The engine's calls are counted here: those that get ready for a next program come whenever there is time.
          config: { container: { Image: image }, shellCommand: ["/bin/sh"], waitingPrograms: false, ...config },
          limits
        }).pipe(Layer.orDie),
        recording
      )
    )
  )

/** The client number so-and-so. */
export const client = (number = 1) => ({
  connectionId: ConnectionId.make(number.toString(16).padStart(32, "0")),
  username: "alice",
  address: "192.0.2.7"
})

export const channelId = (number = 0) => ChannelId.make(number)

/** A place for a program's output, and what came to it. */
export const makeOutput = () => {
  const sink = () => {
    let text = ""
    return {
      text: () => text,
      sink: {
        write: (chunk: Uint8Array) => {
          text += new TextDecoder().decode(chunk)
          return true
        },
        end: () => {},
        onDrain: () => {}
      }
    }
  }
  const stdout = sink()
  const stderr = sink()
  return { output: { stdout: stdout.sink, stderr: stderr.sink }, stdout: stdout.text, stderr: stderr.text }
}

/** A connection in a Scope of its own, and the way to end it. */
export const open = Effect.fnUntraced(function* (number: number = 1) {
  const scope = yield* Scope.make()
  const { connect } = yield* DockerRun
  const connection = yield* connect(client(number)).pipe(Scope.provide(scope))
  return { connection, scope, close: Scope.close(scope, Exit.void) }
})

/** Lets virtual time pass until the effect has ended, but no more than the given time; says how long it took. */
export const inTime = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>, seconds: number) {
  const fiber = yield* Effect.forkChild(Effect.exit(effect), { startImmediately: true })
  const clock = yield* TestClock.testClockWith((testClock) => Effect.succeed(testClock))
  const start = clock.currentTimeMillisUnsafe()
  for (let step = 0; step <= seconds * 10; step += 1) {
    yield* TestClock.adjust(step === 0 ? 0 : 100)
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) {
      return { exit: yield* Fiber.join(fiber), millis: clock.currentTimeMillisUnsafe() - start }
    }
  }
  yield* Fiber.interrupt(fiber)
  return yield* Effect.die(`it has not ended within ${seconds} s of virtual time`)
})
