import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { waitFor } from "../support/Deadline.ts"
import { describeEngine, docker, processes, volumes, waitForContainers } from "../support/Engine.ts"
import { controlMaster, ssh, startSsh } from "../support/OpenSsh.ts"
import { SharedServer } from "../support/Server.ts"
import { connectClient } from "../support/Ssh2Client.ts"
import { tcpProxy } from "../support/TcpProxy.ts"
import { openTerminal } from "../support/Terminal.ts"

const user = "leaving"

/** Exactly one container, with its anonymous volume; gives the names of both. */
const present = Effect.gen(function* () {
  const id = yield* waitFor(
    "a container that runs",
    Effect.map(waitForContainers(1, user), ([container]) => container?.State === "running" && container.Id)
  )
  const names = yield* docker("inspect", "--format", "{{range .Mounts}}{{.Name}}{{end}}", id)
  const volume = names.trim()
  assert.include(yield* volumes, volume)
  return { id, volume }
})

const running = (id: string, line: string) =>
  waitFor(
    `${line} in the container`,
    Effect.map(processes(id), (lines) => lines.includes(line))
  )

/** No container, and not its volume either. */
const gone = Effect.fnUntraced(function* (volume: string, deadline?: number) {
  yield* waitForContainers(0, user, deadline)
  assert.notInclude(yield* volumes, volume)
})

describeEngine("a client that leaves takes its container and its volumes along", () => {
  layer(
    SharedServer.start({
      user,
      image: "dockerrun-test/volume:1",
      backend: { container: { Image: "dockerrun-test/volume:1" }, shellCommand: ["/bin/sh", "-i"] }
    })
  )((it) => {
    it.effect("by `exit`, also with a program in the background", () =>
      Effect.gen(function* () {
        const terminal = yield* openTerminal((yield* SharedServer).target)
        yield* terminal.expect(/\/ # /u)
        const { id, volume } = yield* present
        yield* terminal.send("cat /data/origin; sleep 300 >/dev/null 2>&1 </dev/null &\r")
        yield* running(id, "sleep 300")
        yield* terminal.send("exit\r")
        assert.strictEqual((yield* terminal.exit()).status, 0)
        yield* gone(volume)
      })
    )

    it.effect("by `~.`, while a program runs", () =>
      Effect.gen(function* () {
        const terminal = yield* openTerminal((yield* SharedServer).target)
        yield* terminal.expect(/\/ # /u)
        const { id, volume } = yield* present
        yield* terminal.send("sleep 300\r")
        yield* running(id, "sleep 300")
        yield* terminal.send("\r~.")
        assert.strictEqual((yield* terminal.exit()).status, 255)
        yield* gone(volume)
      })
    )

    it.effect("by closing the terminal's window, while a program runs that ignores the hang-up", () =>
      Effect.gen(function* () {
        const terminal = yield* openTerminal((yield* SharedServer).target)
        yield* terminal.expect(/\/ # /u)
        const { id, volume } = yield* present
        yield* terminal.send("trap '' HUP TERM; sleep 300\r")
        yield* running(id, "sleep 300")
        yield* terminal.kill("SIGHUP")
        yield* terminal.exit()
        yield* gone(volume)
      })
    )

    it.effect("by kill -9 of ssh, idle at the prompt", () =>
      Effect.gen(function* () {
        const terminal = yield* openTerminal((yield* SharedServer).target)
        yield* terminal.expect(/\/ # /u)
        const { volume } = yield* present
        yield* terminal.kill("SIGKILL")
        yield* gone(volume)
      })
    )

    it.effect("by kill -9 of ssh, while `sleep 300` runs", () =>
      Effect.gen(function* () {
        const client = yield* startSsh({ ...(yield* SharedServer).target, command: "sleep 300" })
        const { id, volume } = yield* present
        yield* running(id, "sleep 300")
        yield* client.kill("SIGKILL")
        yield* gone(volume)
      })
    )

    it.effect("by kill -9 of ssh, in the middle of a download and of an upload", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedServer
        for (const command of ["cat /dev/zero", "cat >/dev/null"]) {
          const client = yield* startSsh({ ...target, command })
          const { volume } = yield* present
          let seen = 0
          client.stdout.on("data", (chunk: Buffer) => (seen += chunk.length))
          const zeros = Buffer.alloc(65_536)
          let written = 0
          const write = (): void => {
            written += zeros.length
            client.stdin.write(zeros, (error) => (error === null || error === undefined ? write() : undefined))
          }
          client.stdin.on("error", () => client.stdin.destroy())
          write()
          yield* waitFor(
            "bytes to flow",
            Effect.sync(() => seen > 4_000_000 || (command.includes("null") && written > 8_000_000))
          )
          yield* client.kill("SIGKILL")
          yield* gone(volume)
        }
      })
    )

    it.effect("by closing the connection of many channels", () =>
      Effect.gen(function* () {
        const { master, target } = yield* controlMaster((yield* SharedServer).target)
        const one = yield* startSsh({ ...target, command: "sleep 300" })
        const other = yield* startSsh({ ...target, command: "sleep 301", tty: "-tt" })
        const { id, volume } = yield* present
        yield* running(id, "sleep 300")
        yield* running(id, "sleep 301")
        yield* ssh({ ...target, args: ["-O", "exit"] })
        yield* gone(volume)
        assert.notStrictEqual((yield* one.exit).status, 0)
        assert.notStrictEqual((yield* other.exit).status, 0)
        yield* master.exit
      })
    )

    it.effect("by a connection that breaks, idle and with `sleep 300`", () =>
      Effect.gen(function* () {
        const { port, target } = yield* SharedServer
        const proxy = yield* tcpProxy(port)
        const idle = yield* openTerminal({ ...target, port: proxy.port })
        yield* idle.expect(/\/ # /u)
        const first = yield* present
        yield* proxy.cut
        assert.strictEqual((yield* idle.exit()).status, 255)
        yield* gone(first.volume)
        const busy = yield* startSsh({ ...target, port: proxy.port, command: "sleep 300" })
        const second = yield* present
        yield* running(second.id, "sleep 300")
        yield* proxy.cut
        yield* gone(second.volume)
        assert.strictEqual((yield* busy.exit).status, 255)
      })
    )

    it.effect("as soon as it has logged in, with the container still on its way", () =>
      Effect.gen(function* () {
        const server = yield* SharedServer
        const before = new Set(yield* volumes)
        for (let time = 0; time < 10; time += 1) {
          const client = yield* connectClient(server.target)
          if (time % 2 === 0) client.destroy()
          else client.end()
        }
        // Each login was served to its end before the containers are counted.
        yield* waitFor(
          "ten connections to end",
          Effect.sync(() => {
            const ids = new Set(
              server.events
                .filter((event) => event["code"] === "AUTHENTICATION_SUCCEEDED")
                .slice(-10)
                .map((event) => event["connectionId"])
            )
            return (
              server.events.filter((event) => event["code"] === "CONNECTION_CLOSED" && ids.has(event["connectionId"]))
                .length === 10
            )
          })
        )
        yield* waitForContainers(0, user)
        yield* waitFor(
          "their volumes to go",
          Effect.map(volumes, (names) => names.every((name) => before.has(name)))
        )
      })
    )
  })
})
