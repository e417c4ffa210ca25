/**
 * SIGTERM and SIGINT, as an operator sends them to a server that takes its time to end.
 *
 * @since 0.1.0
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Logger } from "../services/Logger.ts"
import { ProcessExit, Shutdown } from "../services/Shutdown.ts"
import { SshConfig } from "../services/SshConfig.ts"

/** What a process that did not finish ends with. */
const unfinished = 1

/**
 * The first signal is for whoever runs the program, and begins its end; the process ends, with 0, `ssh.shutdownTimeout`
 * after the grace period, whatever still goes on. The second takes what is left of that period from the programs, the
 * third ends the process at once, with 1. What is not removed then is for the dead man's switch.
 *
 * It is for a process that is the server's own: it listens for as long as the process lives, because the end that it
 * watches includes the closing of every layer.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<never, never, Logger | SshConfig> = Layer.effect(
  Shutdown,
  Effect.gen(function* () {
    const { shutdownGracePeriod, shutdownTimeout } = yield* SshConfig
    const logger = yield* Logger
    const exit = yield* ProcessExit
    const fork = Effect.runForkWith(yield* Effect.context<never>())
    const hurry = yield* Deferred.make<void>()
    let signals = 0

    const exitInAnyCase = () =>
      fork(
        logger
          .log({
            level: "warning",
            code: "SHUTDOWN_CUT_SHORT",
            message: `not everything was done ${Duration.format(shutdownTimeout)} after the grace period: containers may be left to the dead man's switch`
          })
          .pipe(Effect.andThen(Effect.sync(() => exit(0))))
      )
    const exitAfter = (duration: Duration.Duration) => setTimeout(exitInAnyCase, Duration.toMillis(duration)).unref()
    const onSignal = () => {
      signals += 1
      if (signals === 1) exitAfter(Duration.sum(shutdownGracePeriod, shutdownTimeout))
      if (signals === 2) {
        Deferred.doneUnsafe(hurry, Effect.void)
        exitAfter(shutdownTimeout)
      }
      if (signals > 2) exit(unfinished)
    }
    process.on("SIGTERM", onSignal)
    process.on("SIGINT", onSignal)
    return { hurry: Deferred.await(hurry) }
  })
)
