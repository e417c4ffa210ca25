/**
 * Claims about containers: lifecycle, names, labels, signals, waiting, removal, attachment.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { DockerError } from "../schema/DockerError.ts"
import { ContainerId, ExecId } from "../schema/Identifiers.ts"
import { discard } from "../services/ByteSink.ts"
import { Docker } from "../services/Docker.ts"
import { begin, type ConformanceCase, expectEqual, expectReason, makeCase, type Setting, until } from "./Conformance.ts"
import { collect, makeContainer, runContainer, shell, type, uniqueName } from "./ConformanceContainer.ts"

const missing = ContainerId.make("0123456789ab".padEnd(64, "0"))
const missingExec = ExecId.make("0123456789ab".padEnd(64, "0"))

const statusOf = (id: ContainerId) =>
  Docker.use((docker) => Effect.map(docker.inspectContainer(id), ({ status }) => status))

/** Sends TERM until it is heeded: a process that has just been started has not set its trap yet. */
const terminate = Effect.fnUntraced(function* (id: ContainerId) {
  const docker = yield* Docker
  const kill = docker.killContainer(id, "SIGTERM").pipe(Effect.ignore, Effect.andThen(Effect.sleep("50 millis")))
  return yield* Effect.raceFirst(docker.waitContainer(id, "not-running"), Effect.forever(kill))
})

/**
 * @internal
 */
export const cases = (setting: Setting): ReadonlyArray<ConformanceCase> => [
  makeCase(
    "containers",
    "are created, run, exit with a status, and are removed",
    Effect.gen(function* () {
      const docker = yield* Docker
      const id = yield* makeContainer(setting)
      yield* expectEqual("after the creation", yield* statusOf(id), "created")
      yield* docker.startContainer(id)
      const running = yield* docker.inspectContainer(id)
      yield* expectEqual("after the start", [running.status, running.running, running.id], ["running", true, id])
      yield* expectEqual("the status on TERM", yield* terminate(id), { exitCode: 0 })
      yield* expectEqual("after the end", yield* statusOf(id), "exited")
      yield* docker.removeContainer(id)
      yield* expectReason("after the removal", docker.inspectContainer(id), "NotFound")
    })
  ),
  makeCase(
    "containers",
    "that run are started again without harm, and those that ended run again",
    Effect.gen(function* () {
      const docker = yield* Docker
      const id = yield* runContainer(setting)
      yield* docker.startContainer(id)
      yield* terminate(id)
      yield* docker.startContainer(id)
      yield* expectEqual("after the second start", yield* statusOf(id), "running")
    })
  ),
  makeCase(
    "containers",
    "of an image that is not there are not created",
    Effect.gen(function* () {
      yield* expectReason("create", makeContainer(setting, { Image: "dockerrun-conformance/nothing:1" }), "NotFound")
    })
  ),
  makeCase(
    "containers",
    "have names that are taken until they are removed",
    Effect.gen(function* () {
      const docker = yield* Docker
      const name = yield* uniqueName("name")
      const id = yield* makeContainer(setting, { name })
      yield* expectEqual("the name", (yield* docker.inspectContainer(id)).name, name)
      yield* expectReason("the name again", makeContainer(setting, { name }), "Conflict")
      yield* docker.removeContainer(id)
      yield* makeContainer(setting, { name })
    })
  ),
  makeCase(
    "containers",
    "are renamed while they run, unless the name is taken; the old name is free",
    Effect.gen(function* () {
      const docker = yield* Docker
      const [before, after, taken] = yield* Effect.all([uniqueName("old"), uniqueName("new"), uniqueName("taken")])
      const id = yield* runContainer(setting, { name: before })
      yield* makeContainer(setting, { name: taken })
      yield* expectReason("to a name that is taken", docker.renameContainer(id, taken), "Conflict")
      yield* expectEqual("the name then", (yield* docker.inspectContainer(id)).name, before)
      yield* docker.renameContainer(id, after)
      const renamed = yield* docker.inspectContainer(id)
      yield* expectEqual("the name and the state", [renamed.name, renamed.running], [after, true])
      yield* expectEqual("a program in it", (yield* shell(id, "echo here")).stdout, "here\n")
      yield* makeContainer(setting, { name: before })
    })
  ),
  makeCase(
    "containers",
    "name the execs that run in them",
    Effect.gen(function* () {
      const docker = yield* Docker
      const id = yield* runContainer(setting)
      const running = Effect.gen(function* () {
        const { execs } = yield* docker.inspectContainer(id)
        return yield* Effect.filter(execs, (exec) => Effect.map(docker.inspectExec(exec), (info) => info.running))
      })
      yield* expectEqual("before", yield* running, [])
      const exec = yield* docker.createExec(id, { command: ["cat"], env: [], tty: false })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const streams = yield* docker.startExec(exec, { tty: false, output: { stdout: discard, stderr: discard } })
          yield* until(running, (execs) => execs.length > 0)
          yield* expectEqual("while it runs", yield* running, [exec])
          streams.stdin.end()
          yield* streams.ended
        })
      )
      yield* until(running, (execs) => execs.length === 0)
    })
  ),
  makeCase(
    "containers",
    "that are not there are NotFound for every operation",
    Effect.gen(function* () {
      const docker = yield* Docker
      const output = { stdout: discard, stderr: discard }
      const operations: Record<string, Effect.Effect<unknown, DockerError>> = {
        start: docker.startContainer(missing),
        inspect: docker.inspectContainer(missing),
        rename: docker.renameContainer(missing, "dockerrun-conformance-nobody"),
        kill: docker.killContainer(missing, "SIGTERM"),
        remove: docker.removeContainer(missing),
        wait: docker.waitContainer(missing, "not-running"),
        "wait for the removal": docker.waitContainer(missing, "removed"),
        attach: Effect.scoped(docker.attachContainer(missing, { tty: false, output })),
        exec: docker.createExec(missing, { command: ["true"], env: [], tty: false }),
        "start of an exec": Effect.scoped(docker.startExec(missingExec, { tty: false, output })),
        "inspection of an exec": docker.inspectExec(missingExec),
        "resize of a container": docker.resizeContainer(missing, { columns: 80, rows: 24 }),
        "resize of an exec": docker.resizeExec(missingExec, { columns: 80, rows: 24 })
      }
      for (const [name, operation] of Object.entries(operations)) yield* expectReason(name, operation, "NotFound")
    })
  ),
  makeCase(
    "containers",
    "that do not run cannot be signalled and run no programs",
    Effect.gen(function* () {
      const docker = yield* Docker
      const id = yield* makeContainer(setting)
      const exec = docker.createExec(id, { command: ["true"], env: [], tty: false })
      yield* expectReason("kill, created", docker.killContainer(id, "SIGTERM"), "Conflict")
      yield* expectReason("exec, created", exec, "Conflict")
      yield* docker.startContainer(id)
      yield* docker.killContainer(id, "SIGKILL")
      yield* docker.waitContainer(id, "not-running")
      yield* expectReason("kill, exited", docker.killContainer(id, "SIGTERM"), "Conflict")
      yield* expectReason("exec, exited", exec, "Conflict")
    })
  ),
  makeCase(
    "containers",
    "without a program for their first process do not start, and say which status a shell would give",
    Effect.gen(function* () {
      const docker = yield* Docker
      for (const [program, exitCode] of [
        ["/no/such/program", 127],
        [setting.images.notExecutable, 126]
      ] as const) {
        const id = yield* makeContainer(setting, { Cmd: [program] })
        const error = yield* expectReason(program, docker.startContainer(id), "ProgramNotStarted")
        const status = error.reason._tag === "ProgramNotStarted" ? error.reason.exitCode : undefined
        yield* expectEqual(`the status of ${program}`, status, exitCode)
        yield* expectEqual("the container", (yield* docker.inspectContainer(id)).running, false)
        yield* docker.removeContainer(id)
      }
    })
  ),
  makeCase(
    "containers",
    "have a first process that heeds only the signals that it traps, and KILL",
    Effect.gen(function* () {
      const docker = yield* Docker
      const id = yield* runContainer(setting, { Cmd: ["sleep", "1000"] })
      yield* docker.killContainer(id, "SIGTERM")
      yield* expectEqual("a program after TERM", (yield* shell(id, "echo here")).stdout, "here\n")
      yield* docker.killContainer(id, "SIGKILL")
      yield* expectEqual("on KILL", yield* docker.waitContainer(id, "not-running"), { exitCode: 137 })
    })
  ),
  makeCase(
    "waiting",
    "begun before the start gives the next exit; for the removal, the last",
    Effect.gen(function* () {
      const docker = yield* Docker
      const id = yield* makeContainer(setting, { Cmd: ["/bin/sh", "-c", "exit 7"] })
      const next = yield* begin(docker.waitContainer(id, "next-exit"))
      const removed = yield* begin(docker.waitContainer(id, "removed"))
      // The engine has to have taken the two requests; there is nothing to see that by.
      yield* Effect.sleep("300 millis")
      yield* docker.startContainer(id)
      yield* expectEqual("the next exit", yield* next, { exitCode: 7 })
      yield* docker.removeContainer(id)
      yield* expectEqual("the removal", yield* removed, { exitCode: 7 })
    })
  ),
  makeCase(
    "waiting",
    "for a container that does not run ends at once",
    Effect.gen(function* () {
      const docker = yield* Docker
      const id = yield* makeContainer(setting)
      yield* expectEqual("created", yield* docker.waitContainer(id, "not-running"), { exitCode: 0 })
    })
  ),
  makeCase(
    "lists",
    "find containers, running or not, by all of the labels",
    Effect.gen(function* () {
      const docker = yield* Docker
      const run = yield* uniqueName("label")
      const first = yield* makeContainer(setting, { Labels: { run, number: "1" } })
      const second = yield* runContainer(setting, { Labels: { run, number: "2" } })
      const find = (labels: ReadonlyArray<string>) =>
        Effect.map(docker.listContainers(labels), (all) => all.map(({ id }) => id).toSorted())
      yield* expectEqual("by value", yield* find([`run=${run}`]), [first, second].toSorted())
      yield* expectEqual("by two", yield* find([`run=${run}`, "number=1"]), [first])
      yield* expectEqual("by name", yield* find([`run=${run}`, "number"]), [first, second].toSorted())
      yield* expectEqual("by another", yield* find([`run=${run}`, "other"]), [])
      const [found] = yield* docker.listContainers([`run=${run}`, "number=2"])
      yield* expectEqual("its status and labels", [found?.status, found?.labels], ["running", { run, number: "2" }])
    })
  ),
  makeCase(
    "removal",
    "takes a running container, and a second one finds none",
    Effect.gen(function* () {
      const docker = yield* Docker
      const id = yield* runContainer(setting)
      yield* docker.removeContainer(id)
      yield* expectReason("the second", docker.removeContainer(id), "NotFound")
    })
  ),
  makeCase(
    "removal",
    "without force leaves a running container, and takes one that was never started",
    Effect.gen(function* () {
      const docker = yield* Docker
      const running = yield* runContainer(setting)
      yield* expectReason("of a running one", docker.removeContainer(running, { force: false }), "Conflict")
      yield* expectEqual("whether it runs", (yield* docker.inspectContainer(running)).running, true)
      const created = yield* makeContainer(setting)
      yield* docker.removeContainer(created, { force: false })
      yield* expectReason("afterwards", docker.inspectContainer(created), "NotFound")
    })
  ),
  makeCase(
    "removal",
    "asked for many times at once is done once; the others are NotFound or Conflict",
    Effect.gen(function* () {
      const docker = yield* Docker
      const id = yield* runContainer(setting)
      const outcomes = yield* Effect.forEach(
        Array.from({ length: 5 }),
        () =>
          docker.removeContainer(id).pipe(
            Effect.as("Removed"),
            Effect.catch((error) => Effect.succeed(error.reason._tag))
          ),
        { concurrency: "unbounded" }
      )
      const strange = outcomes.filter((tag) => !["Removed", "NotFound", "Conflict"].includes(tag))
      yield* expectEqual("strange outcomes", strange, [])
      yield* expectEqual("whether any removed it", outcomes.includes("Removed"), true)
    })
  ),
  makeCase(
    "removal",
    "happens by itself with AutoRemove, also while it is asked for",
    Effect.gen(function* () {
      const docker = yield* Docker
      const id = yield* runContainer(setting, { autoRemove: true })
      const removed = yield* begin(docker.waitContainer(id, "removed").pipe(Effect.asVoid))
      yield* docker.killContainer(id, "SIGKILL")
      const tag = yield* docker.removeContainer(id).pipe(
        Effect.as("Removed"),
        Effect.catch((error) => Effect.succeed(error.reason._tag))
      )
      yield* expectEqual(
        "the outcome",
        ["Removed", "NotFound", "Conflict"].includes(tag) ? "expected" : tag,
        "expected"
      )
      yield* removed.pipe(Effect.catchReason("DockerError", "NotFound", () => Effect.void))
      yield* expectReason("afterwards", docker.inspectContainer(id), "NotFound")
    })
  ),
  makeCase(
    "volumes",
    "without a name have the labels that they are asked for with, go with their container, and not before",
    Effect.gen(function* () {
      const docker = yield* Docker
      const run = yield* uniqueName("volume")
      const id = yield* makeContainer(setting, {
        mounts: [{ Type: "volume", Target: "/conformance", VolumeOptions: { Labels: { run } } }]
      })
      const find = docker.listVolumes([`run=${run}`])
      const [volume] = yield* find
      const name = volume?.name ?? "none was found"
      yield* expectEqual("its name", /^[0-9a-f]{64}$/u.test(name), true)
      yield* expectEqual("its labels", volume?.labels, { run })
      yield* expectReason("its removal", docker.removeVolume(name), "Conflict")
      yield* docker.removeContainer(id)
      yield* expectEqual("after the removal of the container", yield* find, [])
      yield* expectReason("the removal of none", docker.removeVolume(name), "NotFound")
    })
  ),
  makeCase(
    "attachment",
    "before the start misses nothing, and passes the end of the input on with StdinOnce",
    Effect.gen(function* () {
      const docker = yield* Docker
      const id = yield* makeContainer(setting, {
        Cmd: ["/bin/sh", "-c", "echo first; cat; echo last >&2; exit 5"],
        OpenStdin: true,
        StdinOnce: true,
        AttachStdin: true,
        AttachStdout: true,
        AttachStderr: true
      })
      const collected = collect()
      const streams = yield* docker.attachContainer(id, { tty: false, output: collected.output })
      yield* docker.startContainer(id)
      yield* type(streams, "in the middle\n")
      streams.stdin.end()
      yield* streams.ended
      yield* expectEqual("the output", [collected.stdout(), collected.stderr()], ["first\nin the middle\n", "last\n"])
      yield* expectEqual("the status", yield* docker.waitContainer(id, "not-running"), { exitCode: 5 })
    })
  ),
  makeCase(
    "attachment",
    "without StdinOnce keeps the input open for the next",
    Effect.gen(function* () {
      const docker = yield* Docker
      const id = yield* makeContainer(setting, { Cmd: ["cat"], OpenStdin: true })
      const first = collect()
      const second = collect()
      yield* docker.startContainer(id)
      const one = yield* docker.attachContainer(id, { tty: false, output: first.output })
      yield* type(one, "one\n")
      yield* first.awaitText("one\n")
      one.stdin.end()
      const two = yield* docker.attachContainer(id, { tty: false, output: second.output })
      yield* type(two, "two\n")
      yield* second.awaitText("two\n")
      yield* expectEqual("the container", yield* statusOf(id), "running")
    })
  )
]
