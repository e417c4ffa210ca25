/** What editors do that work on a remote machine: the sequences, not the editors. */
import { randomBytes } from "node:crypto"
import { mkdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Clients } from "../support/Clients.ts"
import { waitFor } from "../support/Deadline.ts"
import { describeEngine } from "../support/Engine.ts"
import { freePort, talk } from "../support/Forwarded.ts"
import { controlMaster, sftp, ssh, startSsh } from "../support/OpenSsh.ts"
import { output, type RunningProgram } from "../support/Program.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"

/** Waits for what a program says, again and again. */
const listenTo = (program: RunningProgram) => {
  let said = ""
  for (const stream of [program.stdout, program.stderr])
    stream.on("data", (chunk: Buffer) => (said += chunk.toString()))
  return (pattern: RegExp) =>
    waitFor(
      `${String(pattern)} from the program`,
      Effect.sync(() => pattern.exec(said)?.slice(1))
    )
}

/** It installs a server, starts it in the background, says where it listens, and answers for as long as it is read. */
const bootstrap = `set -e
directory=$HOME/.editor-server
mkdir -p "$directory/bin" && cd "$directory"
cat >bin/server <<'END'
import functools, http.server
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory="/tmp")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
print("listening on", server.server_address[1], flush=True)
server.serve_forever()
END
# ${"x".repeat(100_000)}
nohup setsid python3 bin/server </dev/null >log 2>&1 &
until grep -q listening log; do sleep 0.1; done
sed -n 's/listening on \\(.*\\)/port==\\1==/p' log
while read -r line; do echo "alive $line"; done
echo over
`

const echoServer = `import socket, threading
server = socket.create_server(("127.0.0.1", 0))
print("port==%d==" % server.getsockname()[1], flush=True)
def serve(client):
    while data := client.recv(65536): client.sendall(data)
    client.close()
while True: threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
`

describeEngine("editors that work on a remote machine", () => {
  layer(Clients.layer, { timeout: 400_000 })((it) => {
    it.effect(
      "as VS Code does: a script to a shell, which goes on, and its server behind a dynamic forwarding",
      () =>
        Effect.gen(function* () {
          const directory = yield* temporaryDirectory
          const target = { ...(yield* Clients).target, controlPath: join(directory, "mux") }
          const socks = `127.0.0.1:${yield* freePort}`
          const shell = yield* startSsh({ ...target, tty: "-T", args: ["-M", "-D", socks], command: "bash -s" })
          const says = listenTo(shell)
          shell.stdin.write(bootstrap)
          const [port] = yield* says(/port==(\d+)==/u)
          const fetched = (name: string) =>
            output("curl", ["-sSf", "--socks5-hostname", socks, `http://localhost:${port}/${name}`])

          const bytes = randomBytes(300_000).toString("hex")
          yield* Effect.promise(() => writeFile(join(directory, "up"), bytes))
          const both = yield* Effect.all(
            [
              sftp({ ...target, cwd: directory, batch: ["put up /tmp/up", "get /tmp/up down"] }),
              ssh({ ...target, command: "ls ~/.editor-server/bin; ps -e | grep -c python3" })
            ],
            { concurrency: 2 }
          )
          assert.deepStrictEqual(
            both.map(({ status }) => status),
            [0, 0]
          )
          assert.strictEqual(both[1].stdout, "server\n1\n")
          const files = yield* Effect.forEach(Array.from({ length: 8 }), () => fetched("up"), { concurrency: 8 })
          assert.isTrue(files.every((file) => file === bytes))
          shell.stdin.write("one\n")
          yield* says(/(alive one)/u)
          assert.include(yield* fetched(""), "up")
          shell.stdin.end()
          yield* says(/(over)/u)
          assert.strictEqual((yield* shell.exit).status, 0)
        }),
      60_000
    )

    it.effect(
      "as JetBrains' do: programs one after the other, a tree by SFTP, and a server that is reached while it runs",
      () =>
        Effect.gen(function* () {
          const { target } = yield* controlMaster((yield* Clients).target)
          const directory = yield* temporaryDirectory
          for (const [command, answer] of [
            ["uname -sm", /^Linux \w+\n$/u],
            ['echo "$HOME $SHELL"', /^\/root \/bin\/bash\n$/u],
            ["test -e ~/.backend || mkdir -p ~/.backend && echo made", /^made\n$/u]
          ] as const) {
            assert.match((yield* ssh({ ...target, command })).stdout, answer)
          }
          yield* Effect.promise(async () => {
            for (const part of ["bin", "lib/deep/er"]) await mkdir(join(directory, "tree", part), { recursive: true })
            await writeFile(join(directory, "tree/bin/server"), echoServer)
            for (let n = 0; n < 50; n += 1) await writeFile(join(directory, `tree/lib/deep/${n}`), randomBytes(20_000))
          })
          const upload = yield* sftp({ ...target, cwd: directory, batch: ["put -r tree /root/.backend/tree"] })
          assert.strictEqual(upload.status, 0, upload.stderr)
          const server = yield* startSsh({ ...target, command: "exec python3 ~/.backend/tree/bin/server" })
          const [port] = yield* listenTo(server)(/port==(\d+)==/u)
          const local = join(directory, "local")
          yield* ssh({ ...target, args: ["-O", "forward", "-L", `${local}:127.0.0.1:${port}`] })
          const count = ssh({ ...target, command: "find ~/.backend -type f | wc -l; pgrep -c python3" })
          assert.strictEqual((yield* count).stdout, "51\n1\n")
          assert.strictEqual(yield* talk(local, (socket) => void socket.end("hello")), "hello")
          // Stopped by hand, it takes its program with it.
          yield* server.kill("SIGKILL")
          yield* waitFor(
            "the server to end",
            Effect.map(count, ({ stdout }) => stdout === "51\n0\n")
          )
        }),
      60_000
    )
  })
})
