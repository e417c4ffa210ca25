import { createHash, randomBytes } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describeEngine, docker, waitForContainers } from "../support/Engine.ts"
import { controlMaster, ssh } from "../support/OpenSsh.ts"
import { SharedServer } from "../support/Server.ts"
import { connectClient, execOn } from "../support/Ssh2Client.ts"

const user = "exec"

describeEngine("a command through ssh", () => {
  layer(
    SharedServer.start({
      user,
      ssh: { acceptEnv: ["*"] },
      backend: { container: { Image: "dockerrun-test/tiny:1", Env: ["FROM_CONFIG=yes"] } }
    })
  )("in an image with a shell", (it) => {
    it.effect("prints on the standard output and the standard error that it wrote to, and nothing else", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedServer
        const result = yield* ssh({ ...target, command: "echo out; echo err >&2" })
        assert.deepStrictEqual([result.stdout, result.stderr, result.status], ["out\n", "err\n", 0])
      })
    )

    it.effect("has its exit status, whatever that is, also when a signal ended it", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedServer
        const shared = yield* controlMaster(target)
        for (const status of [0, 1, 2, 42, 125, 127, 128, 254, 255]) {
          const result = yield* ssh({ ...shared.target, command: `exit ${status}` })
          assert.deepStrictEqual([result.status, result.stdout, result.stderr], [status, "", ""])
        }
        assert.strictEqual((yield* ssh({ ...shared.target, command: "kill -KILL $$" })).status, 137)
        assert.strictEqual((yield* ssh({ ...shared.target, command: "kill -TERM $$" })).status, 143)
      })
    )

    it.effect("gets every byte of its input and gives back every byte, whatever its value", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedServer
        const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
        const bytes = Buffer.concat([every, randomBytes(300_000), every])
        const digest = createHash("sha256").update(bytes).digest("hex")
        const result = yield* ssh({
          ...target,
          command: "tee /tmp/copy; sha256sum </tmp/copy >&2",
          stdin: bytes
        })
        assert.strictEqual(result.sha256, digest)
        assert.strictEqual(result.stderr, `${digest}  -\n`)
        assert.strictEqual(result.status, 0)
      })
    )

    it.effect("goes on after the end of its input", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedServer
        const result = yield* ssh({ ...target, command: "cat; echo end", stdin: { text: "one\ntwo\n" } })
        assert.deepStrictEqual([result.stdout, result.stderr, result.status], ["one\ntwo\nend\n", "", 0])
      })
    )

    it.effect("is a line for the shell: operators, quotes, patterns, variables, several lines", () =>
      Effect.gen(function* () {
        const { target } = yield* controlMaster((yield* SharedServer).target)
        const say = (command: string) => Effect.map(ssh({ ...target, command }), ({ stdout }) => stdout)
        assert.strictEqual(yield* say("/bin/echo a; /bin/echo b"), "a\nb\n")
        assert.strictEqual(yield* say("/bin/echo a && /bin/false || /bin/echo c | /bin/cat"), "a\nc\n")
        assert.strictEqual(yield* say("/bin/echo to-file >/tmp/f; cat /tmp/f"), "to-file\n")
        assert.strictEqual(yield* say("/bin/echo /etc/pass*"), "/etc/passwd\n")
        assert.strictEqual(yield* say("/bin/echo $HOME ${NOT_SET:-none}"), "/root none\n")
        assert.strictEqual(
          yield* say(`/bin/echo "two  blanks" 'it'"'"'s $HOME' a\\ b ''`),
          "two  blanks it's $HOME a b \n"
        )
        assert.strictEqual(yield* say("echo first\necho second\n"), "first\nsecond\n")
        assert.strictEqual(yield* say("echo 'größer 日本 🚢'"), "größer 日本 🚢\n")
        assert.strictEqual(yield* say("/bin/echo -n 'x' # a comment"), "x")
      })
    )

    it.effect("that is empty ends at once, and takes nobody with it", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedServer
        const client = yield* connectClient(target)
        for (const line of ["", "   ", "\n"]) {
          const empty = yield* execOn(client, line)
          assert.strictEqual(yield* empty.closed(), 0)
          assert.deepStrictEqual([empty.stdout(), empty.stderr()], ["", ""])
        }
        const after = yield* execOn(client, "echo still here")
        assert.strictEqual(yield* after.closed(), 0)
        assert.strictEqual(after.stdout(), "still here\n")
      })
    )

    it.effect("sees the client's variables and the configuration's, and the client's win", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedServer
        const result = yield* ssh({
          ...target,
          options: { SendEnv: "LC_SENT", SetEnv: `"SET=a value with = and blanks" EMPTY=` },
          env: { LC_SENT: "größer\nzwei Zeilen" },
          command: `printf '[%s]' "$LC_SENT" "$SET" "\${EMPTY-unset}" "$FROM_CONFIG" "\${TERM-no terminal}"`
        })
        assert.strictEqual(result.stdout, "[größer\nzwei Zeilen][a value with = and blanks][][yes][no terminal]")
        const over = yield* ssh({ ...target, options: { SetEnv: "FROM_CONFIG=no" }, command: "echo $FROM_CONFIG" })
        assert.strictEqual(over.stdout, "no\n")
      })
    )

    it.effect("whose program is missing says so with status 127, by name and by path", () =>
      Effect.gen(function* () {
        const { target } = yield* controlMaster((yield* SharedServer).target)
        const byName = yield* ssh({ ...target, command: "no-such-program --flag" })
        assert.deepStrictEqual([byName.stdout, byName.status], ["", 127])
        assert.match(byName.stderr, /no-such-program: not found/u)
        const byPath = yield* ssh({ ...target, command: "/opt/no-such-program --flag" })
        assert.deepStrictEqual([byPath.stdout, byPath.status], ["", 127])
        assert.match(
          byPath.stderr,
          /^dockerrun: \/opt\/no-such-program: not found in the container \[DOCKERRUN_PROGRAM_NOT_FOUND, connection [0-9a-f]{32}\]\n$/u
        )
      })
    )

    it.effect("whose program cannot be executed says so with status 126, through the shell and directly", () =>
      Effect.gen(function* () {
        const server = yield* SharedServer
        const { target } = yield* controlMaster(server.target)
        const shell = yield* ssh({ ...target, command: "/opt/not-executable; exit $?" })
        assert.deepStrictEqual([shell.stdout, shell.status], ["", 126])
        assert.match(shell.stderr, /not-executable: Permission denied/u)
        const direct = yield* ssh({ ...target, command: "/opt/not-executable" })
        assert.deepStrictEqual([direct.stdout, direct.status], ["", 126])
        assert.match(
          direct.stderr,
          /^dockerrun: \/opt\/not-executable: cannot be executed \[DOCKERRUN_PROGRAM_NOT_EXECUTABLE, connection [0-9a-f]{32}\]\n$/u
        )
        const directory = yield* ssh({ ...target, command: "/opt" })
        assert.strictEqual(directory.status, 126)
        const event = yield* server.waitForEvent("DOCKERRUN_PROGRAM_NOT_EXECUTABLE")
        assert.strictEqual(event["level"], "warning")
        assert.match(String(event["containerId"]), /^[0-9a-f]{64}$/u)
        assert.isString(event["cause"])
      })
    )
  })

  layer(
    SharedServer.start({
      user: "exec-noshell",
      image: "dockerrun-test/noshell:1",
      backend: { idleCommand: ["/bin/sleep", "1000"], disableShell: true, shellCommand: [] }
    })
  )("in an image without a shell", (it) => {
    it.effect("runs when it is plain words behind a path", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedServer
        const result = yield* ssh({ ...target, command: `/bin/echo "two  blanks" 'a;b'` })
        assert.deepStrictEqual([result.stdout, result.stderr, result.status], ["two  blanks a;b\n", "", 0])
        const piped = yield* ssh({ ...target, command: "/bin/cat", stdin: { text: "through" } })
        assert.deepStrictEqual([piped.stdout, piped.status], ["through", 0])
      })
    )

    it.effect("says that the shell is missing, with status 127, when it takes one", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedServer
        const result = yield* ssh({ ...target, command: "echo hi" })
        assert.deepStrictEqual([result.stdout, result.status], ["", 127])
        assert.match(
          result.stderr,
          /^dockerrun: \/bin\/sh: not found in the container \[DOCKERRUN_PROGRAM_NOT_FOUND, connection [0-9a-f]{32}\]\n$/u
        )
      })
    )
  })

  layer(
    SharedServer.start({
      user: "exec-labels",
      backend: {
        container: {
          Image: "dockerrun-test/tiny:1",
          Labels: { containerssh_connection_id: "forged", containerssh_username: "forged", mine: "kept" }
        }
      }
    })
  )("in its container", (it) => {
    it.effect("has the labels of its connection, which win over configured ones", () =>
      Effect.gen(function* () {
        const server = yield* SharedServer
        yield* controlMaster(server.target)
        const [container] = yield* waitForContainers(1, "exec-labels")
        const started = yield* server.waitForEvent("CONTAINER_STARTED")
        assert.strictEqual(started["containerId"], container?.Id)
        const inspected = yield* docker("inspect", "--format", "{{json .Config.Labels}}", container?.Id ?? "")
        assert.containsSubset(JSON.parse(inspected), {
          containerssh_connection_id: started["connectionId"],
          containerssh_ip: "127.0.0.1",
          containerssh_username: "exec-labels",
          mine: "kept"
        })
        assert.match(String(started["connectionId"]), /^[0-9a-f]{32}$/u)
      })
    )
  })
})
