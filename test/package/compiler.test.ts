import { assert, describe, it } from "@effect/vitest"
import { execFile } from "node:child_process"
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

const root = join(import.meta.dirname, "..", "..")

/** What `npm run check:types` would print about a project with this one source. */
const diagnose = async (source: string): Promise<{ readonly status: number; readonly output: string }> => {
  const directory = await mkdtemp(join(tmpdir(), "dockerrun-compiler-"))
  try {
    await symlink(join(root, "node_modules"), join(directory, "node_modules"))
    await writeFile(join(directory, "package.json"), `{ "type": "module" }`)
    await writeFile(join(directory, "source.ts"), source)
    await writeFile(
      join(directory, "tsconfig.json"),
      JSON.stringify({ extends: join(root, "tsconfig.json"), include: ["source.ts"] })
    )
    const compiler = join(root, "node_modules", "typescript", "bin", "tsc")
    return await new Promise((resolve) => {
      execFile(process.execPath, [compiler, "-p", directory], (error, stdout, stderr) => {
        resolve({ status: error === null ? 0 : Number(error.code), output: stdout + stderr })
      })
    })
  } finally {
    await rm(directory, { recursive: true })
  }
}

describe("the compiler that checks the sources", () => {
  const faults: ReadonlyArray<readonly [name: string, statement: string]> = [
    ["floatingEffect", `Effect.log("nobody runs this")`],
    ["missingReturnYieldStar", `yield* Effect.fail("late")`],
    ["missingStarInYieldEffectGen", `yield Effect.void`],
    ["returnEffectInGen", `return Effect.succeed(1)`],
    ["runEffectInsideEffect", `Effect.runSync(Effect.void)`],
    ["lazyPromiseInEffectSync", `return yield* Effect.sync(() => Promise.resolve(1))`]
  ]

  it.each(faults)("fails on %s", async (name, statement) => {
    const { status, output } = await diagnose(
      `import { Effect } from "effect"\nexport const program = Effect.gen(function* () {\n  ${statement}\n})\n`
    )
    assert.include(output, `effect(${name})`)
    assert.notStrictEqual(status, 0)
  })

  it("accepts a sound program", async () => {
    const { status, output } = await diagnose(
      `import { Effect } from "effect"\nexport const program = Effect.gen(function* () {\n  yield* Effect.log("run")\n})\n`
    )
    assert.strictEqual(output, "")
    assert.strictEqual(status, 0)
  })
})
