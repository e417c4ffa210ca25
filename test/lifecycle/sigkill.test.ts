import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { pause, waitFor } from "../support/Deadline.ts"
import { connectionContainers, describeEngine, processes, volumes, waitForContainers } from "../support/Engine.ts"
import { type SshTarget, ssh, startSsh } from "../support/OpenSsh.ts"
import { type ServerOptions, startServer, type TestServer } from "../support/Server.ts"
import { openTerminal } from "../support/Terminal.ts"
import { engineProxy } from "./EngineProxy.ts"

const user = "sigkill"

/** Milliseconds from the death of the server to that of each of its containers. */
const times: Array<number> = []

const running = (line: RegExp) =>
  waitFor(
    `a container that runs ${line}`,
    Effect.map(
      Effect.flatMap(connectionContainers(user), (found) =>
        Effect.forEach(found, ({ Id, State }) => (State === "running" ? processes(Id) : Effect.succeed([])))
      ),
      (all) => all.flat().some((command) => line.test(command))
    )
  )

/** One connection of each kind. */
const connectAll = Effect.fnUntraced(function* (target: SshTarget) {
  yield* startSsh({ ...target, command: "sleep 300" })
  yield* startSsh({ ...target, command: "trap '' HUP INT TERM; sleep 301 & while :; do wait; done" })
  yield* startSsh({ ...target, command: "while :; do echo output; done >/dev/null" })
  yield* startSsh({ ...target, args: ["-N"] })
  const terminal = yield* openTerminal({ ...target, tty: "-tt" })
  yield* terminal.expect(/\/ # /u)
  yield* terminal.send("sleep 302\r")
  yield* running(/^sleep 300/u)
  yield* running(/^sleep 301/u)
  yield* running(/^sleep 302/u)
})

/** Kills the server, and waits until its containers and their volumes are gone. */
const kill = Effect.fnUntraced(function* (server: TestServer, before: ReadonlySet<string>) {
  const ids = new Set((yield* connectionContainers(user)).map(({ Id }) => Id))
  const start = performance.now()
  yield* server.kill("SIGKILL")
  yield* waitFor(
    "all containers to remove themselves",
    Effect.map(connectionContainers(user), (found) => {
      const left = new Set(found.map(({ Id }) => Id))
      for (const id of ids) {
        if (left.has(id)) continue
        times.push(performance.now() - start)
        ids.delete(id)
      }
      return ids.size === 0
    }),
    20_000
  )
  yield* waitFor(
    "their anonymous volumes to go",
    Effect.map(volumes, (names) => names.every((name) => before.has(name)))
  )
})

const options = (backend: ServerOptions["backend"] = {}): ServerOptions => ({
  user,
  backend: { container: { Image: "dockerrun-test/volume:1" }, shellCommand: ["/bin/sh", "-i"], ...backend }
})

const report = () => {
  const sorted = times.toSorted((one, other) => one - other)
  const at = (share: number) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
  process.stderr.write(
    `SIGKILL of the server → containers gone: ${sorted.length} containers, median ${at(0.5)} ms, max ${at(1)} ms\n`
  )
}

describeEngine("a server that is killed with SIGKILL leaves nothing", () => {
  it.live.each([
    ["the default idle command", {}],
    ["the default idle command, again", {}],
    ["an idle command of one's own", { idleCommand: ["/bin/sh", "-c", "while :; do sleep 1000; done"] }],
    ["one that ignores every signal", { idleCommand: ["/bin/sh", "-c", "trap '' HUP INT TERM; sleep 1000"] }]
  ] as const)(
    "of connections that run programs, with %s",
    ([, backend]) =>
      Effect.gen(function* () {
        const before = new Set(yield* volumes)
        const server = yield* startServer(options(backend))
        yield* connectAll(server.target)
        assert.strictEqual((yield* waitForContainers(5, user)).length, 5)
        yield* kill(server, before)
        report()
      }),
    90_000
  )

  it.live(
    "of a connection whose container the engine is about to start",
    () =>
      Effect.gen(function* () {
        const before = new Set(yield* volumes)
        const proxy = yield* engineProxy(/^POST \S+\/containers\/[^/]+\/start/u)
        yield* proxy.listen
        const server = yield* startServer({ ...options(), dockerrun: { host: proxy.host } })
        yield* startSsh({ ...server.target, command: "sleep 300" })
        yield* waitFor(
          "the start to be held back",
          Effect.sync(() => proxy.held() > 0)
        )
        const [container] = yield* waitForContainers(1, user)
        assert.strictEqual(container?.State, "created")
        yield* server.kill("SIGKILL")
        yield* server.exit()
        // The engine sees the end of the server first, and its last request after that.
        yield* pause(200)
        yield* proxy.release
        yield* waitForContainers(0, user)
        yield* waitFor(
          "its volume to go",
          Effect.map(volumes, (names) => names.every((name) => before.has(name)))
        )
      }),
    60_000
  )

  it.live(
    "and a container without a shell, which has no switch, is still removed when its client leaves",
    () =>
      Effect.gen(function* () {
        const server = yield* startServer({
          user,
          image: "dockerrun-test/noshell:1",
          backend: { idleCommand: ["/bin/sleep", "100000"], shellCommand: [], disableShell: true }
        })
        const client = yield* startSsh({ ...server.target, command: "/bin/cat" })
        const [container] = yield* waitForContainers(1, user)
        client.stdin.end("over\n")
        assert.strictEqual((yield* client.exit).status, 0)
        assert.include(container?.Command ?? "", "/bin/sleep")
        yield* waitForContainers(0, user)
      }),
    60_000
  )

  it.live(
    "while a bystander's server goes on",
    () =>
      Effect.gen(function* () {
        const bystander = yield* startServer({ user: "bystander" })
        const client = yield* startSsh({ ...bystander.target, command: "cat" })
        yield* waitForContainers(1, "bystander")
        const before = new Set(yield* volumes)
        const server = yield* startServer(options())
        yield* startSsh({ ...server.target, command: "sleep 300" })
        yield* waitForContainers(1, user)
        yield* running(/^sleep 300/u)
        yield* kill(server, before)
        assert.strictEqual((yield* ssh({ ...bystander.target, command: "echo here" })).stdout, "here\n")
        assert.isFalse(client.hasExited())
        client.stdin.end()
        assert.strictEqual((yield* client.exit).status, 0)
      }),
    60_000
  )
})
