import { readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { afterAll, beforeAll } from "vitest"
import { waitFor, within } from "../support/Deadline.ts"
import { describeEngine, docker, hasEngine, processes, waitForContainers } from "../support/Engine.ts"
import { HarnessError } from "../support/HarnessError.ts"
import { controlMaster, type SshTarget, ssh, startSsh } from "../support/OpenSsh.ts"
import { finish, output, type RunningProgram } from "../support/Program.ts"
import { startServer, type TestServer } from "../support/Server.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"
import { startEcho } from "./Echo.ts"
import { mountSmallDisk, whileFull } from "./FullDisk.ts"
import { type PrivateEngine, privateEngine } from "./PrivateEngine.ts"
import { statuses } from "./Status.ts"

const user = "faults"

/** A session that has said something, so that its program is known to run. */
const startProgram = Effect.fnUntraced(function* (target: SshTarget, command: string = "echo up; sleep 300") {
  const client = yield* startSsh({ ...target, command })
  let stdout = ""
  let stderr = ""
  client.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()))
  client.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()))
  yield* waitFor(
    "the program",
    Effect.sync(() => stdout.includes("up")),
    30_000
  )
  return { client, stdout: () => stdout, stderr: () => stderr }
})

const ended = (client: RunningProgram, deadline = 20_000) =>
  within(client.closed, deadline, () => "the client is to end")

const oneContainer = Effect.map(waitForContainers(1, user), ([container]) => container?.Id ?? "")

const countOf = (server: TestServer, code: string) => server.events.filter((event) => event["code"] === code).length

describeEngine("a container to which something happens", () => {
  it.live.each([
    ["is killed", ["kill"]],
    ["is removed", ["rm", "--force"]]
  ] as const)(
    "that %s: its people are told, and its connection ends",
    ([, command]) =>
      Effect.gen(function* () {
        const server = yield* startServer({ user })
        const { client, stderr } = yield* startProgram(server.target)
        yield* docker(...command, yield* oneContainer)
        assert.strictEqual((yield* ended(client)).status, 137)
        assert.match(stderr(), /^dockerrun: the container was killed or removed \[DOCKERRUN_PROGRAM_LOST, connection/mu)
        assert.strictEqual((yield* server.waitForEvent("CONTAINER_LOST"))["fate"], "killed")
        yield* server.waitForEvent("CONNECTION_CLOSED")
        yield* waitForContainers(0, user)
      }),
    60_000
  )

  it.live(
    "that is paused: its people are told, nothing is started in it, and it goes on",
    () =>
      Effect.gen(function* () {
        const server = yield* startServer({ user })
        const { master, target } = yield* controlMaster(server.target)
        const { client, stderr } = yield* startProgram(target, "echo up; read -r line; exit 5")
        const id = yield* oneContainer
        // An engine that pauses a container in which something is just being started may not get over it.
        yield* waitFor(
          "a shell that waits for the next program",
          Effect.map(processes(id), (lines) => lines.length >= 4 && lines.every((line) => !line.includes("runc init")))
        )
        yield* docker("pause", id)
        yield* waitFor(
          "the word of it",
          Effect.sync(() => stderr().includes("the container was paused"))
        )
        const refused = yield* ssh({ ...target, command: "echo never" })
        assert.deepStrictEqual([refused.status, refused.stdout], [125, ""])
        assert.match(
          refused.stderr,
          /^dockerrun: the container is paused; try again when it is resumed \[DOCKERRUN_CONTAINER_PAUSED, connection/mu
        )
        yield* docker("unpause", id)
        yield* waitFor(
          "the word of that",
          Effect.sync(() => stderr().includes("the container goes on"))
        )
        client.stdin.write("line\n")
        assert.strictEqual((yield* ended(client)).status, 5)
        yield* master.kill("SIGTERM")
        yield* waitForContainers(0, user)
      }),
    60_000
  )
})

describeEngine("more connections than an engine is asked for", () => {
  it.live(
    "wait in order, and past the queue are told that the server is busy",
    () =>
      Effect.gen(function* () {
        const server = yield* startServer({ user, dockerrun: { limits: { starts: 1, queue: 2 } } })
        const results = yield* Effect.forEach(
          Array.from({ length: 8 }),
          () => ssh({ ...server.target, command: "echo served", deadline: 60_000 }),
          { concurrency: "unbounded" }
        )
        const served = results.filter(({ status }) => status === 0)
        const busy = results.filter(({ status }) => status === 125)
        assert.strictEqual(served.length + busy.length, 8)
        assert.isAtLeast(served.length, 3)
        assert.isAtLeast(busy.length, 1)
        for (const { stdout } of served) assert.strictEqual(stdout, "served\n")
        for (const { stderr } of busy) {
          assert.match(stderr, /^dockerrun: the server is busy; try again in a moment \[DOCKERRUN_BUSY, connection/u)
        }
        assert.isAtLeast(countOf(server, "ENGINE_OVERLOADED"), 1)
        yield* server.waitForEvent("ENGINE_KEEPS_UP")
        yield* waitForContainers(0, user)
      }),
    90_000
  )
})

/** Seconds of CPU that a process has used. */
const cpuSeconds = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1")
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
  return (Number(fields[11]) + Number(fields[12])) / 100
}

describeEngine("an engine that", () => {
  const scope = Scope.makeUnsafe()
  let started: PrivateEngine | undefined
  const engine = Effect.suspend(() =>
    started === undefined
      ? Effect.fail(new HarnessError({ operation: "the private engine", detail: "it was not started" }))
      : Effect.succeed(started)
  )
  beforeAll(async () => {
    if (hasEngine) started = await Effect.runPromise(Scope.provide(privateEngine("faults"), scope))
  }, 180_000)
  afterAll(() => Effect.runPromise(Scope.close(scope, Exit.void)), 90_000)

  const left = Effect.flatMap(engine, (it) => it.docker("ps", "--all", "--quiet"))
  const nothingLeft = waitFor(
    "everything to be removed",
    Effect.map(left, (ids) => ids.trim() === ""),
    30_000
  )

  it.live(
    "is killed: sessions are told and end, new connections wait until it is back",
    () =>
      Effect.gen(function* () {
        const it = yield* engine
        const stateDirectory = yield* temporaryDirectory
        const server = yield* startServer({
          user,
          dockerrun: { host: it.host },
          sections: { lifecycle: { reapInterval: "2s", stateDirectory } }
        })
        const isSeen = (state: "Lost" | "Answers") =>
          waitFor(
            "the doctor to know",
            Effect.map(statuses(stateDirectory), ([status]) => status?.engine._tag === state)
          )
        const { client, stderr } = yield* startProgram(server.target)
        const start = performance.now()
        yield* it.signal("SIGKILL")
        const { status } = yield* ended(client)
        process.stderr.write(`SIGKILL of the engine → session told: ${Math.round(performance.now() - start)} ms\n`)
        assert.strictEqual(status, 137)
        assert.match(stderr(), /^dockerrun: the container engine went away \[DOCKERRUN_PROGRAM_LOST, connection/mu)
        const waiting = yield* startProgramLater(server.target)
        yield* server.waitForEvent("ENGINE_LOST")
        yield* isSeen("Lost")
        const before = cpuSeconds(server.pid)
        const from = performance.now()
        yield* it.restart()
        const result = yield* finishIn(waiting)
        assert.deepStrictEqual([result.status, result.stdout], [0, "served\n"])
        const share = (cpuSeconds(server.pid) - before) / ((performance.now() - from) / 1000)
        process.stderr.write(`CPU while the engine was away: ${Math.round(share * 100)} %\n`)
        assert.isBelow(share, 0.8)
        yield* server.waitForEvent("ENGINE_BACK")
        yield* isSeen("Answers")
        assert.strictEqual(countOf(server, "ENGINE_LOST"), 1)
        assert.strictEqual(countOf(server, "ENGINE_BACK"), 1)
        yield* nothingLeft
      }),
    120_000
  )

  it.live(
    "hangs: sessions go on when it does, a new connection fails in time, and the server can still be ended",
    () =>
      Effect.gen(function* () {
        const it = yield* engine
        const server = yield* startServer({
          user,
          dockerrun: { host: it.host },
          backend: { timeout: "6s" },
          ssh: { shutdownGracePeriod: "1s" }
        })
        const { client } = yield* startProgram(server.target, "echo up; read -r line; exit 5")
        yield* it.signal("SIGSTOP")
        yield* Effect.gen(function* () {
          const result = yield* ssh({ ...server.target, command: "true", deadline: 40_000 })
          assert.strictEqual(result.status, 125)
          assert.include(result.stderr, "[DOCKERRUN_TIMEOUT, connection")
        }).pipe(Effect.ensuring(Effect.ignore(it.signal("SIGCONT"))))
        client.stdin.write("line\n")
        assert.strictEqual((yield* ended(client)).status, 5)
        yield* nothingLeft

        yield* startProgram(server.target)
        yield* it.signal("SIGSTOP")
        const start = performance.now()
        yield* Effect.gen(function* () {
          yield* server.kill("SIGTERM")
          assert.strictEqual((yield* server.exit(40_000)).status, 0)
          process.stderr.write(
            `SIGTERM with an engine that hangs → ended: ${Math.round(performance.now() - start)} ms\n`
          )
        }).pipe(Effect.ensuring(Effect.ignore(it.signal("SIGCONT"))))
        // The switch does what the server could not.
        yield* nothingLeft
      }),
    180_000
  )

  it.live(
    "has lost its socket: sessions go on, a new connection fails in time, and all is well when it is back",
    () =>
      Effect.gen(function* () {
        const it = yield* engine
        const server = yield* startServer({ user, dockerrun: { host: it.host }, backend: { timeout: "4s" } })
        const { client } = yield* startProgram(server.target, "echo up; read -r line; exit 0")
        yield* it.unlinkSocket
        const result = yield* ssh({ ...server.target, command: "true", deadline: 40_000 })
        assert.strictEqual(result.status, 125)
        assert.include(result.stderr, "the container engine does not answer [DOCKERRUN_ENGINE_UNREACHABLE, connection")
        assert.isFalse(client.hasExited())
        yield* it.signal("SIGKILL")
        yield* it.restart()
        yield* ended(client)
        yield* server.waitForEvent("ENGINE_BACK")
        assert.strictEqual(
          (yield* ssh({ ...server.target, command: "echo served", deadline: 40_000 })).stdout,
          "served\n"
        )
      }),
    180_000
  )

  it.live(
    "has no space left, and then restarts around its containers: who is there goes on, or is told; new ones are served",
    () =>
      Effect.gen(function* () {
        const it = yield* engine
        const disk = join(it.directory, "small")
        yield* it.signal("SIGKILL")
        yield* mountSmallDisk(disk)
        yield* output("cp", ["-a", `${join(it.directory, "data")}/.`, disk])
        const restart = it.restart("--data-root", disk, "--live-restore")
        yield* restart
        const server = yield* startServer({
          user,
          dockerrun: { host: it.host },
          sections: { lifecycle: { reapInterval: "2s" } }
        })
        const connect = ssh({ ...server.target, command: "echo served", deadline: 40_000 })
        const session = yield* startEcho(server.target)
        const refused = yield* whileFull(disk, Effect.tap(connect, session.echo("who is there goes on")))
        assert.strictEqual(refused.status, 125)
        assert.match(
          refused.stderr,
          /^dockerrun: the container engine has no space left on its disk \[DOCKERRUN_ENGINE_FULL, connection/u
        )
        assert.strictEqual((yield* connect).stdout, "served\n")

        yield* it.signal("SIGKILL")
        yield* restart
        assert.strictEqual((yield* session.ended).status, 137)
        assert.match(
          session.told(),
          /^dockerrun: the container engine went away \[DOCKERRUN_PROGRAM_LOST, connection/mu
        )
        assert.strictEqual((yield* connect).stdout, "served\n")
        yield* nothingLeft
      }),
    180_000
  )
})

const startProgramLater = (target: SshTarget) => startSsh({ ...target, command: "echo served", stdin: "ignore" })

const finishIn = (client: RunningProgram) => finish(client, "ssh", { deadline: 60_000 })
