import { randomBytes } from "node:crypto"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { waitFor } from "../support/Deadline.ts"
import {
  connectionContainers,
  containers,
  describeEngine,
  docker,
  engine,
  volumes,
  waitForContainers
} from "../support/Engine.ts"
import { ssh, startSsh } from "../support/OpenSsh.ts"
import { run } from "../support/Program.ts"
import { type ServerOptions, startServer } from "../support/Server.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"
import { engineProxy } from "./EngineProxy.ts"

const user = "reaper"

/** A server with this state directory, without the switch unless told. */
const server = (stateDirectory: string, lifecycle: Readonly<Record<string, unknown>> = {}, more: ServerOptions = {}) =>
  startServer({
    user,
    ...more,
    sections: { lifecycle: { stateDirectory, deadMansSwitch: false, reapInterval: "1s", ...lifecycle } }
  })

/** A connection whose server is killed and whose container stays; gives the container's id. */
const orphan = Effect.fnUntraced(function* (stateDirectory: string, lifecycle: Readonly<Record<string, unknown>> = {}) {
  const before = new Set((yield* connectionContainers(user)).map(({ Id }) => Id))
  const killed = yield* server(stateDirectory, lifecycle)
  yield* startSsh({ ...killed.target, command: "sleep 300" })
  yield* killed.waitForEvent("PROGRAM_STARTED")
  yield* killed.kill("SIGKILL")
  yield* killed.exit()
  const left = (yield* connectionContainers(user)).filter(({ Id }) => !before.has(Id))
  assert.deepStrictEqual(
    left.map(({ State }) => State),
    ["running"]
  )
  return left[0]?.Id ?? ""
})

/** A container that somebody made by hand; it goes with the Scope. */
const handMade = (...labels: ReadonlyArray<string>) =>
  Effect.acquireRelease(
    Effect.map(
      docker(
        "run",
        "--detach",
        "--network=none",
        ...labels.map((label) => `--label=${label}`),
        "dockerrun-test/tiny:1",
        "sleep",
        "300"
      ),
      (id) => id.trim()
    ),
    (id) => Effect.ignore(docker("rm", "-fv", id))
  )

const exists = (id: string) => Effect.map(containers(), (all) => all.some(({ Id }) => Id === id))

const main = join(import.meta.dirname, "../../src/main.ts")

/** Runs `dockerrun reap` against the engine. */
const reap = (stateDirectory: string, ...args: ReadonlyArray<string>) =>
  run(process.execPath, [main, "reap", ...args], {
    env: {
      NO_COLOR: "1",
      DOCKERRUN_HOST: engine().host,
      DOCKERRUN_LIFECYCLE_STATEDIRECTORY: stateDirectory,
      DOCKER_HOST: undefined
    }
  })

describeEngine("the reaper", () => {
  it.live(
    "the next start removes what a killed server without the switch left, and nothing else",
    () =>
      Effect.gen(function* () {
        const state = yield* temporaryDirectory
        const left = yield* orphan(state)
        const unlabelled = yield* handMade()
        const foreign = yield* handMade("dockerrun_instance=another", "dockerrun_boot=0000000000000001")
        const neighbour = yield* server(yield* temporaryDirectory)
        const other = yield* startSsh({ ...neighbour.target, command: "cat" })
        yield* neighbour.waitForEvent("PROGRAM_STARTED")

        const next = yield* server(state)
        const { containerId } = yield* next.waitForEvent("CONTAINER_REAPED")
        assert.strictEqual(containerId, left)
        yield* waitForContainers(1, user)
        assert.isTrue(yield* exists(unlabelled))
        assert.isTrue(yield* exists(foreign))
        assert.strictEqual((yield* ssh({ ...next.target, command: "echo works" })).stdout, "works\n")
        assert.strictEqual(next.events.filter(({ code }) => code === "CONTAINER_REAPED").length, 1)
        assert.deepStrictEqual(
          neighbour.events.filter(({ code }) => code === "CONTAINER_REAPED"),
          []
        )
        other.stdin.end()
        assert.strictEqual((yield* other.exit).status, 0)
      }),
    60_000
  )

  it.live(
    "removes a container that was made and never started, with the switch on",
    () =>
      Effect.gen(function* () {
        const state = yield* temporaryDirectory
        const proxy = yield* engineProxy(/^POST \S+\/containers\/[^/]+\/(?:attach|start)/u)
        yield* proxy.listen
        const killed = yield* server(state, { deadMansSwitch: true }, { dockerrun: { host: proxy.host } })
        yield* startSsh({ ...killed.target, command: "true" })
        yield* waitFor(
          "a request to be held back",
          Effect.sync(() => proxy.held() > 0)
        )
        yield* killed.kill("SIGKILL")
        yield* killed.exit()
        const [left] = yield* waitForContainers(1, user)
        assert.strictEqual(left?.State, "created")
        yield* server(state, { deadMansSwitch: true })
        yield* waitForContainers(0, user)
      }),
    60_000
  )

  it.live(
    "two servers with one name at once leave each other's alone, until one of them is killed",
    () =>
      Effect.gen(function* () {
        const state = yield* temporaryDirectory
        const first = yield* server(state)
        const client = yield* startSsh({ ...first.target, command: "cat" })
        const program = yield* first.waitForEvent("PROGRAM_STARTED")
        const second = yield* server(state)
        const bystander = yield* startSsh({ ...second.target, command: "cat" })
        yield* second.waitForEvent("PROGRAM_STARTED")
        // Some sweeps of both.
        const labels = (yield* connectionContainers(user)).map(({ Labels }) => Labels)
        assert.strictEqual(new Set(labels.map((one) => one["dockerrun_instance"])).size, 1)
        assert.strictEqual(new Set(labels.map((one) => one["dockerrun_boot"])).size, 2)
        for (let time = 0; time < 3; time += 1) {
          const { stdout } = yield* ssh({ ...second.target, command: "sleep 1; echo works" })
          assert.strictEqual(stdout, "works\n")
        }
        assert.isFalse(client.hasExited())
        yield* waitForContainers(2, user)

        yield* first.kill("SIGKILL")
        const { containerId } = yield* second.waitForEvent("CONTAINER_REAPED")
        assert.strictEqual(containerId, program["containerId"])
        assert.isFalse(bystander.hasExited())
        bystander.stdin.end("still here\n")
        assert.strictEqual((yield* bystander.exit).status, 0)
        yield* waitForContainers(0, user)
      }),
    60_000
  )

  it.live(
    "an engine that is down at the start is asked again, which is said once",
    () =>
      Effect.gen(function* () {
        const state = yield* temporaryDirectory
        yield* orphan(state)
        const proxy = yield* engineProxy(/^never$/u)
        const next = yield* server(state, {}, { dockerrun: { host: proxy.host } })
        yield* next.waitForEvent("REAP_FAILED")
        yield* Effect.sleep("3 seconds")
        assert.strictEqual((yield* connectionContainers(user)).length, 1)
        yield* proxy.listen
        yield* waitForContainers(0, user)
        assert.strictEqual(next.events.filter(({ code }) => code === "REAP_FAILED").length, 1)
      }),
    60_000
  )
})

describeEngine("dockerrun reap", () => {
  it.live(
    "prints what it would do, does it unless told not to, and spares servers that run",
    () =>
      Effect.gen(function* () {
        const state = yield* temporaryDirectory
        const left = yield* orphan(state, { instance: "reap-test", reapInterval: "0" })
        const living = yield* server(state, { instance: "reap-test", reapInterval: "0" })
        const client = yield* startSsh({ ...living.target, command: "cat" })
        yield* living.waitForEvent("PROGRAM_STARTED")
        const unlabelled = yield* handMade()

        const dry = yield* reap(state, "--instance", "reap-test", "--dry-run")
        assert.strictEqual(dry.status, 0, dry.stderr)
        const lines = dry.stdout.trim().split("\n")
        assert.match(
          lines[0] ?? "",
          new RegExp(`^remove  ${left.slice(0, 12)}, of reap-test, running, made \\d+s ago, for ${user}$`, "u")
        )
        assert.match(lines[1] ?? "", /^spare {3}[0-9a-f]{12}, of reap-test, running, .*: its server runs$/u)
        assert.deepStrictEqual(lines.slice(2), ["1 to remove; nothing was done"])
        assert.isTrue(yield* exists(left))

        const young = yield* reap(state, "--all-stale", "1h")
        assert.strictEqual(young.status, 0, young.stderr)
        assert.match(young.stdout, /: it is not old enough\n[^]*0 to remove\n$/u)
        assert.isTrue(yield* exists(left))

        const done = yield* reap(state, "--instance", "reap-test")
        assert.strictEqual(done.status, 0, done.stderr)
        assert.match(done.stdout, /^remove [^]*\n1 removed\n$/u)
        assert.isFalse(yield* exists(left))
        assert.isTrue(yield* exists(unlabelled))
        client.stdin.end()
        assert.strictEqual((yield* client.exit).status, 0)

        const again = yield* reap(state, "--instance", "reap-test")
        assert.deepStrictEqual([again.status, again.stdout], [0, "0 to remove\n"])
      }),
    90_000
  )

  it.live(
    "by age: what is older goes, whoever's it was",
    () =>
      Effect.gen(function* () {
        const state = yield* temporaryDirectory
        const [one, other] = [
          yield* handMade("dockerrun_instance=stale-1", "dockerrun_boot=0000000000000001", "dockerrun_started=1000"),
          yield* handMade("dockerrun_instance=stale-2", "dockerrun_boot=0000000000000002", "dockerrun_started=2000")
        ]
        const volume = (label: string, name: string) =>
          docker("volume", "create", "--label", label, "--label", "dockerrun_started=3000", name)
        // As an engine leaves it that is ended while it removes the container; the other has been given a name.
        const alone = (yield* volume("dockerrun_instance=stale-3", randomBytes(32).toString("hex"))).trim()
        const named = (yield* volume("dockerrun_instance=stale-3", `named-${randomBytes(8).toString("hex")}`)).trim()
        yield* Effect.addFinalizer(() => Effect.ignore(docker("volume", "rm", named)))
        // Longer ago than any container of the tests next to this one.
        const { status, stdout } = yield* reap(state, "--all-stale", "100000h")
        assert.strictEqual(status, 0)
        assert.match(stdout, /of stale-1[^]*of stale-2[^]*of stale-3, a volume without a container[^]*\n3 removed\n$/u)
        const left = yield* volumes
        assert.notInclude(left, alone)
        assert.include(left, named)
        assert.isFalse(yield* exists(one))
        assert.isFalse(yield* exists(other))
      }),
    60_000
  )
})
