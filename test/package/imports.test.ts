import { assert, describe, it } from "@effect/vitest"
import { importsOf, violations } from "../../scripts/imports.ts"

const rulesOf = (file: string, text: string) => violations(file, text).map(({ rule }) => rule)

describe("import direction", () => {
  const forbidden: ReadonlyArray<readonly [file: string, text: string, rule: string]> = [
    ["src/schema/A.ts", `import { B } from "../services/B.ts"`, "schema must not import services"],
    ["src/schema/A.ts", `import { readFileSync } from "node:fs"`, "schema must not depend on Node"],
    ["src/schema/A.ts", `import * as S from "ssh2"`, "schema must not depend on a technology"],
    ["src/services/A.ts", `import { B } from "../layers/B.ts"`, "services must not import layers"],
    ["src/services/A.ts", `import { B } from "../layers/ssh2/B.ts"`, "services must not import parts"],
    ["src/services/A.ts", `import fs from "fs"`, "services must not depend on Node"],
    ["src/services/A.ts", `import type Docker from "dockerode"`, "services must not depend on a technology"],
    [
      "src/services/A.ts",
      `import * as NodeServices from "@effect/platform-node/NodeServices"`,
      "services must not depend on a technology"
    ],
    ["src/services/A.ts", `export * from "../App.ts"`, "services must not import App"],
    ["src/layers/A.ts", `import { B } from "./B.ts"`, "a layer never imports another layer"],
    ["src/layers/A.ts", `export type { B } from "./B.ts"`, "a layer never imports another layer"],
    ["src/layers/A.ts", `const b = await import("../cli/B.ts")`, "layers must not import cli"],
    ["src/layers/ssh2/A.ts", `import { B } from "../B.ts"`, "parts must not import layers"],
    [
      "src/layers/ssh2/A.ts",
      `import { B } from "../dockerode/B.ts"`,
      "a layer's part never imports another technology's part"
    ],
    ["src/App.ts", `import { serve } from "./cli/serve.ts"`, "App must not import cli"],
    ["src/index.ts", `export * from "./main.ts"`, "index must not import main"],
    ["src/index.ts", `export * from "./layers/ssh2/A.ts"`, "index must not import parts"],
    ["src/main.ts", `import { Docker } from "./services/Docker.ts"`, "main must not import services"],
    ["src/cli/A.ts", `import { x } from "../../test/support/x.ts"`, "cli must stay inside src"],
    ["src/other/A.ts", ``, "the file is in no room of src"]
  ]

  it.each(forbidden)("refuses in %s: %s", (file, text, rule) => {
    assert.deepStrictEqual(rulesOf(file, text), [rule])
  })

  const permitted: ReadonlyArray<readonly [file: string, text: string]> = [
    ["src/schema/A.ts", `import { Schema } from "effect"\nimport { B } from "./B.ts"`],
    ["src/services/A.ts", `import { B } from "../schema/B.ts"\nimport { Yaml } from "effect/encoding"`],
    ["src/layers/A.ts", `import { B } from "./ssh2/B.ts"\nimport { C } from "../services/C.ts"\nimport "node:net"`],
    ["src/layers/ssh2/A.ts", `import { B } from "./B.ts"\nimport { Server } from "ssh2"`],
    ["src/App.ts", `import { A } from "./layers/A.ts"`],
    ["src/cli/A.ts", `import { App } from "../App.ts"`],
    ["src/main.ts", `#!/usr/bin/env node\nimport { cli } from "./cli/cli.ts"`],
    ["src/index.ts", `export * from "./services/A.ts"`]
  ]

  it.each(permitted)("permits in %s: %s", (file, text) => {
    assert.deepStrictEqual(violations(file, text), [])
  })

  it("names the line, also of an import that spans several", () => {
    const text = [`/** @example import x from "ssh2" */`, `import {`, `  a,`, `  b`, `} from "ssh2"`].join("\n")
    assert.deepStrictEqual(violations("src/schema/A.ts", text), [
      { file: "src/schema/A.ts", line: 5, specifier: "ssh2", rule: "schema must not depend on a technology" }
    ])
  })

  it("sees every form of import and none in comments", () => {
    const text = [
      `import a from "a"`,
      `import type { B } from 'b'`,
      `import "c"`,
      `export * as d from "d"`,
      `// import e from "e"`,
      `/* import f from "f" */`,
      `const url = "http://x"; const g = import("g")`,
      `type H = import("h").H`,
      `const i = require("i")`
    ].join("\n")
    assert.deepStrictEqual(
      importsOf(text).map(({ specifier }) => specifier),
      ["a", "b", "c", "d", "g", "h", "i"]
    )
  })
})
