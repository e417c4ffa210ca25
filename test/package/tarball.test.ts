import { assert, beforeAll, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { execFile } from "node:child_process"
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { publint } from "publint"
import { formatMessage } from "publint/utils"

const root = join(import.meta.dirname, "..", "..")

const readManifest = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Struct({ version: Schema.String })))

interface Outcome {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

const run = (directory: string, program: string, args: ReadonlyArray<string>): Promise<Outcome> =>
  new Promise((resolve) => {
    execFile(program, args, { cwd: directory, maxBuffer: 64 << 20 }, (error, stdout, stderr) => {
      resolve({ status: error === null ? 0 : typeof error.code === "number" ? error.code : -1, stdout, stderr })
    })
  })

const succeed = async (directory: string, program: string, args: ReadonlyArray<string>): Promise<string> => {
  const { status, stdout, stderr } = await run(directory, program, args)
  assert.strictEqual(status, 0, `${program} ${args.join(" ")}\n${stdout}${stderr}`)
  return stdout
}

/** The files below a directory, as paths with forward slashes, sorted. */
const filesOf = async (directory: string): Promise<ReadonlyArray<string>> =>
  (await readdir(directory, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(directory.length + 1)
        .replaceAll("\\", "/")
    )
    .toSorted()

describe("the packed package", () => {
  let work: string
  let tarball: string
  let project: string
  let installed: string
  let files: ReadonlyArray<string>

  /** `services/Docker` for each public module, `layers/ssh2/Channel` for each internal one. */
  const modules = (pattern: RegExp) =>
    files.flatMap((file) => (pattern.test(file) ? [file.replace(/^dist\//, "").replace(/\.js$/, "")] : []))
  const publicModules = () => modules(/^dist\/(?:schema|services|layers)\/[^/]+\.js$/)
  const internalModules = () => modules(/^dist\/(?:App|main|cli\/.+|(?:schema|services|layers)\/.+\/.+)\.js$/)

  beforeAll(async () => {
    work = await mkdtemp(join(tmpdir(), "dockerrun-package-"))
    await succeed(root, "npm", ["run", "build"])
    await succeed(root, "npm", ["pack", "--ignore-scripts", "--pack-destination", work])
    const packed = (await readdir(work)).find((name) => name.endsWith(".tgz"))
    assert.isDefined(packed)
    tarball = join(work, packed)
    project = join(work, "project")
    await mkdir(project)
    await writeFile(join(project, "package.json"), `{ "name": "empty", "private": true, "type": "module" }`)
    await succeed(project, "npm", [
      "install",
      "--prefer-offline",
      "--ignore-scripts",
      "--no-audit",
      "--no-fund",
      tarball
    ])
    installed = join(project, "node_modules", "dockerrun")
    files = await filesOf(installed)
    return () => rm(work, { recursive: true })
  }, 240_000)

  it("contains the build, the sources that its maps point to, the licence and the README, and nothing else", () => {
    const strangers = files.filter(
      (file) => !/^(?:dist\/.+\.(?:js|d\.ts)(?:\.map)?|src\/.+\.ts|package\.json|LICENSE|README\.md)$/.test(file)
    )
    assert.deepStrictEqual(strangers, [])
    assert.includeMembers([...files], ["dist/index.js", "dist/index.d.ts", "dist/main.js", "LICENSE", "README.md"])
  })

  it("is clean to publint", async () => {
    const { messages, pkg } = await publint({ pkgDir: installed, pack: false, strict: true })
    assert.deepStrictEqual(
      messages.map((message) => formatMessage(message, pkg, { color: false })),
      []
    )
  })

  it("has right types for every public module", async () => {
    const entrypoints = [".", ...publicModules()]
    const attw = join(root, "node_modules", ".bin", "attw")
    const args = ["--profile", "esm-only", "--no-emoji", "--no-color", "--format", "ascii"]
    const { status, stdout } = await run(work, attw, [tarball, ...args, "--entrypoints", ...entrypoints])
    assert.strictEqual(status, 0, stdout)
  }, 120_000)

  it("needs no type that an application does not get with it", async () => {
    const imports = ["dockerrun", ...publicModules().map((name) => `dockerrun/${name}`)]
    const source = imports.map((name, index) => `export * as m${index} from "${name}"`).join("\n")
    await writeFile(join(project, "consumer.ts"), `${source}\n`)
    await writeFile(
      join(project, "tsconfig.json"),
      JSON.stringify({
        compilerOptions: { strict: true, noEmit: true, target: "es2024", module: "nodenext", types: [] },
        files: ["consumer.ts"]
      })
    )
    const compiler = join(root, "node_modules", "typescript", "bin", "tsc")
    const { stdout } = await run(project, process.execPath, [compiler, "-p", project])
    const ours = stdout.split("\n").filter((line) => /^(?:consumer\.ts|node_modules\/dockerrun\/)/.test(line))
    assert.deepStrictEqual(ours, [])
  }, 120_000)

  it("imports: the barrel and every public module", async () => {
    const names = ["dockerrun", ...publicModules().map((name) => `dockerrun/${name}`)]
    await writeFile(
      join(project, "public.js"),
      `for (const name of ${JSON.stringify(names)}) console.log(name, Object.keys(await import(name)).length > 0)\n`
    )
    const seen = await succeed(project, process.execPath, ["--no-warnings", "public.js"])
    // A module of types only has no keys, and that is fine; the barrel must have some.
    assert.deepStrictEqual(
      seen
        .trim()
        .split("\n")
        .map((line) => line.split(" ")[0]),
      names
    )
    assert.include(seen, "dockerrun true")
  })

  it("refuses to import what is internal", async () => {
    const names = internalModules().map((name) => `dockerrun/${name}`)
    assert.isNotEmpty(names)
    await writeFile(
      join(project, "internal.js"),
      `for (const name of ${JSON.stringify(names)})
        await import(name).then(() => console.log(name, "imported"), ({ code }) => console.log(name, code))\n`
    )
    const seen = await succeed(project, process.execPath, ["internal.js"])
    assert.deepStrictEqual(
      seen.trim().split("\n"),
      names.map((name) => `${name} ERR_PACKAGE_PATH_NOT_EXPORTED`)
    )
  })

  it("puts `dockerrun` on the path, and it says its version", async () => {
    const { version } = readManifest(await readFile(join(root, "package.json"), "utf8"))
    const command = join(project, "node_modules", ".bin", "dockerrun")
    const { status, stdout, stderr } = await run(project, command, ["--version"])
    assert.strictEqual(status, 0, stderr)
    assert.include(stdout, version)
    assert.strictEqual(stderr, "")
  })
})
