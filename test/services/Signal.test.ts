import { randomUUID } from "node:crypto"
import { copyFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Signal from "../../src/services/Signal.ts"
import { waitFor } from "../support/Deadline.ts"
import { describeEngine, docker, engine, processes } from "../support/Engine.ts"
import { output, run, type RunningProgram, start } from "../support/Program.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"

describe("Signal.isName", () => {
  it("knows the names of RFC 4254, without SIG and in capitals", () => {
    assert.isTrue(Signal.names.every(Signal.isName))
    assert.strictEqual(Signal.names.length, 13)
    for (const name of ["SIGTERM", "term", "", "STOP", "9", "TERM; reboot", "toString"]) {
      assert.isFalse(Signal.isName(name), name)
    }
  })
})

/**
 * Where /bin/sh can read other processes' environment in /proc. Only what these tests have started bears their markers:
 * nothing else can be signalled.
 */
describe.runIf(process.platform === "linux")("Signal.delivery, to all that descends from a program", () => {
  /** A program with these variables and no others. */
  const marked = (variables: ReadonlyArray<string>, ...command: ReadonlyArray<string>) =>
    start("env", ["-i", ...variables, ...(command.length === 0 ? ["sleep", "300"] : command)])

  const deliver = (signal: Signal.Name, programId: string, shell?: string) => {
    const [program, ...args] = Signal.delivery(signal, programId, "all")
    return Effect.map(run(shell ?? program, args), ({ status, stderr, stdout }) => {
      assert.strictEqual(stdout + stderr, "", "nothing is written that the person could see")
      return status
    })
  }

  const endedBy = (program: RunningProgram) => Effect.map(program.exit, ({ signal }) => signal)

  /** The marker is in the environment when `env` has become the program. */
  const running = (program: RunningProgram, name: string) =>
    waitFor(
      `${name} to run`,
      Effect.map(run("cat", [`/proc/${program.pid}/comm`]), ({ stdout }) => stdout.trim() === name)
    )

  it.effect("reaches the program wherever its marker stands among the variables, and says so", () =>
    Effect.gen(function* () {
      const id = `${randomUUID()}-1`
      const marker = `${Signal.marker}=${id}`
      for (const variables of [
        [marker],
        [marker, "PATH=/bin", "1=2"],
        ["PATH=/bin", marker],
        ["TEXT=two\nlines\n", marker, "LAST=\n"],
        ["EMPTY=", "BACKSLASH=\\", marker]
      ]) {
        const program = yield* marked(variables, "/bin/sleep", "300")
        yield* running(program, "sleep")
        assert.strictEqual(yield* deliver("TERM", id), 0)
        assert.strictEqual(yield* endedBy(program), "SIGTERM", JSON.stringify(variables))
      }
    })
  )

  it.effect("is the signal that was asked for", () =>
    Effect.gen(function* () {
      for (const [name, expected] of [
        ["HUP", "SIGHUP"],
        ["INT", "SIGINT"],
        ["USR1", "SIGUSR1"],
        ["KILL", "SIGKILL"]
      ] as const) {
        const id = `${randomUUID()}-1`
        const program = yield* marked([`${Signal.marker}=${id}`], "/bin/sleep", "300")
        yield* running(program, "sleep")
        assert.strictEqual(yield* deliver(name, id), 0)
        assert.strictEqual(yield* endedBy(program), expected)
      }
    })
  )

  it.effect("reaches what descends from it, in a session of its own too", () =>
    Effect.gen(function* () {
      const id = `${randomUUID()}-1`
      const program = yield* marked(
        [`${Signal.marker}=${id}`, "PATH=/usr/bin:/bin"],
        "sh",
        "-c",
        "setsid sleep 300 & echo $!; wait"
      )
      let written = ""
      program.stdout.on("data", (chunk: Buffer) => {
        written += chunk.toString()
      })
      const child = yield* waitFor(
        "the child's pid",
        Effect.sync(() => /^(\d+)\n$/u.exec(written)?.[1])
      )
      const isRunning = (name: string) =>
        Effect.map(run("cat", [`/proc/${child}/comm`]), ({ stdout }) => stdout.trim() === name)
      yield* waitFor("the child", isRunning("sleep"))
      assert.strictEqual(yield* deliver("KILL", id), 0)
      assert.strictEqual(yield* endedBy(program), "SIGKILL")
      yield* waitFor(
        "the child's end",
        Effect.map(isRunning("sleep"), (running) => !running)
      )
    })
  )

  it.effect("leaves programs with other markers alone, also when one begins like the other", () =>
    Effect.gen(function* () {
      const connection = randomUUID()
      const first = yield* marked([`${Signal.marker}=${connection}-1`], "/bin/sleep", "300")
      const tenth = yield* marked([`${Signal.marker}=${connection}-10`], "/bin/sleep", "300")
      const eleventh = yield* marked(["A=1", `${Signal.marker}=${connection}-11`, "B=2"], "/bin/sleep", "300")
      for (const program of [first, tenth, eleventh]) yield* running(program, "sleep")
      assert.strictEqual(yield* deliver("TERM", `${connection}-1`), 0)
      assert.strictEqual(yield* endedBy(first), "SIGTERM")
      // Signals to the others would have been sent by now: the delivery is over.
      assert.strictEqual(yield* deliver("HUP", `${connection}-1`), Signal.nobodyThere)
      assert.strictEqual(yield* deliver("KILL", `${connection}-10`), 0)
      assert.strictEqual(yield* endedBy(tenth), "SIGKILL")
      assert.strictEqual(yield* deliver("KILL", `${connection}-11`), 0)
      assert.strictEqual(yield* endedBy(eleventh), "SIGKILL")
    })
  )

  it.effect("says when nobody is there", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* deliver("TERM", `${randomUUID()}-1`), Signal.nobodyThere)
    })
  )

  it.effect("takes no harm from a process with an unusual name", () =>
    Effect.gen(function* () {
      const id = `${randomUUID()}-1`
      const name = "a) Z (b *"
      const file = join(yield* temporaryDirectory, name)
      yield* Effect.promise(() => copyFile("/bin/sleep", file))
      const program = yield* marked([`${Signal.marker}=${id}`], file, "300")
      yield* running(program, name)
      assert.strictEqual(yield* deliver("TERM", id), 0)
      assert.strictEqual(yield* endedBy(program), "SIGTERM")
    })
  )

  it.effect("takes the marker for text, not for a pattern or a command", () =>
    Effect.gen(function* () {
      const id = `${randomUUID()}-1`
      const program = yield* marked([`${Signal.marker}=${id}`], "/bin/sleep", "300")
      yield* running(program, "sleep")
      for (const other of [
        `${id.slice(0, 8)}*`,
        "*",
        "?",
        `"; kill -9 ${program.pid}; "`,
        `$(kill -9 ${program.pid})`
      ]) {
        assert.strictEqual(yield* deliver("TERM", other), Signal.nobodyThere, other)
      }
      assert.strictEqual(yield* deliver("TERM", id), 0)
      assert.strictEqual(yield* endedBy(program), "SIGTERM")
    })
  )

  for (const shell of ["dash", "bash", "busybox"]) {
    it.effect(`works in ${shell}`, (context) =>
      Effect.gen(function* () {
        if ((yield* run("sh", ["-c", `command -v ${shell}`])).status !== 0) return context.skip(`there is no ${shell}`)
        const connection = randomUUID()
        const program = yield* marked([`${Signal.marker}=${connection}-1`, "A=1"], "/bin/sleep", "300")
        const tenth = yield* marked([`${Signal.marker}=${connection}-10`], "/bin/sleep", "300")
        for (const one of [program, tenth]) yield* running(one, "sleep")
        const [, ...args] = Signal.delivery("TERM", `${connection}-1`, "all")
        const result = yield* run(shell, shell === "busybox" ? ["sh", ...args] : args)
        assert.deepStrictEqual([result.stdout, result.stderr, result.status], ["", "", 0])
        assert.strictEqual(yield* endedBy(program), "SIGTERM")
        assert.isFalse(tenth.hasExited())
      })
    )
  }
})

describeEngine("Signal.delivery, in a container", () => {
  const container = Effect.acquireRelease(
    Effect.map(docker("run", "-d", "--init", "--network", "none", "dockerrun-test/tiny:1", "sleep", "1000"), (id) =>
      id.trim()
    ),
    (id) => Effect.orDie(docker("rm", "--force", id))
  )

  /** A program as the server starts it: an exec with the marker; what it writes is collected. */
  const exec = Effect.fnUntraced(function* (id: string, programId: string, script: string) {
    const program = yield* start("docker", ["exec", "-e", `${Signal.marker}=${programId}`, id, "sh", "-c", script], {
      env: { DOCKER_HOST: engine().host }
    })
    let written = ""
    program.stdout.on("data", (chunk: Buffer) => {
      written += chunk.toString()
    })
    const expect = (text: string) =>
      waitFor(
        JSON.stringify(text),
        Effect.sync(() => written.includes(text))
      )
    yield* expect("ready\n")
    return { ...program, expect, written: () => written }
  })

  const deliver = (id: string, signal: Signal.Name, programId: string, target: "group" | "all") =>
    Effect.map(
      run("docker", ["exec", id, ...Signal.delivery(signal, programId, target)], {
        env: { DOCKER_HOST: engine().host }
      }),
      ({ status, stderr, stdout }) => {
        assert.strictEqual(stdout + stderr, "")
        return status
      }
    )

  it.effect("every signal that a program can catch arrives as itself, and KILL ends it", () =>
    Effect.gen(function* () {
      const id = yield* container
      const program = yield* exec(
        id,
        "c-1",
        `for name in ${Signal.names.filter((name) => name !== "KILL").join(" ")}; do trap "echo got $name" $name; done
         echo ready; while :; do sleep 300 & wait; done`
      )
      for (const name of Signal.names) {
        if (name === "KILL") continue
        assert.strictEqual(yield* deliver(id, name, "c-1", "group"), 0)
        yield* program.expect(`got ${name}\n`)
      }
      const got = program.written().match(/got \w+/gu)
      assert.deepStrictEqual(
        got,
        Signal.names.filter((name) => name !== "KILL").map((name) => `got ${name}`)
      )
      assert.strictEqual(yield* deliver(id, "KILL", "c-1", "group"), 0)
      assert.strictEqual((yield* program.exit).status, 137)
      assert.strictEqual(yield* deliver(id, "KILL", "c-1", "group"), Signal.nobodyThere)
    })
  )

  it.effect("the group is the program's own: its children in it, not a session that it began, nor other programs", () =>
    Effect.gen(function* () {
      const id = yield* container
      const program = yield* exec(id, "c-1", "setsid sleep 301 & sleep 302 & echo ready; wait")
      const other = yield* exec(id, "c-10", "sleep 303 & echo ready; wait")
      const sleeps = Effect.map(processes(id), (all) => all.filter((line) => line.startsWith("sleep 30")).toSorted())
      yield* waitFor(
        "all of them",
        Effect.map(sleeps, (all) => all.length === 3)
      )
      assert.strictEqual(yield* deliver(id, "TERM", "c-1", "group"), 0)
      assert.strictEqual((yield* program.exit).status, 143)
      yield* waitFor(
        "the end of the group",
        Effect.map(sleeps, (all) => all.length === 2)
      )
      assert.deepStrictEqual(yield* sleeps, ["sleep 301", "sleep 303"])

      // The group is gone; what descends from it is not.
      assert.strictEqual(yield* deliver(id, "TERM", "c-1", "group"), Signal.nobodyThere)
      assert.strictEqual(yield* deliver(id, "KILL", "c-1", "all"), 0)
      yield* waitFor(
        "the end of all",
        Effect.map(sleeps, (all) => all.length === 1)
      )
      assert.deepStrictEqual(yield* sleeps, ["sleep 303"])
      assert.strictEqual(yield* deliver(id, "HUP", "c-10", "all"), 0)
      assert.strictEqual((yield* other.exit).status, 129)
    })
  )

  it.effect("needs nothing of the image but its shell", () =>
    Effect.gen(function* () {
      const id = yield* container
      const program = yield* exec(id, "c-1", "echo ready; exec sleep 300")
      yield* waitFor(
        "the program",
        Effect.map(processes(id), (all) => all.includes("sleep 300"))
      )
      const [shell, ...args] = Signal.delivery("TERM", "c-1", "group")
      yield* output("docker", ["exec", "-e", "PATH=/nowhere", id, shell, ...args], {
        env: { DOCKER_HOST: engine().host }
      })
      assert.strictEqual((yield* program.exit).status, 143)
    })
  )
})
