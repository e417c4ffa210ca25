/**
 * The rooms of `src` and who may import whom: `schema <- services <- layers <- App <- cli <- main`. `testing` stands
 * beside the layers, on the services: it is for those who write a layer of their own.
 *
 * `violations` judges one file by its path and its text; `check-imports.ts` walks the tree.
 */
import { isBuiltin } from "node:module"
import { posix } from "node:path"

/** One forbidden import, with the rule that it breaks. */
export interface Violation {
  readonly file: string
  readonly line: number
  readonly specifier: string
  readonly rule: string
}

type Room = "schema" | "services" | "testing" | "layers" | "parts" | "App" | "cli" | "main" | "index"

/** What a room may import from `src`, itself included where files of one room may know each other. */
const allowed: Record<Room, ReadonlyArray<Room>> = {
  schema: ["schema"],
  services: ["schema", "services"],
  testing: ["schema", "services", "testing"],
  parts: ["schema", "services", "parts"],
  layers: ["schema", "services", "parts"],
  index: ["schema", "services", "layers", "App"],
  App: ["schema", "services", "layers"],
  cli: ["schema", "services", "layers", "App", "cli"],
  main: ["cli"]
}

/** Packages that a room without technology may import. */
const pure = (specifier: string): boolean => specifier === "effect" || specifier.startsWith("effect/")

const packages: Partial<Record<Room, (specifier: string) => boolean>> = {
  schema: pure,
  services: pure,
  index: () => false
}

/** The room of a path such as `src/layers/ssh2/Channel.ts`; none for a file that has no room. */
const roomOf = (file: string): Room | undefined => {
  const [root, room, ...rest] = file.split("/")
  if (root !== "src" || room === undefined) return undefined
  if (rest.length === 0) {
    const name = room.replace(/\.ts$/, "")
    return name === "App" || name === "main" || name === "index" ? name : undefined
  }
  if (room === "layers") return rest.length === 1 ? "layers" : "parts"
  return room === "schema" || room === "services" || room === "testing" || room === "cli" ? room : undefined
}

/** The technology of an internal part: `ssh2` for `src/layers/ssh2/Channel.ts`. */
const technologyOf = (file: string): string | undefined => file.split("/")[2]

// Comments go first, keeping their line breaks, so that an example in JSDoc is not taken for an import.
const withoutComments = (text: string): string =>
  text.replace(
    /("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g,
    (match: string, literal: string | undefined) => literal ?? match.replace(/[^\n]/g, "")
  )

const importPattern =
  /(?:^|[;\n}])\s*(?:import|export)\b[^;"'`]*?\bfrom\s*["']([^"']+)["']|(?:^|[;\n}])\s*import\s*["']([^"']+)["']|\b(?:import|require)\s*\(\s*["'`]([^"'`]+)["'`]/g

/** Every specifier that the text imports or re-exports, statically or not, with its line. */
export const importsOf = (text: string): ReadonlyArray<{ readonly specifier: string; readonly line: number }> => {
  const code = withoutComments(text)
  return Array.from(code.matchAll(importPattern), (match) => {
    const specifier = match[1] ?? match[2] ?? match[3] ?? ""
    return { specifier, line: code.slice(0, match.index + match[0].length).split("\n").length }
  })
}

const forbidden = (file: string, room: Room, specifier: string): string | undefined => {
  if (!specifier.startsWith(".")) {
    const permitted = packages[room]
    if (permitted === undefined || permitted(specifier)) return undefined
    return isBuiltin(specifier) ? `${room} must not depend on Node` : `${room} must not depend on a technology`
  }
  const target = posix.normalize(posix.join(posix.dirname(file), specifier))
  if (!target.startsWith("src/")) return target === "package.json" ? undefined : `${room} must stay inside src`
  const targetRoom = roomOf(target)
  if (targetRoom === undefined) return "the imported file is in no room"
  if (targetRoom === "layers" && room === "layers") return "a layer never imports another layer"
  if (!allowed[room].includes(targetRoom)) return `${room} must not import ${targetRoom}`
  if (room === "parts" && targetRoom === "parts" && technologyOf(file) !== technologyOf(target)) {
    return "a layer's part never imports another technology's part"
  }
  return undefined
}

/**
 * The forbidden imports of one file.
 *
 * `file` is its path from the root of the repository, with forward slashes; `text` is its source.
 */
export const violations = (file: string, text: string): ReadonlyArray<Violation> => {
  const room = roomOf(file)
  if (room === undefined) return [{ file, line: 1, specifier: "", rule: "the file is in no room of src" }]
  return importsOf(text).flatMap(({ specifier, line }) => {
    const rule = forbidden(file, room, specifier)
    return rule === undefined ? [] : [{ file, line, specifier, rule }]
  })
}
