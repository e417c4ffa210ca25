import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { waitFor } from "../support/Deadline.ts"
import { connectionContainers, containers, describeEngine, docker, engine } from "../support/Engine.ts"
import { controlMaster, ssh, startSsh } from "../support/OpenSsh.ts"
import { finish } from "../support/Program.ts"
import { hangingRegistry, slowRegistry } from "../support/Registry.ts"
import { type ServerOptions, startServer as startServerFor } from "../support/Server.ts"
import { openTerminal } from "../support/Terminal.ts"
import { imageAt } from "./ObservedRegistry.ts"

/** A name of its own: other test files count their own containers meanwhile. */
const user = "pull-progress"
const startServer = (options: ServerOptions = {}) => startServerFor({ user, ...options })

const erase = "\r\u001B[K"

/** Two seconds and a half of pull, or as much longer as is asked for. */
const slowImage = Effect.fnUntraced(function* (name: string, seconds = 2.5) {
  const bytes = 1_000_000
  const address = yield* slowRegistry(engine().registry, Math.round(bytes / seconds))
  return yield* imageAt(address, { name, bytes })
})

const pullIfMissing = { imagePullPolicy: "IfNotPresent" }

describeEngine("while an image is pulled", () => {
  it.effect("a person at a terminal sees one line, redrawn, and gone before the prompt", () =>
    Effect.gen(function* () {
      const image = yield* slowImage("progress/terminal")
      const server = yield* startServer({ image, backend: pullIfMissing })
      const columns = 120
      const terminal = yield* openTerminal({ ...server.target, columns, tty: "-tt" })
      yield* terminal.expect(/pulling [^\r]*MB/u)
      yield* terminal.expect(/# /u, 25_000)
      const shown = terminal.output()
      const [banner, ...drawn] = shown.split(erase)
      const rest = drawn.pop()
      assert.strictEqual(banner, "")
      assert.isAtLeast(drawn.length, 3, shown)
      for (const line of drawn) {
        assert.match(
          line,
          /^dockerrun: pulling 127\.0\.0\.1:\d+\/progress\/terminal:1: \d+\/\d+ layers(?:, [\d.]+\/[\d.]+ MB)?$/u
        )
        assert.isBelow(line.length, columns)
      }
      assert.notMatch(rest ?? "", /dockerrun|layers/u)

      const megabytes = drawn.flatMap((line) => {
        const match = /([\d.]+)\/[\d.]+ MB/u.exec(line)
        return match === null ? [] : [Number(match[1])]
      })
      assert.isAbove(new Set(megabytes).size, 1, "it comes along")
      assert.deepStrictEqual(
        megabytes,
        megabytes.toSorted((one, other) => one - other),
        "and never back"
      )

      yield* terminal.send("exit 4\r")
      assert.strictEqual((yield* terminal.exit()).status, 4)
    })
  )

  it.effect("the line is no wider than a narrow terminal", () =>
    Effect.gen(function* () {
      const image = yield* slowImage("progress/narrow")
      const server = yield* startServer({ image, backend: pullIfMissing })
      const terminal = yield* openTerminal({ ...server.target, columns: 24, tty: "-tt", command: "echo do''ne" })
      yield* terminal.expect(/done/u, 25_000)
      yield* terminal.exit()
      const drawn = terminal.output().split(erase).slice(1, -1)
      assert.isAtLeast(drawn.length, 2)
      for (const line of drawn) assert.strictEqual(line, "dockerrun: pulling 127.")
      assert.strictEqual(terminal.output().split(erase).at(-1), "done\r\n")
    })
  )

  it.effect("a program without a terminal sees nothing of it", () =>
    Effect.gen(function* () {
      const image = yield* slowImage("progress/quiet")
      const server = yield* startServer({ image, backend: pullIfMissing })
      const result = yield* ssh({ ...server.target, command: "echo out; echo err >&2", tty: "-T" })
      assert.deepStrictEqual([result.stdout, result.stderr, result.status], ["out\n", "err\n", 0])
      const pulled = yield* server.waitForEvent("IMAGE_PULLED")
      assert.isAbove(Number(pulled["pullMs"]), 1_500, "there was something to see")
    })
  )

  it.effect("a terminal sees nothing of it when the image is there", () =>
    Effect.gen(function* () {
      const server = yield* startServer({ backend: pullIfMissing })
      const terminal = yield* openTerminal({ ...server.target, tty: "-tt", command: "echo hello" })
      yield* terminal.exit()
      assert.strictEqual(terminal.output(), "hello\r\n")
    })
  )

  it.effect("what is typed meanwhile reaches the program", () =>
    Effect.gen(function* () {
      const image = yield* slowImage("progress/typed")
      const server = yield* startServer({ image, backend: pullIfMissing })
      const client = yield* startSsh({ ...server.target, command: "cat", stdin: { text: "written before it ran\n" } })
      const result = yield* finish(client, "cat")
      assert.deepStrictEqual([result.stdout, result.stderr, result.status], ["written before it ran\n", "", 0])
    })
  )

  it.effect("a terminal's new size in the meantime counts", () =>
    Effect.gen(function* () {
      const image = yield* slowImage("progress/grown", 4)
      const server = yield* startServer({ image, backend: pullIfMissing })
      const terminal = yield* openTerminal({
        ...server.target,
        columns: 90,
        rows: 30,
        tty: "-tt",
        // An engine of API 1.41 tells a program its terminal's size when it runs already.
        command: `until [ "$(stty size)" = "44 133" ]; do sleep 0.1; done; echo resi''zed`
      })
      yield* terminal.expect(/pulling/u)
      yield* terminal.resize(133, 44)
      yield* terminal.expect(/resized/u, 25_000)
    })
  )

  it.effect("a pull that fails leaves nothing of its line before the message", () =>
    Effect.gen(function* () {
      const image = yield* slowImage("progress/late", 15)
      const server = yield* startServer({ image, backend: { ...pullIfMissing, timeout: "3s" } })
      const terminal = yield* openTerminal({ ...server.target, columns: 200, tty: "-tt" })
      yield* terminal.expect(/pulling [^\r]*MB/u)
      const { status } = yield* terminal.exit(20_000)
      assert.strictEqual(status, 125)
      const connection = String((yield* server.waitForEvent("DOCKERRUN_TIMEOUT"))["connectionId"])
      const words = "pulling the image took longer than 3 s"
      const last = terminal.output().split(erase).at(-1)
      assert.strictEqual(last, `dockerrun: ${words} [DOCKERRUN_TIMEOUT, connection ${connection}]\r\n`)
      assert.isAtLeast(terminal.output().split(erase).length, 3)
    })
  )

  it.effect("every channel with a terminal on the connection sees it", () =>
    Effect.gen(function* () {
      const image = yield* slowImage("progress/channels", 5)
      const server = yield* startServer({ image, backend: pullIfMissing })
      const { target } = yield* controlMaster(server.target)
      const terminals = yield* Effect.forEach(
        [1, 2],
        (channel) => openTerminal({ ...target, tty: "-tt", command: `echo chan''nel ${channel}` }),
        { concurrency: "unbounded" }
      )
      for (const terminal of terminals) yield* terminal.expect(/pulling/u)
      for (const terminal of terminals) yield* terminal.expect(/channel \d/u, 25_000)
      for (const [index, terminal] of terminals.entries()) {
        yield* terminal.exit()
        const last = terminal.output().split(erase).at(-1) ?? ""
        assert.isTrue(last.startsWith(`channel ${index + 1}\r\n`), JSON.stringify(terminal.output()))
      }
      assert.strictEqual(server.events.filter((event) => event["code"] === "IMAGE_PULLED").length, 1)
    })
  )
})

/** The server always listens to what happens to its containers. */
const ownSockets = 1

describeEngine("a client that leaves while its image is pulled", () => {
  for (const leave of ["SIGKILL", "SIGTERM"] as const) {
    it.effect(`by ${leave} gives the pull up, and there is never a container`, () =>
      Effect.gen(function* () {
        const image = yield* slowImage(`progress/left-${leave.toLowerCase()}`, 20)
        const server = yield* startServer({ image, backend: pullIfMissing })
        const before = (yield* containers()).map(({ Id }) => Id)
        const client = yield* startSsh({ ...server.target, command: "echo never" })
        yield* server.waitForEvent("IMAGE_PULLING")
        yield* waitFor(
          "the pull to have a socket",
          Effect.map(server.engineSockets, (count) => count > ownSockets)
        )
        yield* client.kill(leave)
        yield* server.waitForEvent("CONNECTION_CLOSED")
        yield* waitFor(
          "the pull to be given up",
          // A pull that goes on keeps its socket until all is there, 20 s from its start; idle ones go after 5 s.
          Effect.map(server.engineSockets, (count) => count <= ownSockets),
          12_000
        )
        assert.match((yield* Effect.flip(docker("image", "inspect", image))).detail, /no such image/iu)
        assert.deepStrictEqual(
          server.events
            .map((event) => event["code"])
            .filter((code) => /^(?:IMAGE_PULLED|CONTAINER_)/u.test(String(code))),
          []
        )
        const created = (yield* containers()).filter(({ Id, Image }) => !before.includes(Id) && Image === image)
        assert.deepStrictEqual(created, [])
        assert.deepStrictEqual(yield* connectionContainers(user), [])

        // The server is none the worse for it.
        assert.isFalse(server.hasExited())
        assert.deepStrictEqual(
          server.events.filter(({ level }) => level === "error" || level === "warning"),
          []
        )
      })
    )
  }

  it.effect("does not wait for a registry that hangs", () =>
    Effect.gen(function* () {
      const image = `${yield* hangingRegistry}/demo/x:1`
      const server = yield* startServer({ image, backend: pullIfMissing })
      const client = yield* startSsh({ ...server.target, command: "echo never" })
      yield* server.waitForEvent("IMAGE_PULLING")
      yield* client.kill("SIGKILL")
      yield* server.waitForEvent("CONNECTION_CLOSED")
      yield* server.kill("SIGTERM")
      assert.strictEqual((yield* server.exit(10_000)).status, 0)
    })
  )
})
