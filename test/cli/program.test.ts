import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { waitFor } from "../support/Deadline.ts"
import { finish, run, start } from "../support/Program.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"

const main = join(import.meta.dirname, "../../src/main.ts")

const dockerrun = (args: ReadonlyArray<string>, input = "") =>
  run(process.execPath, [main, ...args], { stdin: { text: input }, env: { NO_COLOR: "1", DOCKER_HOST: undefined } })

const commands = ["serve", "check", "doctor", "hash-password", "schema"]

describe("the program", () => {
  it.effect("--version and --help print on standard output and exit 0", () =>
    Effect.gen(function* () {
      const version = yield* dockerrun(["--version"])
      assert.strictEqual(version.status, 0)
      assert.match(version.stdout, /^dockerrun v\d+\.\d+\.\d+\n$/u)
      const help = yield* dockerrun(["--help"])
      assert.strictEqual(help.status, 0)
      for (const command of commands) assert.include(help.stdout, command)
      assert.strictEqual(help.stderr, "")
    })
  )

  it.effect("exits 1 for an unknown command or flag, and says which was meant", () =>
    Effect.gen(function* () {
      const command = yield* dockerrun(["chek"])
      assert.strictEqual(command.status, 1)
      assert.match(command.stderr, /chek[^]*check/u)
      const flag = yield* dockerrun(["check", "--confg", "x"])
      assert.strictEqual(flag.status, 1)
      assert.match(flag.stderr, /--confg[^]*--config/u)
    })
  )

  it.effect("check exits 1 with every problem on standard error, and no stack trace", () =>
    Effect.gen(function* () {
      const { status, stderr, stdout } = yield* dockerrun(["check", "--config", "/nonexistent/dockerrun.yaml"])
      assert.strictEqual(status, 1)
      assert.strictEqual(stdout, "")
      assert.include(stderr, "/nonexistent/dockerrun.yaml: cannot be read: there is no such file\n")
      assert.notMatch(stderr, /^\s+at /mu)
    })
  )

  it.effect("schema prints JSON and exits 0", () =>
    Effect.gen(function* () {
      const { status, stderr, stdout } = yield* dockerrun(["schema"])
      assert.strictEqual(status, 0)
      assert.strictEqual(stderr, "")
      const parsed: unknown = JSON.parse(stdout)
      assert.containsSubset(parsed, { title: "dockerrun configuration", type: "object" })
    })
  )

  it.effect("hash-password prints one line for one line, and exits 1 for none", () =>
    Effect.gen(function* () {
      const made = yield* dockerrun(["hash-password"], "correct horse\n")
      assert.strictEqual(made.status, 0)
      assert.match(made.stdout, /^\$2b\$12\$[./A-Za-z0-9]{53}\n$/u)
      const none = yield* dockerrun(["hash-password"])
      assert.strictEqual(none.status, 1)
      assert.strictEqual(none.stdout, "")
      assert.strictEqual(none.stderr, "dockerrun: the password is empty\n")
    })
  )

  it.effect("hash-password asks on the terminal while its output goes to a file, and shows no password", () =>
    Effect.gen(function* () {
      const file = join(yield* temporaryDirectory, "hash")
      const line = `'${process.execPath}' '${main}' hash-password > '${file}'; echo status=$?; cat '${file}'`
      const program = yield* start("script", ["-qefc", line, "/dev/null"], {
        stdin: "open",
        env: { SHELL: "/bin/sh", NO_COLOR: "1" }
      })
      let seen = ""
      program.stdout.on("data", (chunk: Buffer) => (seen += chunk.toString()))
      for (const prompt of ["Password", "The same again"]) {
        yield* waitFor(
          prompt,
          Effect.sync(() => seen.includes(prompt))
        )
        program.stdin.write("xyzzy\r")
      }
      yield* finish(program, "hash-password on a terminal")
      assert.match(seen, /status=0\r?\n\$2b\$12\$/u)
      assert.notInclude(seen.slice(0, seen.indexOf("status=")), "xyz")
    })
  )

  it.effect("serve goes on when nobody reads its log any more, and ends as it should", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const config = join(directory, "dockerrun.json")
      const settings = {
        ssh: { listen: "127.0.0.1:0" },
        dockerrun: { host: `unix://${directory}/none.sock`, config: { disableShell: true } },
        log: { level: "debug" }
      }
      yield* Effect.promise(() => writeFile(config, JSON.stringify(settings)))
      const program = yield* start(process.execPath, [main, "serve", "--config", config], { cwd: directory })
      let log = ""
      program.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()))
      const port = yield* waitFor(
        "the port that it listens on",
        Effect.sync(() => / port=(\d+) /u.exec(log)?.[1])
      )
      program.stderr.destroy()
      // The first client makes it write to its log; the second one finds it alive.
      for (const client of ["first", "second"]) {
        const scan = yield* run("ssh-keyscan", ["-t", "ed25519", "-p", port, "127.0.0.1"])
        assert.include(scan.stdout, "ssh-ed25519", client)
      }
      yield* program.kill("SIGTERM")
      assert.strictEqual((yield* finish(program, "serve without a reader of its log")).status, 0)
    })
  )

  it.effect("completions for bash complete the commands", () =>
    Effect.gen(function* () {
      const script = yield* dockerrun(["--completions", "bash"])
      assert.strictEqual(script.status, 0)
      const complete = `${script.stdout}
        COMP_WORDS=(dockerrun ha); COMP_CWORD=1; COMP_LINE="dockerrun ha"; COMP_POINT=12
        $(complete -p dockerrun | sed 's/.*-F \\([^ ]*\\).*/\\1/') dockerrun ha dockerrun
        echo "completed: \${COMPREPLY[*]}"`
      const { stderr, stdout } = yield* run("bash", ["--norc", "-c", complete])
      assert.match(stdout, /^completed: hash-password\s*$/mu, stderr)
    })
  )
})
