import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { randomBytes } from "node:crypto"
import { assert, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describeEngine } from "../support/Engine.ts"
import { controlMaster, sftp, ssh } from "../support/OpenSsh.ts"
import { SharedServer, startServer } from "../support/Server.ts"
import { connectClient, execOn, shellOn, subsystemOn } from "../support/Ssh2Client.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"

describeEngine("subsystems", () => {
  layer(SharedServer.start({ user: "subsystem", image: "dockerrun-test/sftp:1" }))(
    "where there is a server for sftp",
    (it) => {
      it.effect("sftp puts, lists and gets files", () =>
        Effect.gen(function* () {
          const { target } = yield* SharedServer
          const directory = yield* temporaryDirectory
          const bytes = randomBytes(5_000_000)
          yield* Effect.promise(() => writeFile(join(directory, "up"), bytes))
          const result = yield* sftp({
            ...target,
            cwd: directory,
            batch: [
              "mkdir /tmp/dir",
              "put up /tmp/dir/file",
              "ls -l /tmp/dir",
              "get /tmp/dir/file down",
              "rm /tmp/dir/file",
              "ls -1 /tmp/dir"
            ]
          })
          assert.strictEqual(result.status, 0, result.stderr)
          assert.match(result.stdout, /5000000 .* \/tmp\/dir\/file/u)
          assert.isTrue(bytes.equals(yield* Effect.promise(() => readFile(join(directory, "down")))))
        })
      )

      it.effect("sftp and commands share the container of their connection", () =>
        Effect.gen(function* () {
          const { target } = yield* controlMaster((yield* SharedServer).target)
          const directory = yield* temporaryDirectory
          yield* Effect.promise(() => writeFile(join(directory, "up"), "by sftp\n"))
          const put = yield* sftp({ ...target, cwd: directory, batch: ["put up /tmp/shared"] })
          assert.strictEqual(put.status, 0, put.stderr)
          assert.strictEqual((yield* ssh({ ...target, command: "cat /tmp/shared" })).stdout, "by sftp\n")
        })
      )

      it.effect("a subsystem that is not configured is refused, and the log says why", () =>
        Effect.gen(function* () {
          const server = yield* SharedServer
          const result = yield* ssh({ ...server.target, args: ["-s"], command: "nosuch" })
          assert.deepStrictEqual([result.stdout, result.status], ["", 255])
          assert.match(result.stderr, /subsystem request failed on channel 0/u)
          const event = yield* server.waitForEvent("DOCKERRUN_SUBSYSTEM_UNKNOWN")
          assert.match(String(event["message"]), /nosuch/u)
          assert.strictEqual(event["channelId"], 0)
          assert.strictEqual(event["username"], "subsystem")
        })
      )

      it.effect("the name of a subsystem is nothing but a name", () =>
        Effect.gen(function* () {
          const { target } = yield* SharedServer
          for (const name of ["__proto__", "constructor", "toString"]) {
            assert.strictEqual((yield* ssh({ ...target, args: ["-s"], command: name })).status, 255, name)
          }
        })
      )
    }
  )

  layer(
    SharedServer.start({ user: "subsystem-none", backend: { subsystems: { here: "/bin/date", missing: "/opt/none" } } })
  )("as configured", (it) => {
    it.effect("run their program without arguments", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedServer
        const result = yield* ssh({ ...target, args: ["-s"], command: "here" })
        assert.match(result.stdout, /^\w+ \w+ +\d+ \d+:\d+:\d+ UTC \d{4}\n$/u)
        assert.strictEqual(result.status, 0)
      })
    )

    it.effect("whose program is missing from the image say so", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedServer
        const result = yield* ssh({ ...target, args: ["-s"], command: "missing" })
        assert.strictEqual(result.status, 127)
        assert.match(
          result.stderr,
          /^dockerrun: \/opt\/none: not found in the container \[DOCKERRUN_PROGRAM_NOT_FOUND/u
        )
      })
    )

    it.effect("that are replaced leave no sftp behind", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedServer
        const result = yield* sftp({ ...target, batch: ["ls"] })
        assert.strictEqual(result.status, 255)
        assert.match(result.stderr, /subsystem request failed on channel 0/u)
      })
    )
  })
})

describeEngine("what the operator disabled is refused, the rest works, and the log says why", () => {
  const disabled = Effect.fnUntraced(function* (
    key: "disableShell" | "disableCommand" | "disableSubsystem",
    user: string
  ) {
    const server = yield* startServer({ user, image: "dockerrun-test/sftp:1", backend: { [key]: true } })
    const shell = yield* ssh({ ...server.target, stdin: { text: "echo in a shell\n" } })
    const command = yield* ssh({ ...server.target, command: "echo a command" })
    const subsystem = yield* sftp({ ...server.target, batch: ["ls /etc/passwd"] })
    const event = yield* server.waitForEvent("DOCKERRUN_KIND_DISABLED")
    return { server, shell, command, subsystem, event }
  })

  it.effect("disableShell", () =>
    Effect.gen(function* () {
      const { command, event, server, shell, subsystem } = yield* disabled("disableShell", "disable-shell")
      assert.deepStrictEqual([shell.stdout, shell.status], ["", 255])
      assert.match(shell.stderr, /^shell request failed on channel 0/mu)
      assert.deepStrictEqual([command.stdout, command.status], ["a command\n", 0])
      assert.strictEqual(subsystem.status, 0, subsystem.stderr)
      assert.match(String(event["message"]), /shell refused/u)
      const client = yield* connectClient(server.target)
      yield* Effect.flip(shellOn(client))
      // The connection lives on.
      const after = yield* execOn(client, "echo after")
      yield* after.closed()
      assert.strictEqual(after.stdout(), "after\n")
    })
  )

  it.effect("disableCommand", () =>
    Effect.gen(function* () {
      const { command, event, shell, subsystem } = yield* disabled("disableCommand", "disable-command")
      assert.deepStrictEqual([command.stdout, command.status], ["", 255])
      assert.match(command.stderr, /^exec request failed on channel 0/mu)
      assert.deepStrictEqual([shell.stdout, shell.status], ["in a shell\n", 0])
      assert.strictEqual(subsystem.status, 0, subsystem.stderr)
      assert.match(String(event["message"]), /exec refused/u)
    })
  )

  it.effect("disableSubsystem", () =>
    Effect.gen(function* () {
      const { command, event, server, shell, subsystem } = yield* disabled("disableSubsystem", "disable-subsystem")
      assert.strictEqual(subsystem.status, 255)
      assert.match(subsystem.stderr, /subsystem request failed on channel 0/u)
      assert.deepStrictEqual([command.stdout, command.status], ["a command\n", 0])
      assert.deepStrictEqual([shell.stdout, shell.status], ["in a shell\n", 0])
      assert.match(String(event["message"]), /subsystem refused/u)
      const client = yield* connectClient(server.target)
      yield* Effect.flip(subsystemOn(client, "sftp"))
    })
  )

  it.effect("port forwarding and agent forwarding are refused, and cost nothing", () =>
    Effect.gen(function* () {
      const server = yield* startServer({ user: "forwarding" })
      const forward = { ...server.target, args: ["-A", "-R", "0:127.0.0.1:9"], command: "echo ran" }
      const ran = yield* ssh(forward)
      assert.deepStrictEqual([ran.stdout, ran.status], ["ran\n", 0])
      const remote = yield* ssh({ ...forward, options: { ExitOnForwardFailure: "yes" } })
      assert.strictEqual(remote.status, 255)
      assert.match(remote.stderr, /remote port forwarding failed/u)
      const local = yield* ssh({ ...server.target, args: ["-W", "127.0.0.1:9"] })
      assert.strictEqual(local.status, 255)
      assert.match(local.stderr, /stdio forwarding failed/u)
      const rule = (target: string) => (event: Readonly<Record<string, unknown>>) => event["target"] === target
      const refused = yield* server.waitForEvent("DOCKERRUN_FORWARDING_NOT_ALLOWED", rule("127.0.0.1:9"))
      assert.strictEqual(refused["rule"], "security.forwarding.forwardingMode: disable")
      assert.strictEqual(refused["username"], "forwarding")
    })
  )
})
