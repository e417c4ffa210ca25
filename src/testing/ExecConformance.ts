/**
 * Claims about programs that are started in containers.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { ContainerId } from "../schema/Identifiers.ts"
import { discard } from "../services/ByteSink.ts"
import { Docker } from "../services/Docker.ts"
import * as Signal from "../services/Signal.ts"
import { type ConformanceCase, expectEqual, expectReason, makeCase, type Setting, until } from "./Conformance.ts"
import { collect, makeSlowSink, runContainer, shell, startExec, type } from "./ConformanceContainer.ts"

const nothing = { stdout: discard, stderr: discard }

/** The program that a signal is to reach, as the backend marks it. */
const marked = (programId: string) => ({ env: [`${Signal.marker}=${programId}`] })

const deliver = Effect.fnUntraced(function* (
  container: ContainerId,
  signal: Signal.Name,
  programId: string,
  target: "group" | "all"
) {
  const exec = yield* startExec(container, Signal.delivery(signal, programId, target))
  exec.streams.stdin.end()
  return yield* exec.status
})

/** A program is there a moment after its start has succeeded. */
const isDelivered = (status: number | undefined) => status === 0

/**
 * @internal
 */
export const cases = (setting: Setting): ReadonlyArray<ConformanceCase> => [
  makeCase(
    "execs",
    "keep the two outputs apart, each in its order, and give the exit status",
    Effect.gen(function* () {
      const id = yield* runContainer(setting)
      yield* expectEqual(
        "the outcome",
        yield* shell(id, "echo out1; echo err1 >&2; echo out2; echo err2 >&2; exit 3"),
        { status: 3, stdout: "out1\nout2\n", stderr: "err1\nerr2\n" }
      )
    })
  ),
  makeCase(
    "execs",
    "take the end of their input for what it is: output goes on after it",
    Effect.gen(function* () {
      const id = yield* runContainer(setting)
      const exec = yield* startExec(id, ["/bin/sh", "-c", "cat; echo end"])
      yield* type(exec.streams, "input\n")
      yield* exec.collected.awaitText("input\n")
      exec.streams.stdin.end()
      exec.streams.stdin.end()
      yield* expectEqual("the status", yield* exec.status, 0)
      yield* expectEqual("the output", exec.collected.stdout(), "input\nend\n")
    })
  ),
  makeCase(
    "execs",
    "have the container's environment and their own, and a working directory",
    Effect.gen(function* () {
      const id = yield* runContainer(setting, { Env: ["INNER=container", "BOTH=container"] })
      const env = yield* startExec(id, ["env"], { env: ["BOTH=exec", "OWN=a=b c"] })
      yield* expectEqual("the status", yield* env.status, 0)
      const lines = env.collected.stdout().split("\n")
      const ours = lines.filter((line) => /^(?:INNER|BOTH|OWN)=/u.test(line)).toSorted()
      yield* expectEqual("the variables", ours, ["BOTH=exec", "INNER=container", "OWN=a=b c"])
      const pwd = yield* startExec(id, ["pwd"], { workingDirectory: "/tmp" })
      yield* expectEqual("the status", yield* pwd.status, 0)
      yield* expectEqual("the directory", pwd.collected.stdout(), "/tmp\n")
    })
  ),
  makeCase(
    "execs",
    "of a program that is missing or not executable say so, with the status that a shell would give",
    Effect.gen(function* () {
      const id = yield* runContainer(setting)
      for (const [program, exitCode] of [
        ["/no/such/program", 127],
        ["no-such-program", 127],
        [setting.images.notExecutable, 126]
      ] as const) {
        const exec = yield* startExec(id, [program])
        const { reason } = yield* expectReason(program, exec.streams.ended, "ProgramNotStarted")
        yield* expectEqual(
          `the status of ${program}`,
          reason._tag === "ProgramNotStarted" ? reason.exitCode : undefined,
          exitCode
        )
        yield* expectEqual("what the client sees of it", exec.collected.stdout() + exec.collected.stderr(), "")
      }
    })
  ),
  makeCase(
    "execs",
    "are inspected before, while and after they run",
    Effect.gen(function* () {
      const docker = yield* Docker
      const id = yield* runContainer(setting)
      const unused = yield* docker.createExec(id, { command: ["true"], env: [], tty: false })
      yield* expectEqual("before", yield* docker.inspectExec(unused), { running: false, pid: 0 })
      const exec = yield* startExec(id, ["cat"])
      yield* type(exec.streams, "x")
      yield* exec.collected.awaitText("x")
      // The process id may come a moment after the first output.
      const running = yield* until(docker.inspectExec(exec.id), ({ pid }) => pid > 0)
      yield* expectEqual("while", [running.running, running.exitCode], [true, undefined])
      exec.streams.stdin.end()
      yield* expectEqual("after", yield* exec.status, 0)
    })
  ),
  makeCase(
    "execs",
    "run once",
    Effect.gen(function* () {
      const docker = yield* Docker
      const id = yield* runContainer(setting)
      const running = yield* startExec(id, ["cat"])
      yield* type(running.streams, "x")
      yield* running.collected.awaitText("x")
      // Engines before Docker 25 open a stream only to say in it that they do not start anything.
      const again = docker.startExec(running.id, { tty: false, output: nothing }).pipe(
        Effect.flatMap(({ ended }) => ended),
        Effect.exit,
        Effect.scoped
      )
      yield* again
      yield* expectEqual("the first start after a second one", (yield* docker.inspectExec(running.id)).running, true)
      yield* type(running.streams, "y")
      yield* running.collected.awaitText("xy")
      running.streams.stdin.end()
      yield* expectEqual("the status", yield* running.status, 0)
      yield* again
      yield* expectEqual("the status after a third", (yield* docker.inspectExec(running.id)).exitCode, 0)
    })
  ),
  makeCase(
    "execs",
    "run side by side",
    Effect.gen(function* () {
      const id = yield* runContainer(setting)
      const numbers = Array.from({ length: 10 }, (_, index) => index)
      const outcomes = yield* Effect.forEach(numbers, (number) => shell(id, `echo ${number}; exit ${number}`), {
        concurrency: "unbounded"
      })
      yield* expectEqual(
        "the outcomes",
        outcomes.map(({ status, stdout }) => [status, stdout]),
        numbers.map((number) => [number, `${number}\n`])
      )
    })
  ),
  makeCase(
    "execs",
    "lose and mix nothing of a large output",
    Effect.gen(function* () {
      const id = yield* runContainer(setting)
      const { status, stdout } = yield* shell(id, "seq 1 100000")
      yield* expectEqual("the status", status, 0)
      const lines = stdout.split("\n")
      const wrong = lines.findIndex((line, index) => line !== (index === 100_000 ? "" : String(index + 1)))
      yield* expectEqual("the first wrong line of 100,001", [wrong, lines.length], [-1, 100_001])
    })
  ),
  makeCase(
    "execs",
    "take a large input",
    Effect.gen(function* () {
      const id = yield* runContainer(setting)
      const exec = yield* startExec(id, ["cat"])
      const block = "0123456789abcdef".repeat(4096)
      for (let index = 0; index < 16; index += 1) yield* type(exec.streams, block)
      exec.streams.stdin.end()
      yield* expectEqual("the status", yield* exec.status, 0)
      yield* expectEqual("whether it came back", exec.collected.stdout() === block.repeat(16), true)
    })
  ),
  makeCase(
    "execs",
    "wait for a slow reader",
    Effect.gen(function* () {
      const id = yield* runContainer(setting)
      const slow = makeSlowSink()
      const exec = yield* startExec(id, ["seq", "1", "400000"], { output: { stdout: slow.sink, stderr: discard } })
      yield* slow.started
      // Nothing tells that no more comes: a while must do.
      yield* Effect.sleep("300 millis")
      yield* expectEqual("whether the reader was spared", slow.bytes() < 1_000_000, true)
      yield* slow.go
      yield* expectEqual("the status", yield* exec.status, 0)
      yield* expectEqual("the bytes", slow.bytes(), 2_688_895)
    })
  ),
  makeCase(
    "execs",
    "outlive their client, and find their input at its end",
    Effect.gen(function* () {
      const docker = yield* Docker
      const id = yield* runContainer(setting)
      const exec = yield* Effect.scoped(
        Effect.gen(function* () {
          const exec = yield* startExec(id, ["/bin/sh", "-c", "cat; exit 4"])
          yield* type(exec.streams, "x")
          yield* exec.collected.awaitText("x")
          return exec.id
        })
      )
      const info = yield* until(docker.inspectExec(exec), ({ running }) => !running)
      yield* expectEqual("the status", info.exitCode, 4)
    })
  ),
  makeCase(
    "execs",
    "end with their container, and are forgotten with it",
    Effect.gen(function* () {
      const docker = yield* Docker
      const id = yield* runContainer(setting)
      const exec = yield* startExec(id, ["sleep", "1000"])
      yield* until(docker.inspectExec(exec.id), ({ running }) => running)
      yield* docker.removeContainer(id)
      yield* Effect.exit(exec.streams.ended)
      yield* expectReason("its inspection", docker.inspectExec(exec.id), "NotFound")
    })
  ),
  makeCase(
    "execs",
    "are not started in a container that has ended meanwhile, and nothing of that is output",
    Effect.gen(function* () {
      const docker = yield* Docker
      const id = yield* runContainer(setting)
      const exec = yield* docker.createExec(id, { command: ["true"], env: [], tty: false })
      yield* docker.killContainer(id, "SIGKILL")
      yield* docker.waitContainer(id, "not-running")
      const collected = collect()
      const start = docker.startExec(exec, { tty: false, output: collected.output }).pipe(
        Effect.flatMap(({ ended }) => ended),
        Effect.scoped
      )
      yield* expectReason("the start", start, "Conflict", "NotFound")
      yield* expectEqual("the output", collected.stdout() + collected.stderr(), "")
    })
  ),
  makeCase(
    "execs",
    "that a signal ends have the status 128 and its number",
    Effect.gen(function* () {
      const id = yield* runContainer(setting)
      const exec = yield* startExec(id, ["sleep", "1000"], marked("dead"))
      yield* until(deliver(id, "KILL", "dead", "group"), isDelivered)
      yield* expectEqual("the status", yield* exec.status, 137)
    })
  ),
  makeCase(
    "signals",
    "reach the program that bears the marker, and no other",
    Effect.gen(function* () {
      const docker = yield* Docker
      const id = yield* runContainer(setting)
      const target = yield* startExec(id, ["sleep", "1000"], marked("program-1"))
      const other = yield* startExec(id, ["sleep", "1000"], marked("program-10"))
      yield* until(docker.inspectExec(other.id), ({ running }) => running)
      yield* until(deliver(id, "TERM", "program-1", "group"), isDelivered)
      yield* expectEqual("the status", yield* target.status, 143)
      yield* expectEqual("the other", (yield* docker.inspectExec(other.id)).running, true)
      yield* expectEqual("a signal for nobody", yield* deliver(id, "TERM", "program-1", "all"), Signal.nobodyThere)
      yield* expectEqual("the other afterwards", (yield* docker.inspectExec(other.id)).running, true)
    })
  ),
  makeCase(
    "signals",
    "cannot be delivered without a shell",
    Effect.gen(function* () {
      const id = yield* runContainer(setting, { Image: setting.images.withoutShell, Cmd: ["/bin/sleep", "1000"] })
      const exec = yield* startExec(id, Signal.delivery("TERM", "program-1", "all"))
      yield* expectReason("the delivery", exec.streams.ended, "ProgramNotStarted")
    })
  ),
  makeCase(
    "execs",
    "run in an image without a shell",
    Effect.gen(function* () {
      const id = yield* runContainer(setting, { Image: setting.images.withoutShell, Cmd: ["/bin/sleep", "1000"] })
      const exec = yield* startExec(id, ["/bin/echo", "a b", "c"])
      yield* expectEqual("the status", yield* exec.status, 0)
      yield* expectEqual("the output", exec.collected.stdout(), "a b c\n")
    })
  )
]
