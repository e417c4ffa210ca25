import { existsSync, globSync, readFileSync } from "node:fs"
import { delimiter, join } from "node:path"
import { defineConfig } from "vitest/config"

// The engine, the registry and the test images are prepared once per run, before any test file is loaded.
const engine = "test/support/globalSetup.ts"

const include = ["test/**/*.test.ts", "examples/**/*.test.ts"]

const path = (process.env["PATH"] ?? "").split(delimiter)
const isThere = (program: string) => path.some((directory) => existsSync(join(directory, program)))

/** The test files that run OpenSSH's programs, where those are missing. With a required engine nothing is left out. */
const withoutOpenSsh = (): ReadonlyArray<string> => {
  if (process.env["DOCKERRUN_TEST_REQUIRE_ENGINE"] === "1" || ["ssh", "ssh-keygen"].every(isThere)) return []
  const files = globSync(include).filter((file) =>
    /OpenSsh\.ts|support\/Server\.ts|ssh-key/u.test(readFileSync(file, "utf8"))
  )
  process.stdout.write(`${files.length} test files that need OpenSSH's client are left out: it is not installed\n`)
  return files
}

/** What the tests of other clients run, and what their image is made with. */
const otherClients = [
  "plink",
  "psftp",
  "dbclient",
  "lftp",
  "rsync",
  "git",
  "ansible",
  "ansible-playbook",
  "debootstrap"
]
const pythonClients = ["paramiko", "asyncssh"].map((name) => `/usr/lib/python3/dist-packages/${name}`)

/** The test files that run other clients, where one of those is missing. */
const withoutOtherClients = (): ReadonlyArray<string> => {
  if (process.env["DOCKERRUN_TEST_REQUIRE_ENGINE"] === "1") return []
  const missing = [
    ...otherClients.filter((program) => !isThere(program)),
    ...pythonClients.filter((module) => !existsSync(module))
  ]
  if (missing.length === 0) return []
  process.stdout.write(`test/clients is left out: ${missing.join(", ")} not installed\n`)
  return ["test/clients/**"]
}

export default defineConfig({
  test: {
    environment: "node",
    include,
    exclude: ["node_modules/**", ...withoutOpenSsh(), ...withoutOtherClients()],
    globalSetup: existsSync(engine) ? [engine] : [],
    // Tests talk to a real container engine: more files at once only queue there and make every deadline less true.
    maxWorkers: 2,
    testTimeout: 30_000,
    // The whole proof takes long on a machine that others share: what fails once is tried once more, and told.
    retry: process.env["CI"] === undefined ? 0 : 1,
    hookTimeout: 120_000,
    teardownTimeout: 60_000,
    restoreMocks: true,
    passWithNoTests: false
  }
})
