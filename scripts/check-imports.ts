/**
 * Fails when a file in `src` imports against the direction of the rooms (see imports.ts).
 *
 * `node scripts/check-imports.ts [ROOT]`: ROOT is the repository, by default the one of this script.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join, sep } from "node:path"
import { violations } from "./imports.ts"

const root = process.argv[2] ?? join(import.meta.dirname, "..")

const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .map((path) => `src/${path.split(sep).join("/")}`)
  .toSorted()

const found = sources.flatMap((file) => violations(file, readFileSync(join(root, file), "utf8")))

for (const { file, line, specifier, rule } of found) console.error(`${file}:${line}: "${specifier}": ${rule}`)

if (found.length > 0) {
  console.error(`${found.length} forbidden import(s)`)
  process.exitCode = 1
} else {
  console.log(`imports of ${sources.length} files run one way`)
}
