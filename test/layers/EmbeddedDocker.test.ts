import { readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as EmbeddedDocker from "../../src/layers/EmbeddedDocker.ts"
import { Docker } from "../../src/services/Docker.ts"
import { runContainer, shell, startExec, type } from "../../src/testing/ConformanceContainer.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"

const setting = { images: { shell: "demo:1", withoutShell: "demo:1", notExecutable: "/etc/passwd" }, host: {} }
const container = runContainer(setting)

const withEngine =
  (options: EmbeddedDocker.Options = {}) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.provide(effect, EmbeddedDocker.layer(options))

const megabyte = 1_048_576

describe("a virtual container", () => {
  it.live("has files of its own, which all of its programs share and no other container sees", () =>
    Effect.gen(function* () {
      const one = yield* container
      const other = yield* container
      yield* shell(one, "echo mine > /tmp/file; mkdir -p /a/b; ln -s /tmp/file /a/b/link")
      assert.strictEqual((yield* shell(one, "cat /a/b/link")).stdout, "mine\n")
      assert.strictEqual((yield* shell(other, "cat /tmp/file")).status, 1)
    }).pipe(withEngine())
  )

  it.live("sees neither the files nor the environment of the host", () =>
    Effect.gen(function* () {
      const file = join(yield* temporaryDirectory, "secret")
      writeFileSync(file, "the host's")
      const id = yield* container
      const reading = yield* shell(
        id,
        `cat ${file}; cat ../../../..${file}; cat /proc/self/environ; ls ${process.cwd()}`
      )
      assert.strictEqual(reading.stdout, "")
      assert.notInclude(reading.stderr, "the host's")
      const passwd = yield* shell(id, "cat /etc/passwd")
      assert.notStrictEqual(passwd.stdout, readFileSync("/etc/passwd", "utf8"))
      const env = yield* shell(id, "env")
      const names = env.stdout
        .trim()
        .split("\n")
        .map((line) => line.replace(/=.*$/u, ""))
      const own = ["HOME", "HOSTNAME", "LOGNAME", "OLDPWD", "PATH", "PWD", "SHELL", "USER"]
      assert.deepStrictEqual(new Set(names), new Set(own))
    }).pipe(withEngine())
  )

  it.live("has no network", () =>
    Effect.gen(function* () {
      let connections = 0
      const server = yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const listening = createServer(() => {
            connections += 1
          }).listen(0, "127.0.0.1", () => resume(Effect.succeed(listening)))
        }),
        (listening) => Effect.sync(() => listening.close())
      )
      const address = server.address()
      const port = typeof address === "object" ? address?.port : undefined
      const id = yield* container
      const { status, stderr } = yield* shell(id, `curl http://127.0.0.1:${port}/`)
      assert.strictEqual(status, 127)
      assert.include(stderr, "curl: command not found")
      yield* shell(
        id,
        `echo x > /dev/tcp/127.0.0.1/${port}; cat < /dev/tcp/127.0.0.1/${port}; wget http://127.0.0.1:${port}/`
      )
      assert.strictEqual(connections, 0)
    }).pipe(withEngine())
  )

  it.live("gives output as it comes, of loops and of `cat`, and takes the lines of its input one by one", () =>
    Effect.gen(function* () {
      const id = yield* container
      const loop = yield* startExec(id, [
        "/bin/sh",
        "-c",
        'while read line; do echo "got $line"; done; echo "$(echo a; echo b)" | wc -l; echo end'
      ])
      for (const word of ["one", "two"]) {
        yield* type(loop.streams, `${word}\n`)
        yield* loop.collected.awaitText(`got ${word}\n`)
      }
      loop.streams.stdin.end()
      assert.strictEqual(yield* loop.status, 0)
      assert.strictEqual(loop.collected.stdout().replaceAll(" ", ""), "gotone\ngottwo\n2\nend\n")
    }).pipe(withEngine())
  )

  it.live("runs what its shell writes out wrongly as it stands", () =>
    Effect.gen(function* () {
      const id = yield* container
      const text = `cat <<EOF | tr a-z A-Z
here $((1 + 1))
EOF
[[ abc =~ ^a(.)c$ ]] && echo "\${BASH_REMATCH[1]}"
printf '%s\\n' $'a\\tb' "it's"
x=$(cat <<< "inner"); echo "$x" >&2; (exit 3)`
      assert.deepStrictEqual(yield* shell(id, text), {
        status: 3,
        stdout: "HERE 2\nb\na\tb\nit's\n",
        stderr: "inner\n"
      })
    }).pipe(withEngine())
  )
})

describe("the limits of a virtual container", () => {
  it.live("a busy loop is killed when its CPU time is over, holds nobody else up, and leaves its container alive", () =>
    Effect.gen(function* () {
      const busy = yield* container
      const other = yield* container
      yield* shell(busy, ":")
      yield* shell(other, ":")
      const loop = yield* Effect.forkChild(shell(busy, "while :; do :; done"))
      assert.strictEqual((yield* shell(other, "echo here")).stdout, "here\n")
      assert.isUndefined(loop.pollUnsafe(), "the loop was still running")
      const { status, stderr } = yield* Fiber.join(loop)
      assert.strictEqual(status, 152)
      assert.include(stderr, "more CPU time than a virtual container may use")
      assert.strictEqual((yield* shell(busy, "echo alive")).stdout, "alive\n")
    }).pipe(withEngine({ cpuTime: "2 seconds" }))
  )

  it.live("sleeping and waiting for input cost no CPU time", () =>
    Effect.gen(function* () {
      const id = yield* container
      const { status, stdout } = yield* shell(id, "sleep 2.5; echo rested")
      assert.deepStrictEqual([status, stdout], [0, "rested\n"])
    }).pipe(withEngine({ cpuTime: "2 seconds" }))
  )

  it.live("a program that writes without end is killed", () =>
    Effect.gen(function* () {
      const id = yield* container
      const { status, stderr, stdout } = yield* shell(id, "while :; do echo 0123456789012345678901234567890; done")
      assert.strictEqual(status, 153)
      assert.include(stderr, "more output than a virtual container may write")
      assert.isAtMost(stdout.length, 100_000)
      assert.strictEqual((yield* shell(id, "echo alive")).stdout, "alive\n")
    }).pipe(withEngine({ output: 100_000 }))
  )

  it.live("files that take more than they may are not written", () =>
    Effect.gen(function* () {
      const id = yield* container
      const { status, stderr } = yield* shell(id, "seq 1 90000 > /tmp/file")
      assert.strictEqual(status, 1)
      assert.include(stderr, "ENOSPC")
      assert.strictEqual((yield* shell(id, "echo small > /tmp/other; cat /tmp/other")).stdout, "small\n")
    }).pipe(withEngine({ files: 200_000 }))
  )

  it.live("a container that uses more memory than it may is killed, alone, and says so", () =>
    Effect.gen(function* () {
      const docker = yield* Docker
      const greedy = yield* container
      const other = yield* container
      const { status, stderr } = yield* shell(
        greedy,
        `awk 'BEGIN { for (i = 0; i < 999999; i++) a[i] = sprintf("%1000d", i) }'`
      )
      assert.strictEqual(status, 137)
      assert.include(stderr, "more memory than it may")
      assert.strictEqual((yield* docker.waitContainer(greedy, "not-running")).exitCode, 137)
      assert.strictEqual((yield* shell(other, "echo alive")).stdout, "alive\n")
    }).pipe(withEngine({ memory: 64 * megabyte, cpuTime: "1 minute" }))
  )

  it.live("no more containers are made than there may be", () =>
    Effect.gen(function* () {
      yield* container
      const error = yield* Effect.flip(Effect.scoped(container))
      assert.strictEqual(error.reason._tag, "BadRequest")
      assert.include(error.message, "no more than 1")
    }).pipe(withEngine({ containers: 1 }))
  )
})
