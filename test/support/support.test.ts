import { existsSync } from "node:fs"
import { mkdir, readFile, rmdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { pause, waitFor, within } from "./Deadline.ts"
import {
  connectionContainers,
  containers,
  describeEngine,
  docker,
  engine,
  engineSockets,
  execs,
  processes,
  volumes,
  waitForContainers
} from "./Engine.ts"
import { controlMaster, generateKey, sftp, ssh, type SshTarget, startSsh } from "./OpenSsh.ts"
import { residentMemory } from "./ProcessTable.ts"
import { finish, run, start } from "./Program.ts"
import { closedAddress, hangingRegistry, pushImage, scriptedRegistry, slowRegistry, startRegistry } from "./Registry.ts"
import { startServer } from "./Server.ts"
import { temporaryDirectory } from "./TemporaryDirectory.ts"
import { openTerminal } from "./Terminal.ts"

describe("waiting", () => {
  it.effect("returns what the condition found, although the test clock stands still", () =>
    Effect.gen(function* () {
      let asked = 0
      const found = yield* waitFor(
        "the third time",
        Effect.sync(() => (++asked === 3 ? "here" : undefined))
      )
      assert.strictEqual(found, "here")
    })
  )

  it.effect("fails with what was waited for when the deadline passes", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(waitFor("Godot", Effect.succeed(false), 100))
      assert.strictEqual(error.message, "waiting for Godot: not within 100 ms")
    })
  )

  it.effect("interrupts what takes too long", () =>
    Effect.gen(function* () {
      let interrupted = false
      const slow = Effect.onInterrupt(pause(60_000), () => Effect.sync(() => void (interrupted = true)))
      yield* Effect.flip(within(slow, 50, () => "slow"))
      assert.isTrue(interrupted)
    })
  )
})

describe("programs", () => {
  it.effect("keeps stdout and stderr apart and reports the status", () =>
    Effect.gen(function* () {
      const result = yield* run("sh", ["-c", "cat; echo err >&2; exit 7"], { stdin: { text: "in" } })
      assert.deepStrictEqual([result.stdout, result.stderr, result.status, result.signal], ["in", "err\n", 7, null])
    })
  )

  it.effect("ends a program that outlives its deadline, with what it started, and says what it printed", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(run("sh", ["-c", "sleep 987 & echo $!; wait"], { deadline: 500 }))
      assert.match(error.message, /stdout \(\d+ bytes\): \d+/u)
      const child = Number(/bytes\): (\d+)/u.exec(error.message)?.[1])
      yield* waitFor(
        "the grandchild to end",
        Effect.sync(() => residentMemory(child) === 0)
      )
    })
  )

  it.effect("reads a file as stdin and digests the output", () =>
    Effect.gen(function* () {
      const file = join(yield* temporaryDirectory, "input")
      yield* Effect.promise(() => writeFile(file, "abc"))
      const result = yield* run("cat", [], { stdin: { file }, keepOutput: false })
      assert.strictEqual(result.length, 3)
      assert.strictEqual(result.bytes.length, 0)
      assert.strictEqual(result.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    })
  )

  it.effect("says that a program is missing", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(run("dockerrun-no-such-program", []))
      assert.match(error.message, /ENOENT/u)
    })
  )
})

describeEngine("the engine", () => {
  it.effect("has the test images, each of which runs", () =>
    Effect.gen(function* () {
      const say = (image: string, ...command: ReadonlyArray<string>) =>
        docker("run", "--rm", "--network", "none", `dockerrun-test/${image}:1`, ...command)
      assert.strictEqual(yield* say("tiny", "sh", "-c", "echo $HOME; id -un"), "/root\nroot\n")
      assert.strictEqual(yield* say("noshell", "/bin/echo", "hi"), "hi\n")
      assert.strictEqual(yield* say("volume", "cat", "/data/origin"), "from the image\n")
      assert.match(yield* say("sftp", "sh", "-c", "/usr/lib/openssh/sftp-server -Q requests"), /^open$/mu)
      const error = yield* Effect.flip(say("noshell", "/bin/sh"))
      assert.match(error.detail, /no such file/u)
    })
  )

  it.effect("shows containers by label, their processes and execs, and their anonymous volumes", () =>
    Effect.gen(function* () {
      const before = yield* volumes
      const label = "containerssh_username=support-test"
      yield* Effect.acquireUseRelease(
        docker("run", "-d", "--label", label, "--network", "none", "dockerrun-test/volume:1", "sleep", "321"),
        (id) =>
          Effect.gen(function* () {
            const container = id.trim()
            const [found] = yield* waitForContainers(1, "support-test")
            assert.strictEqual(found?.Id, container)
            assert.strictEqual(found?.State, "running")
            assert.deepStrictEqual(yield* processes(container), ["sleep 321"])
            assert.deepStrictEqual(yield* execs(container), [])
            yield* docker("exec", "-d", container, "sleep", "654")
            assert.strictEqual((yield* execs(container)).length, 1)
            assert.strictEqual((yield* volumes).length, before.length + 1)
          }),
        (id) => Effect.orDie(docker("rm", "--force", "--volumes", id.trim()))
      )
      assert.deepStrictEqual(yield* containers(label), [])
      assert.deepStrictEqual(yield* connectionContainers("support-test"), [])
      assert.deepStrictEqual(yield* volumes, before)
    })
  )

  it.effect("counts the sockets of a process to it", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* engineSockets(process.pid), 0)
      const events = yield* start("docker", ["events"], { env: { DOCKER_HOST: engine().host } })
      yield* waitFor(
        "the client's socket",
        Effect.map(engineSockets(events.pid), (count) => count > 0)
      )
      yield* events.kill("SIGKILL")
      yield* events.exit
      assert.strictEqual(yield* engineSockets(events.pid), 0)
    })
  )
})

describeEngine("registries", () => {
  it.effect("hold what the tests pull, which the engine does not have", () =>
    Effect.gen(function* () {
      for (const reference of ["tiny:1", "tiny", "sftp:1"]) {
        const image = `${engine().registry}/dockerrun-test/${reference}`
        const missing = yield* Effect.flip(docker("image", "inspect", image))
        assert.match(missing.detail, /no such image/iu)
        yield* docker("pull", "--quiet", image)
        yield* docker("rmi", image)
      }
    })
  )

  it.effect("can ask for a name and a password", () =>
    Effect.gen(function* () {
      const credentials = { username: "puller", password: "open sesame" }
      const registry = yield* startRegistry({ credentials })
      const reference = yield* pushImage({ registry: registry.address, name: "demo/private", credentials })
      const refused = yield* Effect.flip(docker("pull", "--quiet", reference))
      assert.match(refused.detail, /no basic auth credentials|unauthorized/u)
    })
  )

  it.effect("can be slow", () =>
    Effect.gen(function* () {
      const slow = yield* slowRegistry(engine().registry, 400_000)
      const reference = yield* pushImage({ name: "demo/slow", bytes: 400_000 })
      const started = performance.now()
      const through = reference.replace(engine().registry, slow)
      yield* docker("pull", "--quiet", through)
      assert.isAbove(performance.now() - started, 800)
      yield* docker("rmi", through)
    })
  )

  it.effect("can hang, be down, or answer with errors", () =>
    Effect.gen(function* () {
      const down = yield* closedAddress
      assert.match((yield* Effect.flip(docker("pull", `${down}/demo/x:1`))).detail, /connection refused/u)

      const failing = yield* scriptedRegistry((_request, response) => response.writeHead(500).end())
      assert.match((yield* Effect.flip(docker("pull", `${failing}/demo/x:1`))).detail, /500|server error/iu)

      const hanging = yield* hangingRegistry
      const pull = yield* start("docker", ["pull", `${hanging}/demo/x:1`], { env: { DOCKER_HOST: engine().host } })
      const error = yield* Effect.flip(within(pull.exit, 1_500, () => "pulling from a registry that hangs"))
      assert.match(error.message, /not within/u)
    })
  )
})

const daemon = "/usr/sbin/sshd"
const privileges = "/run/sshd"

/** Debian's own SSH server, to try the harness on before there is anything else. */
const openSshServer = Effect.gen(function* () {
  const directory = yield* temporaryDirectory
  const hostKey = yield* generateKey("ed25519")
  const clientKey = yield* generateKey("ed25519", { comment: "client" })
  const port = Number((yield* closedAddress).split(":")[1])
  yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const made = !existsSync(privileges)
      if (made) await mkdir(privileges, { mode: 0o755 })
      await writeFile(join(directory, "authorized_keys"), `${clientKey.publicKey}\n`)
      await writeFile(
        join(directory, "sshd_config"),
        [
          "ListenAddress 127.0.0.1",
          `Port ${port}`,
          `HostKey ${hostKey.privateFile}`,
          `AuthorizedKeysFile ${directory}/authorized_keys`,
          "PidFile none",
          "StrictModes no",
          "UsePAM no",
          "Subsystem sftp internal-sftp"
        ].join("\n")
      )
      return made
    }),
    (made) => Effect.promise(async () => void (made && (await rmdir(privileges))))
  )
  const server = yield* start(daemon, ["-D", "-e", "-f", join(directory, "sshd_config")])
  let log = ""
  server.stderr.on("data", (chunk: Buffer) => {
    log += chunk.toString()
  })
  yield* waitFor(
    "sshd to listen",
    Effect.sync(() => log.includes("Server listening"))
  )
  const target: SshTarget = { port, user: "root", identityFile: clientKey.privateFile }
  return target
})

describe.runIf(existsSync(daemon) && process.getuid?.() === 0)("the OpenSSH client", () => {
  it.effect("runs a command", () =>
    Effect.gen(function* () {
      const target = yield* openSshServer
      const result = yield* ssh({ ...target, command: "cat; echo err >&2; exit 3", stdin: { text: "in" } })
      assert.deepStrictEqual([result.stdout, result.stderr, result.status], ["in", "err\n", 3])
      const nobody = yield* generateKey("ecdsa")
      const refused = yield* ssh({ ...target, identityFile: nobody.privateFile, command: "true" })
      assert.strictEqual(refused.status, 255)
      assert.match(refused.stderr, /Permission denied/u)
      assert.strictEqual((yield* ssh({ port: target.port, user: "root", password: "wrong" })).status, 255)
    })
  )

  it.effect("sits at a terminal, types, and changes its size", () =>
    Effect.gen(function* () {
      const target = yield* openSshServer
      const terminal = yield* openTerminal({ ...target, columns: 91, rows: 31, tty: "-tt", command: "/bin/sh" })
      yield* terminal.send("stty size; echo do''ne\r")
      yield* terminal.expect(/31 91\s+done/u)
      yield* terminal.resize(133, 44)
      yield* terminal.send("stty size; echo do''ne\r")
      yield* terminal.expect(/44 133\s+done/u)
      const error = yield* Effect.flip(terminal.expect(/never/u, 100))
      assert.match(error.message, /seen since the last match/u)
      yield* terminal.send("exit 5\r")
      assert.strictEqual((yield* terminal.exit()).status, 5)
    })
  )

  it.effect("leaves by its escape character, and by kill -9", () =>
    Effect.gen(function* () {
      const target = yield* openSshServer
      const polite = yield* openTerminal({ ...target, tty: "-tt", command: "echo ready; sleep 30" })
      yield* polite.expect(/ready/u)
      yield* polite.send("\r~.")
      assert.strictEqual((yield* polite.exit()).status, 255)
      const rude = yield* startSsh({ ...target, command: "sleep 30" })
      yield* rude.kill("SIGKILL")
      assert.strictEqual((yield* rude.exit).signal, "SIGKILL")
    })
  )

  it.effect("writes to a program as it runs, and closes its input", () =>
    Effect.gen(function* () {
      const client = yield* startSsh({ ...(yield* openSshServer), command: "cat; echo end" })
      client.stdin.write("first ")
      client.stdin.end("second ")
      const result = yield* finish(client, "cat")
      assert.deepStrictEqual([result.stdout, result.status], ["first second end\n", 0])
    })
  )

  it.effect("opens many channels on one connection", () =>
    Effect.gen(function* () {
      const { target } = yield* controlMaster(yield* openSshServer)
      const port = "echo $SSH_CLIENT | cut -d' ' -f2"
      const [one, two] = yield* Effect.all([ssh({ ...target, command: port }), ssh({ ...target, command: port })])
      assert.match(one.stdout, /^\d+\n$/u)
      assert.strictEqual(one.stdout, two.stdout)
    })
  )

  it.effect("copies files", () =>
    Effect.gen(function* () {
      const target = yield* openSshServer
      const directory = yield* temporaryDirectory
      yield* Effect.promise(() => writeFile(join(directory, "a"), "content"))
      const result = yield* sftp({ ...target, batch: [`put ${directory}/a ${directory}/b`, `ls -1 ${directory}`] })
      assert.strictEqual(result.status, 0, result.stderr)
      assert.strictEqual(yield* Effect.promise(() => readFile(join(directory, "b"), "utf8")), "content")
    })
  )
})

describeEngine("the server harness", () => {
  const program = (body: string) => [process.execPath, "-e", body] as const

  it.effect("waits for the server to listen, reads its log, and sees its sockets and memory", () =>
    Effect.gen(function* () {
      const server = yield* startServer({
        command: program(`
          const socket = require("node:net").connect(${JSON.stringify(engine().host.slice("unix://".length))}, () => {
            console.error("not an event")
            console.log(JSON.stringify({ code: "SSH_LISTENING", port: 4321, args: process.argv.slice(1) }))
          })
          process.on("SIGTERM", () => { console.log(JSON.stringify({ code: "BYE" })); socket.destroy(); process.exitCode = 4 })
        `)
      })
      assert.strictEqual(server.target.port, 4321)
      assert.strictEqual(yield* server.engineSockets, 1)
      assert.isAbove(server.rss(), 1_000_000)
      assert.isAbove(server.openFiles().length, 3)
      assert.deepStrictEqual(server.children(), [])
      const file = (yield* server.waitForEvent("SSH_LISTENING"))["args"]
      assert.deepStrictEqual(Array.isArray(file) ? file.slice(0, 2) : file, ["serve", "--config"])
      yield* server.kill("SIGTERM")
      yield* server.waitForEvent("BYE")
      assert.strictEqual((yield* server.exit()).status, 4)
      assert.include(server.text(), "not an event")
    })
  )

  it.effect("shows the log of a server that ends before it listens", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Effect.scoped(startServer({ command: program(`console.error("no such image"); process.exitCode = 1`) }))
      )
      assert.match(error.message, /the server has ended[^]*no such image/u)
    })
  )
})
