/**
 * The thread of one virtual container, as the engine holds it: starts it, passes messages, watches its use of the CPU,
 * and ends it.
 *
 * @since 0.1.0
 */
import { Worker } from "node:worker_threads"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import {
  control,
  type Found,
  type FromContainer,
  type Run,
  type Setup,
  type Stop,
  type ToContainer
} from "./Protocol.ts"

/**
 * Why a container has ended on its own, or rather not on its own.
 *
 * @internal
 */
export type Death = "removed" | "memory" | "overtime" | { readonly cause: unknown }

/**
 * What a container may use beside its files and its output.
 *
 * @internal
 */
export interface MachineLimits {
  readonly cpuTime: Duration.Duration
  /** Bytes. */
  readonly memory: number
}

type RunMessage = Extract<FromContainer, { readonly id: number }>

/**
 * A program in the container.
 *
 * @internal
 */
export interface RunningShell {
  readonly id: number
  /** What it says; `Exited` comes last, also when its container ends first. */
  readonly messages: Queue.Dequeue<RunMessage>
  readonly post: (message: Exclude<ToContainer, { readonly request: number } | Run>) => void
  readonly stop: (reason: Stop) => void
  /** What the last word of a line could become. */
  readonly complete: (line: string, done: (candidates: ReadonlyArray<string>) => void) => void
}

/**
 * @internal
 */
export interface VirtualMachine {
  readonly find: (command: string, workingDirectory: string) => Effect.Effect<Found>
  /** Runs a program, which ends with the Scope. */
  readonly run: (request: Omit<Run, "_tag" | "id" | "control">) => Effect.Effect<RunningShell, never, Scope.Scope>
  /** Waits for the end of the container. */
  readonly death: Effect.Effect<Death>
  /** Waits until the programs in it have told their readers that it has ended. */
  readonly quiet: Effect.Effect<void>
  /** Whether it has ended, and why. */
  readonly deathNow: Effect.Effect<Death | undefined>
}

/** How often the use of the CPU is looked at. */
const watchInterval = "250 millis"

/** How long a container may take to act on being told to stop, in CPU time, before it is ended as a whole. */
const stopGrace = 2000

const megabyte = 1_048_576

/** Exit status of what was killed. */
const killed = 137

interface Entry {
  readonly word: Int32Array
  readonly messages: Queue.Queue<RunMessage>
  /** What the thread had used when the program was given something to do; undefined while it waits for commands. */
  busySince: number | undefined
  /** What the thread had used when the program was told to stop. */
  stoppingSince: number | undefined
}

const isRunMessage = (message: FromContainer): message is RunMessage => "id" in message

/** Source or built: the thread's file has the extension of this one. */
const threadFile = new URL(import.meta.url.endsWith(".ts") ? "ShellWorker.ts" : "ShellWorker.js", import.meta.url)

/**
 * Starts the thread, which ends with the Scope.
 *
 * @internal
 */
export const make = Effect.fnUntraced(function* (
  setup: Setup,
  limits: MachineLimits
): Effect.fn.Return<VirtualMachine, never, Scope.Scope> {
  const death = Deferred.makeUnsafe<Death>()
  const runs = new Map<number, Entry>()
  const unsettled = new Set<number>()
  const settled = Latch.makeUnsafe(true)
  const answers = new Map<number, (answer: FromContainer) => void>()
  // As in a container, process 1 is there already.
  let lastId = 1
  let lastRequest = 0
  let isReady = false

  const worker = yield* Effect.acquireRelease(
    Effect.sync(
      () =>
        new Worker(threadFile, {
          workerData: setup,
          name: `container ${setup.identity.hostname}`,
          // Nothing of this process is the container's to know.
          env: {},
          argv: [],
          execArgv: ["--no-warnings"],
          resourceLimits: { maxOldGenerationSizeMb: Math.ceil(limits.memory / megabyte), maxYoungGenerationSizeMb: 16 }
        })
    ),
    (thread) =>
      Effect.suspend(() => {
        die("removed")
        return Effect.promise(() => thread.terminate())
      })
  )

  const die = (reason: Death) => {
    if (!Deferred.doneUnsafe(death, Effect.succeed(reason))) return
    for (const [id, { messages }] of runs) Queue.offerUnsafe(messages, { _tag: "Exited", id, status: killed })
    for (const answer of answers.values()) answer({ _tag: "FindAnswer", request: 0, found: 127 })
    void worker.terminate()
  }
  const post = (message: ToContainer) => worker.postMessage(message, [])
  const used = () => worker.performance.eventLoopUtilization().active

  worker.on("message", (message: FromContainer) => {
    if (isRunMessage(message)) {
      const entry = runs.get(message.id)
      if (entry === undefined) return
      if (message._tag === "Prompt" || message._tag === "Exited") entry.busySince = undefined
      if (message._tag === "Exited") runs.delete(message.id)
      Queue.offerUnsafe(entry.messages, message)
    } else if (message._tag === "Ready") {
      // What it took to come so far is not the programs' doing.
      isReady = true
      for (const entry of runs.values()) entry.busySince = used()
    } else {
      const answer = answers.get(message.request)
      answers.delete(message.request)
      answer?.(message)
    }
  })
  worker.on("error", (cause: unknown) => {
    die(cause instanceof Error && "code" in cause && cause.code === "ERR_WORKER_OUT_OF_MEMORY" ? "memory" : { cause })
  })
  worker.on("exit", (code) => die({ cause: `the thread ended with ${code}` }))

  const stop = (entry: Entry, id: number, reason: Stop) => {
    Atomics.store(entry.word, 0, control[reason])
    entry.stoppingSince ??= used()
    post({ _tag: "Stop", id })
  }
  const watch = Effect.sync(() => {
    const now = used()
    for (const [id, entry] of runs) {
      const { busySince, stoppingSince } = entry
      if (stoppingSince !== undefined && Atomics.load(entry.word, 0) !== control.go) {
        if (now - stoppingSince > stopGrace) die("overtime")
      } else if (busySince !== undefined && now - busySince > Duration.toMillis(limits.cpuTime)) {
        stop(entry, id, "overtime")
      } else {
        entry.stoppingSince = undefined
      }
    }
  })
  yield* watch.pipe(Effect.andThen(Effect.sleep(watchInterval)), Effect.forever, Effect.forkScoped)

  const request = <A>(
    message: (number: number) => ToContainer,
    read: (answer: FromContainer) => A | undefined,
    otherwise: A,
    done: (answer: A) => void
  ) => {
    if (Deferred.isDoneUnsafe(death)) return done(otherwise)
    lastRequest += 1
    answers.set(lastRequest, (answer) => done(read(answer) ?? otherwise))
    post(message(lastRequest))
  }

  return {
    find: (command, workingDirectory) =>
      Effect.callback<Found>((resume) =>
        request(
          (number) => ({ _tag: "Find", request: number, command, workingDirectory }),
          (answer) => (answer._tag === "FindAnswer" ? answer.found : undefined),
          127,
          (found) => resume(Effect.succeed(found))
        )
      ),
    run: Effect.fnUntraced(function* (options) {
      lastId += 1
      const id = lastId
      const word = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
      const messages = yield* Queue.unbounded<RunMessage>()
      const entry: Entry = { word, messages, busySince: isReady ? used() : undefined, stoppingSince: undefined }
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          if (runs.has(id)) stop(entry, id, "end")
          unsettled.delete(id)
          if (unsettled.size === 0) settled.openUnsafe()
        })
      )
      runs.set(id, entry)
      unsettled.add(id)
      settled.closeUnsafe()
      if (Deferred.isDoneUnsafe(death)) Queue.offerUnsafe(messages, { _tag: "Exited", id, status: killed })
      post({ ...options, _tag: "Run", id, control: word.buffer })
      return {
        id,
        messages,
        post: (message) => {
          if (message._tag === "Line") entry.busySince = used()
          post(message)
        },
        stop: (reason) => stop(entry, id, reason),
        complete: (line, done) =>
          request(
            (number) => ({ _tag: "Complete", request: number, id, line }),
            (answer) => (answer._tag === "CompleteAnswer" ? answer.candidates : undefined),
            [],
            done
          )
      }
    }),
    death: Deferred.await(death),
    quiet: settled.await,
    deathNow: Effect.suspend(() =>
      Deferred.isDoneUnsafe(death) ? Deferred.await(death) : Effect.succeed<Death | undefined>(undefined)
    )
  }
})
