/** A case of the benchmark: what it measures, in turns, and what it is held against. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { HarnessError } from "../test/support/HarnessError.ts"
import type { World } from "./World.ts"

/** One line of the table: everything that was measured of one contender. */
export interface Figure {
  /** `client start → first byte` */
  readonly quantity: string
  /** `dockerrun, cold` */
  readonly contender: string
  readonly unit: string
  readonly samples: ReadonlyArray<number>
}

/** What a figure, or a ratio of figures of one run, is held against. */
export interface Bar {
  readonly name: string
  readonly value: number
  readonly limit: number
  readonly sense: "at most" | "at least"
  /** Empty for a ratio. */
  readonly unit: string
}

export interface Outcome {
  readonly figures: ReadonlyArray<Figure>
  readonly bars: ReadonlyArray<Bar>
  /** What a reader must know to understand the figures. */
  readonly notes: ReadonlyArray<string>
}

/** How much is measured. */
export interface Scale {
  readonly quick: boolean
  /** Turns of a case that takes about a second per contender. */
  readonly turns: number
}

export interface Case {
  readonly name: string
  readonly title: string
  readonly run: (world: World, scale: Scale) => Effect.Effect<Outcome, HarnessError, Scope.Scope>
}

export type Measurement = Effect.Effect<number, HarnessError>

export interface Samples {
  /** What was measured of one contender; none of one that did not take part. */
  readonly of: (contender: string) => ReadonlyArray<number>
  readonly figures: (quantity: string, unit: string) => ReadonlyArray<Figure>
}

/** Contenders that cannot take part in this run are `undefined`. */
export type Contenders = Readonly<Record<string, Measurement | undefined>>

/**
 * Measures all contenders in turns, each time beginning with another one, so that a machine that is busy for a while is
 * so for all of them. One turn in advance is not counted: it warms caches and compilers.
 */
export const inTurns = Effect.fnUntraced(function* (
  turns: number,
  contenders: Contenders
): Effect.fn.Return<Samples, HarnessError> {
  const taking = Object.entries(contenders).flatMap(([name, measure]) =>
    measure === undefined ? [] : [{ name, measure }]
  )
  const samples = new Map(taking.map(({ name }) => [name, new Array<number>()]))
  for (let turn = -1; turn < turns; turn += 1) {
    const first = Math.max(turn, 0) % taking.length
    for (const { measure, name } of [...taking.slice(first), ...taking.slice(0, first)]) {
      const value = yield* measure
      if (turn >= 0) samples.get(name)?.push(value)
    }
  }
  return {
    of: (contender) => samples.get(contender) ?? [],
    figures: (quantity, unit) =>
      Array.from(samples, ([contender, values]) => ({ quantity, contender, unit, samples: values }))
  }
})
