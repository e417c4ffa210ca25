/**
 * A circuit in front of an engine: one that is gone is not asked by everybody, again and again.
 *
 * When nothing has answered three times in a row, the engine is asked who it is. If there is no answer to that either,
 * the circuit is open: requests fail at once, without reaching for the engine, and whoever tries again waits until it is
 * closed. Meanwhile one fiber asks for the engine, after pauses that grow to two seconds.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Stream from "effect/Stream"
import { DockerError, Unreachable } from "../schema/DockerError.ts"
import { Docker } from "./Docker.ts"
import { EngineState } from "./EngineState.ts"
import { Logger } from "./Logger.ts"
import * as Retry from "./Retry.ts"
import { StatusBoard } from "./StatusBoard.ts"

/** A connection that breaks, or two, may have reasons of its own. */
const threshold = 3

/** An engine that is well says who it is in milliseconds. */
const answerTime = "5 seconds"

const make = Effect.gen(function* () {
  const docker = yield* Docker
  const logger = yield* Logger
  const scope = yield* Effect.scope
  const board = yield* StatusBoard
  let unanswered = 0
  let isProbing = false
  let open: { readonly closed: Deferred.Deferred<void>; readonly since: number } | undefined
  let reason = new Unreachable({ address: "the engine", message: "nothing answers" })

  const probe = docker.info.pipe(
    Effect.timeoutOrElse({
      duration: answerTime,
      orElse: () => Effect.fail(new DockerError({ operation: "info", reason }))
    }),
    // Whatever it says, it is there.
    Effect.catchIf(
      (error) => error.reason._tag !== "Unreachable",
      () => Effect.void
    )
  )
  const lost = Effect.fnUntraced(function* (cause: DockerError) {
    if (open !== undefined) return
    const since = yield* Clock.currentTimeMillis
    open = { closed: yield* Deferred.make<void>(), since }
    board.engine({ _tag: "Lost", since, reason: cause.reason.message })
    yield* logger.log({
      level: "error",
      code: "ENGINE_LOST",
      message: "the container engine does not answer any more; connections wait for it within their timeout",
      cause
    })
  })
  const back = Effect.gen(function* () {
    isProbing = false
    unanswered = 0
    if (open === undefined) return
    const { closed, since } = open
    open = undefined
    board.engine({ _tag: "Answers" })
    const awayMs = (yield* Clock.currentTimeMillis) - since
    yield* logger.log({
      level: "notice",
      code: "ENGINE_BACK",
      message: "the container engine answers again",
      fields: { awayMs }
    })
    yield* Deferred.succeed(closed, undefined)
  })
  const watch = probe.pipe(
    Effect.tapError(lost),
    Effect.retry(Retry.backOff),
    // A retry without an end does not fail.
    Effect.ignore,
    Effect.andThen(back),
    // It is not of the connection that happened to notice it first.
    Effect.provideService(References.CurrentLogAnnotations, yield* References.CurrentLogAnnotations)
  )

  const note = (exit: Exit.Exit<unknown, DockerError>): Effect.Effect<void> => {
    if (Exit.isSuccess(exit)) {
      unanswered = 0
      return Effect.void
    }
    const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
    // Whoever gave up has learned nothing about the engine.
    if (error === undefined) return Effect.void
    if (error.reason._tag !== "Unreachable") {
      unanswered = 0
      return Effect.void
    }
    reason = error.reason
    unanswered += 1
    if (unanswered < threshold || isProbing) return Effect.void
    isProbing = true
    return Effect.asVoid(Effect.forkIn(watch, scope))
  }
  const refusal = (operation: string) => new DockerError({ operation, reason })

  const guard = <A, R>(operation: string, request: Effect.Effect<A, DockerError, R>) =>
    Effect.suspend(() => (open === undefined ? Effect.onExit(request, note) : Effect.fail(refusal(operation))))
  const guardStream = <A>(operation: string, stream: Stream.Stream<A, DockerError>) =>
    Stream.suspend(() => (open === undefined ? Stream.onExit(stream, note) : Stream.fail(refusal(operation))))

  return Context.make(
    Docker,
    Docker.of({
      info: guard("info", docker.info),
      inspectImage: (reference) => guard("inspect image", docker.inspectImage(reference)),
      pullImage: (reference, options) => guardStream("pull image", docker.pullImage(reference, options)),
      createContainer: (spec) => guard("create container", docker.createContainer(spec)),
      startContainer: (id) => guard("start container", docker.startContainer(id)),
      inspectContainer: (id) => guard("inspect container", docker.inspectContainer(id)),
      attachContainer: (id, options) => guard("attach container", docker.attachContainer(id, options)),
      waitContainer: (id, condition) => guard("wait for container", docker.waitContainer(id, condition)),
      killContainer: (id, signal) => guard("kill container", docker.killContainer(id, signal)),
      resizeContainer: (id, size) => guard("resize container", docker.resizeContainer(id, size)),
      removeContainer: (id, options) => guard("remove container", docker.removeContainer(id, options)),
      renameContainer: (id, name) => guard("rename container", docker.renameContainer(id, name)),
      listContainers: (labels) => guard("list containers", docker.listContainers(labels)),
      listVolumes: (labels) => guard("list volumes", docker.listVolumes(labels)),
      removeVolume: (name) => guard("remove volume", docker.removeVolume(name)),
      statPath: (id, path) => guard("stat path", docker.statPath(id, path)),
      getArchive: (id, path) => guardStream("get archive", docker.getArchive(id, path)),
      putArchive: (id, path, archive) => guard("put archive", docker.putArchive(id, path, archive)),
      createExec: (id, spec) => guard("create exec", docker.createExec(id, spec)),
      startExec: (id, options) => guard("start exec", docker.startExec(id, options)),
      resizeExec: (id, size) => guard("resize exec", docker.resizeExec(id, size)),
      inspectExec: (id) => guard("inspect exec", docker.inspectExec(id)),
      containerEvents: (labels) => guardStream("container events", docker.containerEvents(labels))
    })
  ).pipe(
    Context.add(EngineState, {
      isLost: () => open !== undefined,
      found: Effect.suspend(() => (open === undefined ? Effect.void : Deferred.await(open.closed)))
    })
  )
})

/**
 * The engine of the context behind the circuit, and `EngineState` for those who try again.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<Docker, never, Docker | Logger> = Layer.effectContext(make)
