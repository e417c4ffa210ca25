import { cp, mkdir, readdir, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { run } from "../support/Program.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"

const root = join(import.meta.dirname, "../..")

/** A checkout with all packages but that one. */
const withoutJustBash = Effect.fnUntraced(function* () {
  const directory = yield* temporaryDirectory
  yield* Effect.promise(async () => {
    await cp(join(root, "src"), join(directory, "src"), { recursive: true })
    await cp(join(root, "package.json"), join(directory, "package.json"))
    await mkdir(join(directory, "node_modules"))
    const packages = (await readdir(join(root, "node_modules"))).filter((name) => name !== "just-bash")
    for (const name of packages) {
      await symlink(join(root, "node_modules", name), join(directory, "node_modules", name))
    }
    await writeFile(
      join(directory, "embedded.yaml"),
      "engine: embedded\ndockerrun: { config: { disableShell: true } }\n"
    )
  })
  return directory
})

describe("without the package just-bash", () => {
  it.effect("the embedded engine says what to install, to whoever checks, diagnoses or starts", () =>
    Effect.gen(function* () {
      const directory = yield* withoutJustBash()
      const dockerrun = (...args: ReadonlyArray<string>) =>
        run(process.execPath, [join(directory, "src/main.ts"), ...args], {
          cwd: directory,
          env: { NO_COLOR: "1", HOME: directory, DOCKER_HOST: undefined }
        })
      for (const command of ["check", "doctor", "serve"]) {
        const { status, stderr, stdout } = yield* dockerrun(command, "--config", join(directory, "embedded.yaml"))
        assert.strictEqual(status, 1, command)
        assert.include(stdout + stderr, "npm install just-bash", command)
        assert.notMatch(stderr, /^\s+at /mu, command)
      }
      const help = yield* dockerrun("--help")
      assert.strictEqual(help.status, 0, "nothing else misses it")
    })
  )
})
