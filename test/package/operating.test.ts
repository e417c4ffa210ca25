import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"

const root = join(import.meta.dirname, "../..")

/** The codes of all events that are logged under a code of their own, not under that of an error. */
const logged = new Set(
  readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .flatMap((path) =>
      Array.from(
        readFileSync(join(root, "src", path), "utf8").matchAll(/\bcode: "([A-Z][A-Z_]+)"/gu),
        ([, code]) => code
      )
    )
)

const documented = new Set(
  Array.from(
    readFileSync(join(root, "docs/operating.md"), "utf8").matchAll(/^\| `([A-Z][A-Z_]+)` /gmu),
    ([, code]) => code
  )
)

describe("docs/operating.md", () => {
  it("explains every event of the log, and none that does not exist", () => {
    assert.deepStrictEqual(documented, logged)
  })
})
