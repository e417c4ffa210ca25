import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { waitFor } from "../support/Deadline.ts"
import { describeEngine, waitForContainers } from "../support/Engine.ts"
import { controlMaster, ssh } from "../support/OpenSsh.ts"
import { SharedServer } from "../support/Server.ts"
import { connectClient, execOn } from "../support/Ssh2Client.ts"
import { openTerminal } from "../support/Terminal.ts"

const user = "login"
const password = "correct horse"

describeEngine("a login through ssh", () => {
  layer(SharedServer.start({ user }))("with nothing configured", (it) => {
    it.effect("has the variables that a login has, and takes only harmless ones from the client", () =>
      Effect.gen(function* () {
        const { target, waitForEvent } = yield* SharedServer
        const { stdout } = yield* ssh({ ...target, options: { SetEnv: "LC_TIME=C LD_PRELOAD=/evil" }, command: "env" })
        const env = new Map(
          stdout
            .trimEnd()
            .split("\n")
            .map((line) => [line.replace(/=.*/u, ""), line.replace(/^\w+=/u, "")])
        )
        assert.deepStrictEqual(
          ["USER", "LOGNAME", "SHELL", "HOME", "LC_TIME", "LD_PRELOAD", "TERM", "SSH_TTY"].map((name) => env.get(name)),
          ["root", "root", "/bin/sh", "/root", "C", undefined, undefined, undefined]
        )
        assert.match(env.get("SSH_CLIENT") ?? "", new RegExp(`^127\\.0\\.0\\.1 \\d+ ${target.port}$`, "u"))
        assert.match(
          env.get("SSH_CONNECTION") ?? "",
          new RegExp(`^127\\.0\\.0\\.1 \\d+ 127\\.0\\.0\\.1 ${target.port}$`, "u")
        )
        yield* waitForEvent("DOCKERRUN_ENV_NOT_ACCEPTED")
        yield* waitForContainers(0, user)
      })
    )
  })

  layer(
    SharedServer.start({
      user,
      users: {
        [user]: { password },
        alice: { password, container: { User: "alice", WorkingDir: "/home/alice", Env: ["TEAM=red", "OWN=yes"] } }
      },
      ssh: { acceptEnv: ["*"] },
      backend: {
        container: { Image: "dockerrun-test/tiny:1", Env: ["SHELL=/bin/ash", "TEAM=blue"], WorkingDir: "/tmp" }
      }
    })
  )("into a container that is configured", (it) => {
    const command = 'echo "$SHELL $TEAM ${OWN-none} $USER $HOME $PWD $(id -un)"'

    it.effect("has the user, the directory and the variables of the configuration", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedServer
        const result = yield* ssh({ port: target.port, user, password, command })
        assert.strictEqual(result.stdout, "/bin/ash blue none root /root /tmp root\n")
        const over = yield* ssh({
          port: target.port,
          user,
          password,
          command,
          options: { SetEnv: "TEAM=green HOME=/x" }
        })
        assert.strictEqual(over.stdout, "/bin/ash green none root /x /tmp root\n")
      })
    )

    it.effect("has those of its own user before them, and its programs can be signalled", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedServer
        const result = yield* ssh({ port: target.port, user: "alice", password, command })
        assert.strictEqual(result.stdout, "/bin/ash red yes alice /home/alice /home/alice alice\n")
        const client = yield* connectClient({ port: target.port, user: "alice", password })
        const program = yield* execOn(
          client,
          "trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.1; done"
        )
        yield* waitFor(
          "the program",
          Effect.sync(() => program.stdout() === "ready\n" || undefined)
        )
        program.channel.signal("TERM")
        assert.strictEqual(yield* program.closed(), 3)
        assert.strictEqual(program.stdout(), "ready\ncaught\n")
      })
    )
  })

  layer(
    SharedServer.start({
      user,
      ssh: { motd: "Welcome\nto the machine\n" },
      backend: { host: { NetworkMode: "none", Memory: 33_554_432, MemorySwap: 33_554_432 } }
    })
  )("with a terminal", (it) => {
    it.effect("is greeted, unless there is a .hushlogin, and only where a shell begins", () =>
      Effect.gen(function* () {
        const shared = (yield* controlMaster((yield* SharedServer).target)).target
        const greeted = yield* openTerminal(shared)
        yield* greeted.expect(/^Welcome\r\nto the machine\r\n/u)
        yield* greeted.send("touch ~/.hushlogin; exit\r")
        yield* greeted.exit()
        const hushed = yield* openTerminal(shared)
        yield* hushed.send("exit\r")
        yield* hushed.exit()
        assert.notInclude(hushed.output(), "Welcome")
        assert.strictEqual((yield* ssh({ ...shared, tty: "-T", stdin: { text: "rm ~/.hushlogin\n" } })).stdout, "")
        assert.notInclude((yield* ssh({ ...shared, tty: "-tt", command: "echo on" })).stdout, "Welcome")
      })
    )

    it.effect("has the modes of the client's, compressed or not", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedServer
        for (const Compression of ["no", "yes"]) {
          const client = yield* openTerminal({
            ...target,
            options: { ...target.options, Compression },
            stty: "erase ^H intr ^G -onlcr -echo 9600",
            tty: "-tt",
            command: 'stty -a; test "$SSH_TTY" = "$(tty)" && echo same'
          })
          yield* client.exit()
          const output = client.output()
          for (const expected of [/speed 9600 baud/u, /erase = \^H/u, /intr = \^G/u, / -onlcr/u, / -echo /u, /same/u]) {
            assert.match(output, expected)
          }
        }
      })
    )

    it.effect("tells which signal ended the program, and that memory ran out", () =>
      Effect.gen(function* () {
        const { target, waitForEvent } = yield* SharedServer
        const client = yield* connectClient(target)
        const program = yield* execOn(client, "echo ready; sleep 300")
        yield* waitFor(
          "the program",
          Effect.sync(() => program.stdout() === "ready\n" || undefined)
        )
        const end = new Promise<ReadonlyArray<unknown>>((resolve) => {
          program.channel.once("exit", (...exit: ReadonlyArray<unknown>) => resolve(exit))
        })
        program.channel.signal("TERM")
        assert.deepStrictEqual((yield* Effect.promise(() => end)).slice(0, 2), [null, "SIGTERM"])
        yield* waitForEvent("PROGRAM_ENDED", ({ exitSignal }) => exitSignal === "TERM")
        const greedy = yield* ssh({ ...target, command: "tail -c 200000000 /dev/zero >/dev/null" })
        assert.deepStrictEqual(
          [greedy.status, greedy.stderr],
          [255, "dockerrun: the program was killed: its container has no more memory\n"]
        )
        yield* waitForEvent("PROGRAM_OUT_OF_MEMORY")
      })
    )
  })

  layer(
    SharedServer.start({
      user,
      backend: { subsystems: { sftp: "/usr/lib/sftp" } },
      sections: {
        security: {
          forceCommand: 'echo "forced: ${SSH_ORIGINAL_COMMAND-a shell}"',
          tty: { mode: "disable" },
          subsystem: { deny: ["other"] }
        }
      }
    })
  )("under a policy", (it) => {
    it.effect("runs the forced command, whatever was asked for, and refuses what is not allowed", () =>
      Effect.gen(function* () {
        const { events, target } = yield* SharedServer
        const known = events.length
        const refusals = () =>
          events
            .slice(known)
            .filter(({ code }) => code === "DOCKERRUN_REQUEST_FORBIDDEN")
            .map(({ level, message }) => [level, message])
        const shared = (yield* controlMaster(target)).target
        const output = (request: {
          readonly command?: string
          readonly tty?: "-T"
          readonly args?: ReadonlyArray<string>
        }) => Effect.map(ssh({ ...shared, ...request }), ({ status, stdout }) => [status, stdout])
        assert.deepStrictEqual(yield* output({ command: "id; id" }), [0, "forced: id; id\n"])
        assert.deepStrictEqual(yield* output({ tty: "-T" }), [0, "forced: a shell\n"])
        assert.deepStrictEqual(yield* output({ args: ["-s"], command: "sftp" }), [0, "forced: /usr/lib/sftp\n"])
        const denied = yield* ssh({ ...target, args: ["-s"], command: "other" })
        assert.deepStrictEqual([denied.status, denied.stdout], [255, ""])
        const refused = yield* ssh({ ...target, tty: "-tt", command: "id" })
        assert.match(refused.stderr, /PTY allocation request failed/u)
        // A line of the log may come after the end of the client that it is about.
        yield* waitFor(
          "the refusals in the log",
          Effect.sync(() => refusals().length >= 2)
        )
        assert.deepStrictEqual(refusals(), [
          ["info", "subsystem refused: the policy of this server does not allow this subsystem request"],
          ["info", "pty-req refused: the policy of this server does not allow this tty request"]
        ])
      })
    )
  })
})
