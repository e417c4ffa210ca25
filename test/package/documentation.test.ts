import { execFile } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as YamlConfig from "../../src/layers/YamlConfig.ts"

const root = join(import.meta.dirname, "../..")

const documents = ["README.md", "CONTRIBUTING.md", ...readdirSync(join(root, "docs")).map((name) => `docs/${name}`)]
  .filter((name) => name.endsWith(".md"))
  .map((name) => ({ name, text: readFileSync(join(root, name), "utf8") }))

const readManifest = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Struct({ scripts: Schema.Record(Schema.String, Schema.String) }))
)

interface Block {
  readonly language: string
  readonly code: string
  /** For messages: `docs/library.md:17`. */
  readonly place: string
}

const blocks: ReadonlyArray<Block> = documents.flatMap(({ name, text }) =>
  Array.from(text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gmu), ({ 1: language = "", 2: code = "", index }) => ({
    language,
    code,
    place: `${name}:${text.slice(0, index).split("\n").length}`
  }))
)

const exampleName = (code: string): string | undefined => /^\/\/ (examples\/[\w-]+\.ts)\n/u.exec(code)?.[1]

const typescript = blocks.filter(({ language }) => language === "ts")
const examples = typescript.flatMap((block) => {
  const file = exampleName(block.code)
  return file === undefined ? [] : [{ ...block, file }]
})
const others = typescript.filter(({ code }) => exampleName(code) === undefined)

/** What the compiler says about the programs, as an app that has the package would compile them. */
const compile = async (programs: ReadonlyArray<string>): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), "dockerrun-documentation-"))
  try {
    await symlink(join(root, "node_modules"), join(directory, "node_modules"))
    await writeFile(join(directory, "package.json"), `{ "type": "module" }`)
    const names = programs.map((_, index) => `block${index}.ts`)
    await Promise.all(programs.map((code, index) => writeFile(join(directory, `block${index}.ts`), code)))
    const compilerOptions = {
      noUnusedLocals: false,
      paths: {
        dockerrun: [join(root, "src/index.ts")],
        "dockerrun/testing": [join(root, "src/testing/index.ts")],
        "dockerrun/*": [join(root, "src/*.ts")]
      }
    }
    await writeFile(
      join(directory, "tsconfig.json"),
      JSON.stringify({ extends: join(root, "tsconfig.json"), compilerOptions, include: names })
    )
    const compiler = join(root, "node_modules/typescript/bin/tsc")
    return await new Promise((resolve) => {
      execFile(process.execPath, [compiler, "-p", directory, "--pretty", "false"], (_, stdout, stderr) =>
        resolve(stdout + stderr)
      )
    })
  } finally {
    await rm(directory, { recursive: true })
  }
}

/** A key and a hash that are abbreviated in the text are put there in full. */
const complete = (yaml: string): string =>
  yaml
    .replaceAll("AAAA…", "AAAAC3NzaC1lZDI1NTE5AAAAIAgcR5qXoQHyKFOGEjSyLjUgl9Dx8o0C1QfTAc2F0tJm")
    .replaceAll("$2b$12$…", `$2b$12$${"a".repeat(53)}`)

describe("the documentation", () => {
  it("shows examples as they are in the repository, and as an app would import the package", () => {
    assert.includeMembers(
      examples.map(({ file }) => file),
      ["examples/server.ts", "examples/job.ts", "examples/failures.ts"]
    )
    for (const { code, file, place } of examples) {
      // The first line names the file here, and says there what it is.
      const [, ...lines] = readFileSync(join(root, file), "utf8")
        .replaceAll(`"../src/index.ts"`, `"dockerrun"`)
        .split("\n")
      assert.strictEqual(code, [`// ${file}`, ...lines].join("\n"), place)
    }
  })

  it("has no TypeScript that does not compile", async () => {
    const output = await compile(others.map(({ code }) => code))
    const named = output.replaceAll(/^.*?block(\d+)\.ts/gmu, (_, index: string) => others[Number(index)]?.place ?? "")
    assert.strictEqual(named, "")
  }, 120_000)

  it("has no configuration in the README that does not load", () =>
    Effect.forEach(
      blocks.filter(({ language, place }) => language === "yaml" && place.startsWith("README.md")),
      ({ code, place }) => YamlConfig.readText({ text: complete(code), source: place, environment: {} })
    ).pipe(
      Effect.tap((loaded) => Effect.sync(() => assert.isNotEmpty(loaded))),
      Effect.provide(NodeServices.layer),
      Effect.runPromise
    ))

  it("links to files that are there", () => {
    const links = documents.flatMap(({ name, text }) =>
      Array.from(text.matchAll(/\]\(([^)\s#]+)[^)]*\)/gu), ({ 1: target = "" }) => ({ name, target }))
    )
    const broken = links
      .filter(({ target }) => !/^[a-z]+:/u.test(target))
      .filter(({ name, target }) => !existsSync(join(root, dirname(name), target)))
    assert.deepStrictEqual(broken, [])
  })

  it("names only scripts that there are", () => {
    const { scripts } = readManifest(readFileSync(join(root, "package.json"), "utf8"))
    const named = documents.flatMap(({ text }) =>
      Array.from(text.matchAll(/\bnpm (?:run )?([a-z][a-z:]*)/gu), ({ 1: script = "" }) => script)
    )
    const known = new Set([...Object.keys(scripts), "ci", "install", "pack", "run"])
    assert.deepStrictEqual(
      named.filter((script) => !known.has(script)),
      []
    )
  })
})
