/** The type-level tests are tests: a failure or a need that slips in somewhere is found by the test of that place. */
import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

const root = join(import.meta.dirname, "..", "..")

interface Mutation {
  readonly file: string
  readonly from: string
  readonly to: string
  readonly foundBy: string
}

/** A new failure, as it would look if somebody let it pass. */
const slip = `import("./Slip.ts").Slip`

const mutations: ReadonlyArray<Mutation> = [
  {
    file: "src/services/Docker.ts",
    from: "readonly info: Effect.Effect<EngineInfo, DockerError>",
    to: `readonly info: Effect.Effect<EngineInfo, DockerError | ${slip}>`,
    foundBy: "Docker fails with DockerError alone"
  },
  {
    file: "src/services/DockerRun.ts",
    from: "Effect.Effect<Connection, never, Scope.Scope>",
    to: `Effect.Effect<Connection, ${slip}, Scope.Scope>`,
    foundBy: "DockerRun.connect cannot fail: what can is the connection's container"
  },
  {
    file: "src/services/Session.ts",
    from: "readonly window: (size: TerminalSize) => Effect.Effect<void, ProgramError>",
    to: `readonly window: (size: TerminalSize) => Effect.Effect<void, ProgramError>
  readonly breakSignal: Effect.Effect<void, ProgramError>`,
    foundBy: "Session refuses with ProgramError; a program that was admitted may also find no container"
  },
  {
    file: "src/services/ContainerRemoval.ts",
    from: "Effect.fn.Return<void, never, Docker | DockerRunConfig | Logger>",
    to: `Effect.fn.Return<void, ${slip}, Docker | DockerRunConfig | Logger>`,
    foundBy: "Container fails with ContainerError, and its removal never"
  },
  {
    file: "src/services/SshServer.ts",
    from: "readonly run: Effect.Effect<never, SshServerError>",
    to: "readonly run: Effect.Effect<never, SshServerError | Error>",
    foundBy: "SshServer fails with SshServerError alone, whatever clients do"
  },
  {
    file: "src/layers/Ssh2Server.ts",
    from: "SshServerError, Authenticator | DockerRun | HostKeys | Logger | SshConfig",
    to: "SshServerError, Authenticator | DockerRun | HostKeys | SshConfig",
    foundBy: "Ssh2Server"
  },
  {
    file: "src/layers/FileHostKeys.ts",
    from: "Layer.Layer<HostKeys, HostKeyError,",
    to: "Layer.Layer<HostKeys, HostKeyError | Error,",
    foundBy: "FileHostKeys"
  }
]

/** The names of the type-level tests that do not compile. */
const failing = async (directory: string): Promise<ReadonlySet<string>> => {
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc")
  const output = await new Promise<string>((resolve) => {
    const options = { cwd: directory, maxBuffer: 64 * 1024 ** 2 }
    execFile(process.execPath, [compiler, "-p", directory], options, (_, stdout) => resolve(stdout))
  })
  const names = new Set<string>()
  for (const [, file = "", line = ""] of output.matchAll(/^(test\/types\/\S+\.test\.ts)\((\d+),\d+\): error/gmu)) {
    const above = (await readFile(join(directory, file), "utf8")).split("\n").slice(0, Number(line))
    names.add(
      above.map((text) => /^ {2}it\("(?<name>.+)", /u.exec(text)?.groups?.["name"]).findLast(Boolean) ?? outside
    )
  }
  return names
}

const outside = "a place outside of any test"

const inCopy = async <A>(use: (directory: string) => Promise<A>): Promise<A> => {
  const directory = await mkdtemp(join(tmpdir(), "dockerrun-types-"))
  try {
    await symlink(join(root, "node_modules"), join(directory, "node_modules"))
    await writeFile(join(directory, "package.json"), `{ "type": "module" }`)
    await cp(join(root, "src"), join(directory, "src"), { recursive: true })
    await cp(join(root, "test", "types"), join(directory, "test", "types"), { recursive: true })
    await writeFile(
      join(directory, "tsconfig.json"),
      JSON.stringify({
        extends: join(root, "tsconfig.json"),
        include: ["test/types/services.test.ts", "test/types/layers.test.ts"]
      })
    )
    return await use(directory)
  } finally {
    await rm(directory, { recursive: true })
  }
}

describe("the type-level tests", { timeout: 120_000 }, () => {
  it("hold", async () => {
    assert.deepStrictEqual(await inCopy(failing), new Set())
  })

  it("find what slips in, each in its place", async () => {
    const found = await inCopy(async (directory) => {
      await writeFile(
        join(directory, "src", "services", "Slip.ts"),
        `export interface Slip { readonly _tag: "Slip"; readonly name: string; readonly message: string }\n`
      )
      for (const { file, from, to } of mutations) {
        const path = join(directory, file)
        const source = await readFile(path, "utf8")
        assert.include(source, from, `${file} is not what this test takes it for`)
        await writeFile(path, source.replace(from, to))
      }
      return failing(directory)
    })
    for (const { foundBy } of mutations) assert.include([...found], foundBy)
  })
})
