/**
 * The valid name that somebody who mistyped one probably meant.
 *
 * @since 0.1.0
 */

/**
 * How many letters must be inserted, deleted, replaced or swapped with their neighbour to make one text of another
 * (optimal string alignment).
 *
 * @since 0.1.0
 * @category distance
 */
export const distance = (left: string, right: string): number => {
  let beforePrevious: ReadonlyArray<number> = []
  let previous: ReadonlyArray<number> = Array.from({ length: right.length + 1 }, (_, index) => index)
  for (let row = 1; row <= left.length; row++) {
    const current = [row]
    for (let column = 1; column <= right.length; column++) {
      const same = left[row - 1] === right[column - 1]
      const swapped =
        row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1]
      current.push(
        Math.min(
          (previous[column] ?? 0) + 1,
          (current[column - 1] ?? 0) + 1,
          (previous[column - 1] ?? 0) + (same ? 0 : 1),
          swapped ? (beforePrevious[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY
        )
      )
    }
    beforePrevious = previous
    previous = current
  }
  return previous[right.length] ?? 0
}

/**
 * The candidate that is nearest to a name, whatever the case of its letters; none when nothing is near: more than a
 * third of the letters would have to change. An abbreviation is near to what it stands for.
 *
 * @since 0.1.0
 * @category getters
 */
export const nearest = (name: string, candidates: Iterable<string>): string | undefined => {
  // Names come from a file: a line of noise is not worth a quadratic comparison.
  if (name.length > 100) return undefined
  let best: string | undefined
  let least = Math.max(1, Math.floor(name.length / 3)) + 1
  for (const candidate of candidates) {
    const letters = isAbbreviation(name, candidate) ? 1 : distance(name.toLowerCase(), candidate.toLowerCase())
    if (letters < least) {
      best = candidate
      least = letters
    }
  }
  return best
}

const isAbbreviation = (name: string, candidate: string): boolean =>
  name.length >= 3 && candidate.toLowerCase().startsWith(name.toLowerCase())
