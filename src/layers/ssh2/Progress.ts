/**
 * What people are told while they wait for their program: at a terminal one line, redrawn as it comes along and gone in
 * the end; elsewhere, on standard error, only that they have to wait for others, now and then.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { ContainerStep } from "../../services/DockerRun.ts"
import type { PullSummary } from "../../services/ImagePull.ts"

/** How often the line of a pull is redrawn at the most. */
const redrawInterval = "100 millis"

/** Without a terminal one report of so many is written. They come every second. */
const sparseness = 10

/** Back to the start of the line, and erase it (ECMA-48: CR, EL). */
const erase = "\r\u001B[K"

const megabytes = (bytes: number): string => (bytes / 1_000_000).toFixed(1)

/** How the pull of an image comes along. */
export const pulling = (image: string, summary: PullSummary): string => {
  const bytes = summary.total === 0 ? "" : `, ${megabytes(summary.current)}/${megabytes(summary.total)} MB`
  return `dockerrun: pulling ${image}: ${summary.layersDone}/${summary.layers} layers${bytes}`
}

/** How many are served before. */
const queued = (before: number): string =>
  `dockerrun: waiting for the engine, ${before === 0 ? "you are next" : `${before} before you`}`

/** The line, no wider than the terminal, with which it replaces its predecessor. */
export const draw = (text: string, columns: number): string => `${erase}${text.slice(0, Math.max(columns - 1, 0))}`

/** Where it is shown. */
export interface Place {
  /** The width of the terminal, as last heard; `undefined` where there is none. */
  readonly columns: (() => number) | undefined
  readonly stdout: (text: string) => void
  readonly stderr: (text: string) => void
}

export interface Progress {
  /** Shows how the making of a container comes along, until it is done. */
  readonly follow: (steps: Stream.Stream<ContainerStep>) => Effect.Effect<void>
  /** Shows how many are served before; `undefined` when the wait is over. */
  readonly wait: (before: number | undefined) => Effect.Effect<void>
  /** Leaves no trace of it on a terminal. */
  readonly clear: Effect.Effect<void>
}

export const make = ({ columns, stderr, stdout }: Place): Progress => {
  let isDrawn = false
  let reports = 0

  const show = (text: string, width: number) => {
    isDrawn = true
    stdout(draw(text, width))
  }
  const erased = () => {
    if (isDrawn) stdout(erase)
    isDrawn = false
  }
  const wait = (before: number | undefined) => {
    if (before === undefined) return erased()
    if (columns !== undefined) return show(queued(before), columns())
    if (reports % sparseness === 0) stderr(`${queued(before)}\n`)
    reports += 1
  }
  const clear = Effect.sync(erased)

  return {
    follow: (steps) =>
      steps.pipe(
        Stream.buffer({ capacity: 1, strategy: "sliding" }),
        Stream.runForEach((step) => {
          if (step._tag === "Queued") return Effect.sync(() => wait(step.before))
          if (step._tag !== "Pulling") return clear
          if (columns === undefined) return Effect.void
          show(pulling(step.image, step.summary), columns())
          return Effect.sleep(redrawInterval)
        }),
        Effect.ensuring(clear)
      ),
    wait: (before) => Effect.sync(() => wait(before)),
    clear
  }
}
