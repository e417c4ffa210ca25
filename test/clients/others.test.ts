import { randomBytes } from "node:crypto"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Clients, dbclient, plink, psftp, python, pythonClient } from "../support/Clients.ts"
import { describeEngine } from "../support/Engine.ts"
import { startServer } from "../support/Server.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"

/** A port of the container that says hello, from within the same connection. */
const hello = "socat TCP-LISTEN:7000,bind=127.0.0.1,reuseaddr,fork SYSTEM:'echo hello'"

const paramiko = `
import io, paramiko, sys, time
port, user, password, key = sys.argv[1:]
client = paramiko.SSHClient()
client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
client.connect("127.0.0.1", int(port), user, key_filename=key, look_for_keys=False, allow_agent=False)
stdin, stdout, stderr = client.exec_command("cat; echo oops >&2; exit 3")
stdin.write("in\\n"); stdin.channel.shutdown_write()
print(stdout.read().decode(), stderr.read().decode(), stdout.channel.recv_exit_status())
shell = client.invoke_shell(width=101, height=31)
shell.send("stty size; exit\\n")
seen = b""
while not shell.exit_status_ready() or shell.recv_ready():
    seen += shell.recv(4096)
print("31 101" in seen.decode())
sftp = client.open_sftp()
data = bytes(range(256)) * 8000
sftp.putfo(io.BytesIO(data), "/tmp/p")
back = io.BytesIO(); sftp.getfo("/tmp/p", back)
print(back.getvalue() == data, sftp.stat("/tmp/p").st_size)
client.exec_command("${hello.replaceAll('"', '\\"')}")
transport = client.get_transport()
for _ in range(100):
    try:
        tunnel = transport.open_channel("direct-tcpip", ("127.0.0.1", 7000), ("127.0.0.1", 1)); break
    except paramiko.ChannelException: time.sleep(0.1)
print(tunnel.recv(100).decode().strip())
client.get_transport().renegotiate_keys()
print(client.exec_command("echo rekeyed")[1].read().decode().strip())
client.close()
`

const asyncssh = `
import asyncio, asyncssh, sys
port, user, password, key = sys.argv[1:]
async def main():
    async with asyncssh.connect("127.0.0.1", int(port), username=user, password=password, known_hosts=None,
                                client_keys=None, agent_path=None, config=None) as conn:
        done = await conn.run("cat; exit 3", input="in\\n")
        print(done.stdout.strip(), done.exit_status)
        many = await asyncio.gather(*(conn.run("echo %d" % n) for n in range(5)))
        print(*(one.stdout.strip() for one in many))
        async with conn.start_sftp_client() as sftp:
            async with sftp.open("/tmp/f", "wb") as file: await file.write(b"x" * 300000)
            print((await sftp.stat("/tmp/f")).size)
        process = await conn.create_process("trap 'echo got; exit 5' USR1; echo up; while :; do sleep 0.1; done")
        await process.stdout.readline()
        process.send_signal("USR1")
        print((await process.stdout.readline()).strip(), (await process.wait()).exit_status)
asyncio.run(main())
`

const signalling = `
import asyncio, asyncssh, sys
port, user, key = sys.argv[1:]
async def main():
    async with asyncssh.connect("127.0.0.1", int(port), username=user, client_keys=[key], known_hosts=None,
                                agent_path=None, config=None) as conn:
        process = await conn.create_process(
            "trap 'echo got' USR1; trap 'echo bye; exit 5' TERM; echo $$; while :; do sleep 0.1; done")
        print((await process.stdout.readline()).strip())
        process.send_signal("USR1")
        print((await process.stdout.readline()).strip())
        process.terminate()
        print((await process.wait()).stdout.strip(), process.exit_status)
        process = await conn.create_process("echo up; exec sleep 1004")
        await process.stdout.readline()
        process.kill()
        await process.wait()
        print(process.exit_signal[0])
asyncio.run(main())
`

describeEngine("clients that are not OpenSSH", () => {
  layer(Clients.layer, { timeout: 400_000 })((it) => {
    it.effect("Paramiko runs programs and a shell, moves files, is forwarded and rekeys", () =>
      Effect.gen(function* () {
        const result = yield* pythonClient(yield* Clients, paramiko)
        assert.strictEqual(result.status, 0, result.stderr)
        assert.deepStrictEqual(result.stdout.split(/\s*\n\s*/u).filter(Boolean), [
          "in",
          "oops",
          "3",
          "True",
          "True 2048000",
          "hello",
          "rekeyed"
        ])
      })
    )

    it.effect("AsyncSSH runs programs side by side, moves a file and sends a signal", () =>
      Effect.gen(function* () {
        const result = yield* pythonClient(yield* Clients, asyncssh)
        assert.strictEqual(result.status, 0, result.stderr)
        assert.deepStrictEqual(result.stdout.trim().split("\n"), ["in 3", "0 1 2 3 4", "300000", "got 5"])
      })
    )

    it.effect("AsyncSSH's signals reach a program that is the first process of a container", () =>
      Effect.gen(function* () {
        const { target } = yield* startServer({ backend: { mode: "session" } })
        const result = yield* python(signalling, String(target.port), target.user, target.identityFile ?? "")
        assert.strictEqual(result.stdout, "1\ngot\nbye 5\nKILL\n", result.stderr)
      })
    )

    it.effect("plink runs a program with its input, output, errors and status", () =>
      Effect.gen(function* () {
        const world = yield* Clients
        const result = yield* plink(world, ["cat; echo oops >&2; exit 3"], { stdin: { text: "in\n" } })
        assert.deepStrictEqual([result.stdout, result.stderr, result.status], ["in\n", "oops\n", 3])
        const terminal = yield* plink(world, ["-t", "tty"])
        assert.match(terminal.stdout, /\/dev\/pts\/\d+\r\n/u)
      })
    )

    it.effect("psftp puts and gets a file", () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const bytes = randomBytes(1_000_000)
        const batch = join(directory, "batch")
        yield* Effect.promise(async () => {
          await writeFile(join(directory, "up"), bytes)
          await writeFile(batch, "put up /tmp/up\nget /tmp/up down\nquit\n")
        })
        const result = yield* psftp(yield* Clients, batch, directory)
        assert.strictEqual(result.status, 0, result.stderr)
        assert.isTrue(bytes.equals(yield* Effect.promise(() => readFile(join(directory, "down")))))
      })
    )

    it.effect("dbclient runs a program with its input, output and status", () =>
      Effect.gen(function* () {
        const world = yield* Clients
        const result = yield* dbclient(world, ["127.0.0.1", "cat; exit 3"], { stdin: { text: "in\n" } })
        assert.deepStrictEqual([result.stdout, result.status], ["in\n", 3])
      })
    )
  })
})
