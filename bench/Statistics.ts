/** What a list of measurements says. */

/** The value below which the share `share` (0 to 1) of the samples lies, interpolated between neighbours. */
export const quantile = (samples: ReadonlyArray<number>, share: number): number => {
  const sorted = samples.toSorted((a, b) => a - b)
  const at = (sorted.length - 1) * share
  const below = sorted[Math.floor(at)]
  const above = sorted[Math.ceil(at)]
  if (below === undefined || above === undefined) return Number.NaN
  return below + (above - below) * (at - Math.floor(at))
}

export const median = (samples: ReadonlyArray<number>): number => quantile(samples, 0.5)

export interface Summary {
  readonly count: number
  readonly median: number
  readonly p10: number
  readonly p90: number
  readonly p99: number
}

export const summarize = (samples: ReadonlyArray<number>): Summary => ({
  count: samples.length,
  median: median(samples),
  p10: quantile(samples, 0.1),
  p90: quantile(samples, 0.9),
  p99: quantile(samples, 0.99)
})

/**
 * The ratio of two quantities that were measured in turns: the median of the ratios of each turn, so that what slows
 * the whole machine for a while slows both and drops out.
 */
export const pairedRatio = (numerators: ReadonlyArray<number>, denominators: ReadonlyArray<number>): number => {
  const ratios: Array<number> = []
  for (const [turn, numerator] of numerators.entries()) {
    const denominator = denominators[turn]
    if (denominator !== undefined && denominator !== 0) ratios.push(numerator / denominator)
  }
  return median(ratios)
}

/** The same for a difference. */
export const pairedDifference = (minuends: ReadonlyArray<number>, subtrahends: ReadonlyArray<number>): number =>
  median(
    minuends.flatMap((minuend, turn) => {
      const subtrahend = subtrahends[turn]
      return subtrahend === undefined ? [] : [minuend - subtrahend]
    })
  )
