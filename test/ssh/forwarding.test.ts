import { createHash, randomBytes } from "node:crypto"
import { connect, type Socket } from "node:net"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Client } from "ssh2"
import { waitFor } from "../support/Deadline.ts"
import { describeEngine, processes, waitForContainers } from "../support/Engine.ts"
import { HarnessError } from "../support/HarnessError.ts"
import { prepareImage } from "../support/Images.ts"
import { controlMaster, generateKey, ssh, type SshTarget } from "../support/OpenSsh.ts"
import { output, start } from "../support/Program.ts"
import { SharedServer, startServer } from "../support/Server.ts"
import { connectClient, execOn } from "../support/Ssh2Client.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"

/**
 * Servers in the container, on its 127.0.0.1: 7001 says hello, ends its side, and keeps the size of what then comes; 7002
 * answers the end of what it gets with its size; 7003 sends a file. /tmp/echo does what 7002 does.
 */
const servers = `use strict; use IO::Socket::INET; use IO::Socket::UNIX;
$SIG{CHLD} = 'IGNORE';
sub drain { my ($c) = @_; my $n = 0; while (my $r = sysread $c, my $b, 65536) { $n += $r } $n }
my %serve = (
  7001 => sub { my $c = shift; syswrite $c, "hello\\n"; shutdown $c, 1; my $n = drain($c); open my $f, '>', '/tmp/got'; print $f $n },
  7002 => sub { my $c = shift; syswrite $c, "got " . drain($c) . "\\n" },
  7003 => sub { my $c = shift; open my $f, '<', '/tmp/blob'; while (sysread $f, my $b, 65536) { syswrite $c, $b } },
);
sub answer { my ($l, $how) = @_; while (1) { my $c = $l->accept or next; next if fork; $how->($c); exit } }
my %listen = map { $_ => IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $_, Listen => 128) } keys %serve;
my $socket = IO::Socket::UNIX->new(Local => '/tmp/echo', Listen => 8);
exit if fork;
open STDIN, '<', '/dev/null'; open STDOUT, '>', '/dev/null'; open STDERR, '>', '/dev/null';
for my $port (keys %serve) { answer($listen{$port}, $serve{$port}) unless fork }
answer($socket, $serve{7002});
`

const mebibyte = 1_048_576

/** Runs the servers in the container of the connection. */
const serve = Effect.fnUntraced(function* (target: SshTarget) {
  const up = yield* ssh({
    ...target,
    command: "cat >/tmp/servers.pl; perl /tmp/servers.pl && echo up",
    stdin: { text: servers },
    deadline: 60_000
  })
  assert.deepStrictEqual([up.stdout, up.stderr], ["up\n", ""])
})

/** A connection through OpenSSH's `-W`: its standard input and output are those of the port. */
const stdio = (target: SshTarget, port: number, stdin: { readonly text: string } | Uint8Array) =>
  ssh({ ...target, args: ["-W", `127.0.0.1:${port}`], stdin, deadline: 120_000 })

/** Opens a forwarded connection, sends, ends, and gives what comes back. */
const exchange = (client: Client, port: number, bytes: number): Effect.Effect<string, HarnessError> =>
  Effect.callback<string, HarnessError>((resume) => {
    client.forwardOut("127.0.0.1", 1, "127.0.0.1", port, (error, channel) => {
      if (error !== undefined) {
        const reason = "reason" in error ? String(error.reason) : ""
        resume(Effect.fail(new HarnessError({ operation: reason, detail: error.message })))
        return
      }
      let received = ""
      channel.on("data", (chunk: Buffer) => (received += chunk.toString()))
      channel.on("close", () => resume(Effect.succeed(received)))
      channel.end(Buffer.alloc(bytes, "x"))
    })
  })

/** What comes from a Unix socket of the client until it closes. */
const talk = (path: string, speak: (socket: Socket) => void): Effect.Effect<string> =>
  Effect.callback<string>((resume) => {
    let text = ""
    const socket = connect({ path, allowHalfOpen: true })
    socket.on("data", (chunk) => (text += chunk.toString()))
    socket.on("close", () => resume(Effect.succeed(text)))
    speak(socket)
  })

const enabled = {
  forwardingMode: "enable",
  reverseForwardingMode: "enable",
  socketForwardingMode: "enable",
  socketListenMode: "enable",
  agentForwardingMode: "enable"
}

/** The server's own programs that run in the container. */
const relays = (container: string) =>
  Effect.map(processes(container), (all) => all.filter((command) => /perl -e|socat|dev.tcp/u.test(command)))

const withForwarding = (image: string, user: string, forwarding: Readonly<Record<string, unknown>>) =>
  Layer.effect(
    SharedServer,
    Effect.flatMap(prepareImage(image), (reference) =>
      startServer({ user, image: reference, sections: { security: { forwarding } } })
    )
  )

describeEngine("forwarding in the network of the container", () => {
  layer(withForwarding("perl", "forward", enabled), { timeout: 120_000 })("by perl", (it) => {
    it.effect(
      "ends each direction on its own, carries what there is, refuses what the port refuses, and leaves nothing",
      () =>
        Effect.gen(function* () {
          const server = yield* SharedServer
          const { target } = yield* controlMaster(server.target)
          yield* serve(target)
          // The client's end comes through, and the answer after it.
          assert.strictEqual((yield* stdio(target, 7002, { text: "abc" })).stdout, "got 3\n")
          // The server's end comes through, and the client goes on. OpenSSH's -W does not: it leaves at that end.
          const local = join(yield* temporaryDirectory, "half")
          yield* ssh({ ...target, args: ["-O", "forward", "-L", `${local}:127.0.0.1:7001`] })
          const hello = yield* talk(local, (socket) => {
            socket.once("end", () => socket.end(Buffer.alloc(3 * mebibyte)))
          })
          assert.strictEqual(hello, "hello\n")
          yield* waitFor(
            "all that came after the server's end",
            Effect.map(ssh({ ...target, command: "cat /tmp/got" }), ({ stdout }) => stdout === String(3 * mebibyte))
          )
          // Not the host's 127.0.0.1.
          yield* Effect.flip(output("bash", ["-c", "exec 3<>/dev/tcp/127.0.0.1/7002"]))

          const blob = randomBytes(50 * mebibyte)
          const up = yield* ssh({ ...target, command: "cat >/tmp/blob", stdin: blob, deadline: 60_000 })
          assert.strictEqual(up.status, 0, up.stderr)
          const down = yield* stdio(target, 7003, { text: "" })
          assert.strictEqual(down.sha256, createHash("sha256").update(blob).digest("hex"))
          assert.strictEqual((yield* stdio(target, 7002, blob)).stdout, `got ${blob.length}\n`)

          const [container] = yield* waitForContainers(1, "forward")
          yield* waitFor(
            "the programs to end",
            Effect.map(relays(container?.Id ?? ""), (left) => left.length === 0)
          )
        }),
      120_000
    )

    it.effect(
      "a refused port and an unknown host are refusals of the channel, many channels are open at once",
      () =>
        Effect.gen(function* () {
          const server = yield* SharedServer
          const client = yield* connectClient(server.target)
          const { target } = yield* controlMaster(server.target)
          yield* serve(target)
          const refused = yield* Effect.flip(exchange(client, 7009, 1))
          assert.strictEqual(refused.operation, "2")
          assert.match(refused.detail, /connection refused/u)
          const shared = yield* ssh({ ...target, args: ["-W", "no.such.host.invalid:80"] })
          assert.strictEqual(shared.status, 255)
          yield* server.waitForEvent("DOCKERRUN_FORWARDING_FAILED", (event) =>
            String(event["message"]).includes("cannot be resolved")
          )
          const own = yield* connectClient(server.target)
          const channel = yield* execOn(own, "cat >/tmp/servers.pl; perl /tmp/servers.pl")
          channel.channel.end(servers)
          yield* channel.closed(60_000)
          const sizes = Array.from({ length: 40 }, (_, index) => 1_000 + index)
          const answers = yield* Effect.forEach(sizes, (size) => exchange(own, 7002, size), {
            concurrency: "unbounded"
          })
          assert.deepStrictEqual(
            answers,
            sizes.map((size) => `got ${size}\n`)
          )
        }),
      120_000
    )

    it.effect(
      "ports and sockets are listened on in the container until the client takes that back",
      () =>
        Effect.gen(function* () {
          const server = yield* SharedServer
          const { target } = yield* controlMaster(server.target)
          yield* serve(target)
          const [container] = yield* waitForContainers(1, "forward")
          const listening = yield* ssh({ ...target, args: ["-O", "forward", "-R", `0:127.0.0.1:${server.port}`] })
          const port = listening.stdout.trim()
          assert.match(port, /^\d+$/u, listening.stderr)
          // What is behind it is this server, as the client reaches it.
          const said = yield* ssh({ ...target, command: `nc 127.0.0.1 ${port} </dev/null | head -c 9` })
          assert.strictEqual(said.stdout, "SSH-2.0-d")
          const cancelled = yield* ssh({ ...target, args: ["-O", "cancel", "-R", `0:127.0.0.1:${server.port}`] })
          assert.strictEqual(cancelled.status, 0, cancelled.stderr)
          yield* waitFor(
            "the port to close",
            Effect.map(ssh({ ...target, command: `nc 127.0.0.1 ${port} </dev/null` }), ({ stderr }) =>
              /refused/u.test(stderr)
            )
          )
          yield* waitFor(
            "the listener to leave",
            Effect.map(relays(container?.Id ?? ""), (left) => left.length === 0)
          )
          assert.notMatch((yield* ssh({ ...target, command: "ls -a /tmp" })).stdout, /dockerrun/u)

          const directory = yield* temporaryDirectory
          const local = join(directory, "echo")
          const forward = yield* ssh({ ...target, args: ["-O", "forward", "-L", `${local}:/tmp/echo`] })
          assert.strictEqual(forward.status, 0, forward.stderr)
          const answer = yield* talk(local, (socket) => {
            socket.end("12345")
          })
          assert.strictEqual(answer, "got 5\n")
        }),
      120_000
    )

    it.effect(
      "the client's agent is there for its programs",
      () =>
        Effect.gen(function* () {
          const server = yield* SharedServer
          const agent = yield* start("ssh-agent", ["-D", "-a", join(yield* temporaryDirectory, "agent")], {
            stdin: "ignore"
          })
          let said = ""
          agent.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()))
          const socket = yield* waitFor(
            "the agent",
            Effect.sync(() => /SSH_AUTH_SOCK=([^;]+);/u.exec(said)?.[1])
          )
          const key = yield* generateKey()
          const env = { SSH_AUTH_SOCK: socket }
          yield* output("ssh-add", ["-q", key.privateFile], { env })
          const listed = yield* ssh({
            ...server.target,
            args: ["-A"],
            options: { IdentityAgent: socket },
            env,
            command: "ssh-add -l && stat -c %a $(dirname $SSH_AUTH_SOCK)"
          })
          assert.include(listed.stdout, key.fingerprint, listed.stderr)
          assert.match(listed.stdout, /^700$/mu)
          const without = yield* ssh({ ...server.target, command: "echo [$SSH_AUTH_SOCK]" })
          assert.strictEqual(without.stdout, "[]\n")
          yield* agent.kill("SIGTERM")
        }),
      60_000
    )
  })

  layer(
    withForwarding("socat", "forward-list", {
      ...enabled,
      forwardingMode: "filter",
      forwardingAllow: [{ users: ["forward-*"], hosts: ["127.0.0.0/8"], ports: ["7000-7010"] }]
    }),
    { timeout: 120_000 }
  )("by socat, as far as a list allows it", (it) => {
    it.effect(
      "reaches what is listed, and is told why it does not reach the rest",
      () =>
        Effect.gen(function* () {
          const server = yield* SharedServer
          const { target } = yield* controlMaster(server.target)
          yield* ssh({ ...target, command: "nc -ll -p 7002 -e wc -c >/dev/null 2>&1 </dev/null &" })
          yield* waitFor(
            "the port",
            Effect.map(ssh({ ...target, command: "nc 127.0.0.1 7002 </dev/null" }), ({ status }) => status === 0)
          )
          assert.strictEqual((yield* stdio(target, 7002, { text: "abc" })).stdout.trim(), "3")
          assert.strictEqual((yield* stdio(target, 7009, { text: "" })).status, 255)
          yield* server.waitForEvent("DOCKERRUN_FORWARDING_FAILED")
          assert.strictEqual((yield* stdio(target, 22, { text: "" })).status, 255)
          const event = yield* server.waitForEvent("DOCKERRUN_FORWARDING_NOT_ALLOWED")
          assert.strictEqual(event["target"], "127.0.0.1:22")
          assert.strictEqual(event["rule"], "security.forwarding.forwardingAllow")
          // Listening takes perl: refused, and said so.
          const listening = yield* ssh({ ...target, args: ["-O", "forward", "-R", "0:127.0.0.1:9"] })
          assert.strictEqual(listening.status, 255)
          assert.match(String((yield* server.waitForEvent("DOCKERRUN_FORWARDING_TOOL_MISSING"))["message"]), /perl/u)
        }),
      90_000
    )
  })
})
