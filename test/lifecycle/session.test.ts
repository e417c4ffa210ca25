import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { waitFor } from "../support/Deadline.ts"
import { connectionContainers, describeEngine, docker, processes, waitForContainers } from "../support/Engine.ts"
import { controlMaster, ssh, startSsh } from "../support/OpenSsh.ts"
import { finish } from "../support/Program.ts"
import { type ServerOptions, startServer } from "../support/Server.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"
import { openTerminal } from "../support/Terminal.ts"

const options = (user: string, backend: ServerOptions["backend"] = {}): ServerOptions => ({
  user,
  // OpenSSH's master tells of a client of its own that was killed when it next hears from the server.
  ssh: { clientAliveInterval: "1s" },
  backend: { mode: "session", ...backend }
})

/** What the first process of each of the user's containers is. */
const mains = (user: string) =>
  Effect.map(
    Effect.flatMap(connectionContainers(user), (all) =>
      Effect.forEach(
        all.filter(({ State }) => State === "running"),
        // It may end in this moment.
        ({ Id }) => Effect.match(processes(Id), { onFailure: () => "", onSuccess: ([main = ""]) => main })
      )
    ),
    (found) => found.toSorted()
  )
const waitForMains = (user: string, wanted: ReadonlyArray<string>) =>
  waitFor(
    `containers that run ${wanted.join(", ")}`,
    Effect.map(mains(user), (found) => JSON.stringify(found) === JSON.stringify(wanted)),
    30_000
  )

describeEngine("sessions with containers of their own", () => {
  it.live(
    "are one container per channel, gone with it, over one connection that goes on",
    () =>
      Effect.gen(function* () {
        const user = "own-channels"
        const server = yield* startServer(options(user))
        const { target } = yield* controlMaster(server.target)
        assert.deepStrictEqual(yield* connectionContainers(user), [])
        const first = yield* startSsh({ ...target, command: "sleep 1001" })
        const second = yield* startSsh({ ...target, command: "cat" })
        yield* waitForMains(user, ["cat", "sleep 1001"])
        yield* first.kill("SIGKILL")
        yield* waitForMains(user, ["cat"])
        yield* waitForContainers(1, user)

        const bytes = yield* ssh({ ...target, command: "wc -c", stdin: { text: "x".repeat(100_000) } })
        assert.deepStrictEqual([bytes.status, bytes.stdout.trim()], [0, "100000"])
        const missing = yield* ssh({ ...target, command: "/no/such/program" })
        assert.strictEqual(missing.status, 127)
        assert.include(missing.stderr, "/no/such/program: not found in the container")
        const status = yield* ssh({ ...target, command: "/bin/sh -c 'echo out; echo err >&2; exit 7'" })
        assert.deepStrictEqual([status.status, status.stdout, status.stderr], [7, "out\n", "err\n"])
        const login = yield* ssh({ ...target, command: "/bin/sh -c 'echo $$ $USER $SHELL'" })
        assert.strictEqual(login.stdout, "1 root /bin/sh\n")
        const [last] = yield* waitForContainers(1, user)
        yield* docker("kill", last?.Id ?? "")
        const killed = yield* finish(second, "ssh")
        assert.strictEqual(killed.status, 137)
        assert.match(
          killed.stderr,
          /^dockerrun: the container was killed or removed \[DOCKERRUN_PROGRAM_LOST, connection/u
        )
        yield* waitForContainers(0, user)
        yield* server.kill("SIGTERM")
        yield* server.exit()
        assert.deepStrictEqual(yield* connectionContainers(user), [])
      }),
    90_000
  )

  it.live(
    "have a terminal that is as the client's, and follows its window, and are gone when their client is killed",
    () =>
      Effect.gen(function* () {
        const user = "own-terminal"
        const server = yield* startServer(options(user))
        const terminal = yield* openTerminal({
          ...server.target,
          tty: "-tt",
          columns: 101,
          rows: 31,
          stty: "erase ^H intr ^G 9600"
        })
        yield* terminal.expect(/\/ # /u)
        yield* terminal.send("stty size; tty; stty -a\r")
        yield* terminal.expect(/\n31 101\r\n\/dev\/[^]*speed 9600 baud[^]*intr = \^G;[^]*erase = \^H;/u)
        yield* terminal.resize(132, 43)
        yield* waitFor(
          "the new size",
          Effect.andThen(
            terminal.send("stty size\r"),
            Effect.sync(() => terminal.output().includes("43 132"))
          )
        )
        yield* terminal.kill("SIGKILL")
        yield* waitForContainers(0, user)

        const leaving = yield* openTerminal({ ...server.target, tty: "-tt" })
        yield* leaving.expect(/\/ # /u)
        yield* leaving.send("exit 9\r")
        assert.strictEqual((yield* leaving.exit()).status, 9)
        yield* waitForContainers(0, user)
      }),
    90_000
  )

  it.live(
    "end with whoever kills their container, and are told of what the engine refuses",
    () =>
      Effect.gen(function* () {
        const user = "own-killed"
        const server = yield* startServer(options(user))
        const running = yield* startSsh({ ...server.target, command: "sleep 1002" })
        yield* waitForMains(user, ["sleep 1002"])
        const [container] = yield* connectionContainers(user)
        yield* docker("kill", container?.Id ?? "")
        assert.strictEqual((yield* running.exit).status, 137)
        yield* waitForContainers(0, user)

        const refusing = yield* startServer(
          options(user, { container: { Image: "dockerrun-test/nothing:1" }, imagePullPolicy: "Never" })
        )
        const { target } = yield* controlMaster(refusing.target)
        const refused = yield* ssh({ ...target, command: "true" })
        assert.strictEqual(refused.status, 125)
        assert.include(refused.stderr, "DOCKERRUN_IMAGE_MISSING")
        // Over the same connection.
        assert.strictEqual((yield* ssh({ ...target, command: "true" })).status, 125)
      }),
    90_000
  )

  it.live(
    "of a server that was killed end with their input, and the next server removes what is left",
    () =>
      Effect.gen(function* () {
        const user = "own-sigkill"
        const stateDirectory = yield* temporaryDirectory
        const persistent = { ...options(user), sections: { lifecycle: { stateDirectory, reapInterval: "1s" } } }
        const server = yield* startServer(persistent)
        yield* startSsh({ ...server.target, command: "cat" })
        yield* startSsh({ ...server.target, command: "sleep 1003" })
        yield* waitForMains(user, ["cat", "sleep 1003"])
        yield* server.kill("SIGKILL")
        yield* server.exit()
        yield* waitForMains(user, ["sleep 1003"])
        yield* startServer(persistent)
        yield* waitForContainers(0, user)
      }),
    90_000
  )
})
