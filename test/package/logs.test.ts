import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as InMemoryDocker from "../../src/layers/InMemoryDocker.ts"
import { Docker } from "../../src/services/Docker.ts"

const root = join(import.meta.dirname, "../..")

interface Event {
  readonly levels: ReadonlySet<string>
  readonly fields: ReadonlySet<string>
}

const merge = (left: Event | undefined, right: Event): Event => ({
  levels: new Set([...(left?.levels ?? []), ...right.levels]),
  fields: new Set([...(left?.fields ?? []), ...right.fields])
})

/** The text from an opening bracket to the one that closes it. */
const bracketed = (text: string, start: number): string => {
  let depth = 0
  for (let index = start; index < text.length; index += 1) {
    const character = text.charAt(index)
    if ("({[".includes(character)) depth += 1
    if (")}]".includes(character)) depth -= 1
    if (depth === 0) return text.slice(start, index + 1)
  }
  return text.slice(start)
}

/** The names in an object literal, also in objects that are spread into it under a condition. */
const names = (literal: string): ReadonlyArray<string> =>
  Array.from(literal.matchAll(/[{,]\s*(\w+)(?=\s*[:,}])/gu), ({ 1: name = "" }) => name)

const literals = (text: string): ReadonlyArray<string> =>
  Array.from(text.matchAll(/"([a-z]+)"/gu), ({ 1: literal = "" }) => literal)

const parseCall = (call: string): readonly [code: string, event: Event] | undefined => {
  const code = /\bcode: "([A-Z_]+)"/u.exec(call)?.[1]
  if (code === undefined) return undefined
  const fields = /\bfields: (?=\{)/u.exec(call)
  return [
    code,
    {
      levels: new Set(literals(/\blevel: ([^,]*),/u.exec(call)?.[1] ?? "")),
      fields: new Set(fields === null ? [] : names(bracketed(call, fields.index + fields[0].length)))
    }
  ]
}

/** The fields of `ENGINE_FOUND` are whatever an engine says of itself. */
const engineFields = Docker.use(({ info }) => info).pipe(
  Effect.map((info) => new Set(Object.keys(info))),
  Effect.provide(InMemoryDocker.layer())
)

/** Every event that the sources log under a code of its own. */
const logged = Effect.gen(function* () {
  const engine = yield* engineFields
  const events = new Map<string, Event>()
  for (const file of readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })) {
    if (!file.endsWith(".ts")) continue
    const text = readFileSync(join(root, "src", file), "utf8")
    for (const { index } of text.matchAll(/\blog\(\{/gu)) {
      const parsed = parseCall(bracketed(text, index + "log".length))
      if (parsed !== undefined) events.set(parsed[0], merge(events.get(parsed[0]), parsed[1]))
    }
  }
  const found = events.get("ENGINE_FOUND")
  if (found !== undefined) events.set("ENGINE_FOUND", { ...found, fields: engine })
  return events
})

const words = (cell: string, pattern: RegExp): ReadonlySet<string> =>
  new Set(Array.from(cell.matchAll(pattern), ({ 1: word = "" }) => word))

const documented = new Map(
  readFileSync(join(root, "docs/logs.md"), "utf8")
    .split("\n")
    .filter((line) => /^\| `[A-Z]/u.test(line))
    .map((line): readonly [string, Event] => {
      const [, code = "", levels = "", fields = ""] = line.split("|")
      return [
        code.replaceAll(/[`\s]/gu, ""),
        { levels: words(levels, /\b(debug|info|notice|warning|error)\b/gu), fields: words(fields, /`(\w+)`/gu) }
      ]
    })
)

describe("docs/logs.md", () => {
  it.effect("has every event, with its levels and its fields, and none that does not exist", () =>
    Effect.map(logged, (events) => {
      assert.isAbove(events.size, 15)
      assert.deepStrictEqual(
        {
          undocumented: [...events.keys()].filter((code) => !documented.has(code)),
          unknown: [...documented.keys()].filter((code) => !events.has(code))
        },
        { undocumented: [], unknown: [] }
      )
      for (const [code, event] of events) {
        assert.deepStrictEqual([code, documented.get(code)], [code, event])
      }
    })
  )
})
