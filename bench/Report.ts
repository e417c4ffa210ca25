/** The table of a run: for a terminal, for docs/performance.md, and as JSON. */
import { cpus, loadavg, totalmem } from "node:os"
import type { Bar, Case, Outcome } from "./Case.ts"
import { summarize } from "./Statistics.ts"

export interface CaseReport {
  readonly case: Pick<Case, "name" | "title">
  readonly seconds: number
  readonly outcome: Outcome
}

export interface Surroundings {
  readonly date: string
  readonly node: string
  readonly crypto: string
  readonly openssh: string
  readonly engine: string
  readonly cpu: string
  readonly memory: string
  /** Of the last minute, before and after the run. */
  readonly load: readonly [before: number, after: number]
}

export const machine = () => ({
  cpu: `${cpus().length} × ${cpus()[0]?.model.trim() ?? "unknown"}`,
  memory: `${Math.round(totalmem() / 1024 ** 3)} GiB`,
  load: loadavg()[0] ?? 0
})

/** Three digits that count. */
const short = (value: number): string => {
  if (!Number.isFinite(value)) return "–"
  const size = Math.abs(value)
  if (size >= 100) return value.toFixed(0)
  if (size >= 10) return value.toFixed(1)
  return value.toFixed(2)
}

const isMet = ({ limit, sense, value }: Bar) => (sense === "at most" ? value <= limit : value >= limit)

const barLine = (bar: Bar) => [
  bar.name,
  `${bar.sense} ${short(bar.limit)}${bar.unit === "" ? "" : ` ${bar.unit}`}`,
  `${short(bar.value)}${bar.unit === "" ? "" : ` ${bar.unit}`}`,
  isMet(bar) ? "met" : "missed"
]

const figureLines = ({ outcome }: CaseReport) =>
  outcome.figures.map(({ contender, quantity, samples, unit }) => {
    const { count, median, p10, p90, p99 } = summarize(samples)
    return [
      quantity,
      contender,
      `${short(median)} ${unit}`,
      count > 1 ? `${short(p10)} – ${short(p90)}` : "",
      count >= 100 ? short(p99) : "",
      String(count)
    ]
  })

const figureHead = ["quantity", "contender", "median", "p10 – p90", "p99", "n"]
const barHead = ["bar", "limit", "measured", ""]

const widths = (rows: ReadonlyArray<ReadonlyArray<string>>) =>
  (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)))

const aligned = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): ReadonlyArray<string> => {
  const all = [head, ...rows]
  const width = widths(all)
  return all.map((row) =>
    row
      .map((cell, column) => cell.padEnd(width[column] ?? 0))
      .join("  ")
      .trimEnd()
  )
}

const markdownTable = (
  head: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>
): ReadonlyArray<string> => {
  const all = [head, ...rows]
  const width = widths(all)
  const line = (row: ReadonlyArray<string>) =>
    `| ${row.map((cell, column) => cell.padEnd(width[column] ?? 0)).join(" | ")} |`
  return [line(head), `| ${width.map((length) => "-".repeat(Math.max(3, length))).join(" | ")} |`, ...rows.map(line)]
}

const titled = (report: CaseReport) => `${report.case.title} (${report.case.name}, ${report.seconds.toFixed(0)} s)`

/** One case, as soon as it is over. */
export const text = (report: CaseReport): string =>
  [
    titled(report),
    ...aligned(figureHead, figureLines(report)),
    ...(report.outcome.bars.length === 0 ? [] : ["", ...aligned(barHead, report.outcome.bars.map(barLine))]),
    ...report.outcome.notes.map((note) => `  ${note}`),
    ""
  ].join("\n")

/** The whole run, for the document. */
export const markdown = (
  reports: ReadonlyArray<CaseReport>,
  { cpu, crypto, date, engine, load, memory, node, openssh }: Surroundings
): string =>
  [
    `${date.slice(0, 10)}, ${cpu}, ${memory}, load ${short(load[0])} before and ${short(load[1])} after; Node.js ${node}, ${crypto} SSH encryption, ${openssh}, Docker ${engine}.`,
    "",
    ...markdownTable(
      barHead,
      reports.flatMap(({ outcome }) => outcome.bars.map(barLine))
    ),
    "",
    ...reports.flatMap((report) => [
      `### ${report.case.title}`,
      "",
      ...markdownTable(figureHead, figureLines(report)),
      "",
      ...report.outcome.notes.flatMap((note) => [note, ""])
    ])
  ].join("\n")

export const json = (reports: ReadonlyArray<CaseReport>, surroundings: Surroundings): string =>
  `${JSON.stringify(
    {
      ...surroundings,
      cases: reports.map(({ case: { name, title }, outcome, seconds }) => ({
        name,
        title,
        seconds,
        figures: outcome.figures.map((figure) => ({ ...figure, ...summarize(figure.samples) })),
        bars: outcome.bars.map((bar) => ({ ...bar, met: isMet(bar) })),
        notes: outcome.notes
      }))
    },
    undefined,
    2
  )}\n`
