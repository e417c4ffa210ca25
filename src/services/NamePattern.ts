/**
 * Patterns of names as OpenSSH's configuration has them: `*` stands for any characters, `?` for any single one.
 *
 * @since 0.1.0
 */

/**
 * Whether a name matches a pattern as a whole. The time it takes grows with the product of their lengths at the worst.
 *
 * @since 0.1.0
 * @category guards
 */
export const matches = (pattern: string, name: string): boolean => {
  let inPattern = 0
  let inName = 0
  let star = -1
  let afterStar = 0
  while (inName < name.length) {
    if (pattern[inPattern] === "*") {
      star = inPattern
      afterStar = inName
      inPattern += 1
    } else if (pattern[inPattern] === "?" || pattern[inPattern] === name[inName]) {
      inPattern += 1
      inName += 1
    } else if (star >= 0) {
      // The last star takes one more.
      inPattern = star + 1
      afterStar += 1
      inName = afterStar
    } else {
      return false
    }
  }
  while (pattern[inPattern] === "*") inPattern += 1
  return inPattern === pattern.length
}
