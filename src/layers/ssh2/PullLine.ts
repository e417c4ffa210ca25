/**
 * One line on the terminal of a person who waits for an image, redrawn as the pull comes along.
 */
import type { PullSummary } from "../../services/ImagePull.ts"

const megabytes = (bytes: number): string => (bytes / 1_000_000).toFixed(1)

/** Back to the start of the line, and erase it (ECMA-48: CR, EL). */
export const erase = "\r\u001B[K"

/** The line, no wider than the terminal, with which it replaces its predecessor. */
export const draw = (image: string, summary: PullSummary, columns: number): string => {
  const bytes = summary.total === 0 ? "" : `, ${megabytes(summary.current)}/${megabytes(summary.total)} MB`
  const text = `dockerrun: pulling ${image}: ${summary.layersDone}/${summary.layers} layers${bytes}`
  return `${erase}${text.slice(0, Math.max(columns - 1, 0))}`
}
