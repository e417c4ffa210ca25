/**
 * Seeing what happens: a `Logger` of one's own, a metric and a span around each start of a container. Nothing of the
 * backend is touched: services are replaced, or wrapped, by layers.
 */
import { Duration, Effect, Exit, Layer, Metric } from "effect"
import { Docker, DockerRun, Logger } from "../src/index.ts"

/** Buckets in seconds, from a warm engine to one that is in trouble. */
export const startSeconds = Metric.histogram("container_start_seconds", {
  description: "How long the engine takes to start a container",
  boundaries: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
})

export const starts = Metric.counter("container_starts_total", {
  description: "Containers that were started, or could not be, by outcome",
  incremental: true
})

const outcome = (exit: Exit.Exit<unknown, unknown>) => (Exit.isSuccess(exit) ? "started" : "failed")

/** Any `Docker`, observed. It needs one and gives one, so it goes between an engine and whoever uses it. */
export const observedDocker = Layer.effect(
  Docker,
  Effect.map(Docker, (docker) =>
    Docker.of({
      ...docker,
      startContainer: (id) =>
        docker.startContainer(id).pipe(
          Effect.trackDuration(startSeconds, Duration.toSeconds),
          Effect.onExit((exit) => Metric.update(Metric.withAttributes(starts, { outcome: outcome(exit) }), 1)),
          Effect.withSpan("container.start", { kind: "client", attributes: { "container.id": id } })
        )
    })
  )
)

/** Warnings and errors go to whoever is on duty; everything goes to the app's log, with a name of its own. */
export const pagingLogger = (page: (code: string, message: string) => Effect.Effect<void>) =>
  Layer.effect(
    Logger,
    Effect.map(Logger, (logger) =>
      Logger.of({
        log: (event) => {
          const log = logger.log({ ...event, fields: { ...event.fields, service: "sandbox" } })
          const isUrgent = event.level === "warning" || event.level === "error"
          return isUrgent ? Effect.andThen(log, page(event.code, event.message)) : log
        }
      })
    )
  ).pipe(Layer.provide(Logger.layer))

/** The backend over an observed engine. It still needs the engine itself, a configuration and a logger. */
export const observedBackend = DockerRun.layer.pipe(Layer.provide(observedDocker))
