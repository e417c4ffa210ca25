/** What tests of forwarding have in the container and beside the client: servers, and somebody who talks to them. */
import { connect, createServer, type Socket } from "node:net"
import { join } from "node:path"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Client } from "ssh2"
import { waitFor } from "./Deadline.ts"
import { HarnessError } from "./HarnessError.ts"
import { generateKey, type KeyPair, ssh, type SshTarget } from "./OpenSsh.ts"
import { output, start } from "./Program.ts"
import { temporaryDirectory } from "./TemporaryDirectory.ts"

/** All kinds of forwarding. */
export const enabled = {
  forwardingMode: "enable",
  reverseForwardingMode: "enable",
  socketForwardingMode: "enable",
  socketListenMode: "enable",
  agentForwardingMode: "enable"
}

/**
 * Servers in the container, on its 127.0.0.1: 7001 says hello, ends its side, and keeps the size of what then comes; 7002
 * answers the end of what it gets with its size; 7003 sends a file. /tmp/echo does what 7002 does.
 */
export const servers = `use strict; use IO::Socket::INET; use IO::Socket::UNIX;
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

/** Runs the servers in the container of the connection. */
export const serve = Effect.fnUntraced(function* (target: SshTarget) {
  const up = yield* ssh({
    ...target,
    command: "cat >/tmp/servers.pl; perl /tmp/servers.pl && echo up",
    stdin: { text: servers },
    deadline: 60_000
  })
  assert.deepStrictEqual([up.stdout, up.stderr], ["up\n", ""])
})

/** A connection through OpenSSH's `-W`: its standard input and output are those of the port. */
export const stdio = (target: SshTarget, port: number, stdin: { readonly text: string } | Uint8Array) =>
  ssh({ ...target, args: ["-W", `127.0.0.1:${port}`], stdin, deadline: 120_000 })

/** Opens a forwarded connection, sends, ends, and gives what comes back. */
export const exchange = (client: Client, port: number, bytes: number): Effect.Effect<string, HarnessError> =>
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
export const talk = (path: string, speak: (socket: Socket) => void): Effect.Effect<string> =>
  Effect.callback<string>((resume) => {
    let text = ""
    const socket = connect({ path, allowHalfOpen: true })
    socket.on("data", (chunk) => (text += chunk.toString()))
    // Who was refused is told by the end, and what was said to nobody is no fault.
    socket.on("error", () => socket.destroy())
    socket.on("close", () => resume(Effect.succeed(text)))
    speak(socket)
  })

/** A server beside the client, for what is forwarded to it: it answers the end of what it gets with its size. */
export const countingServer: Effect.Effect<number, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof createServer>>((resume) => {
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        let size = 0
        socket.on("data", (chunk) => (size += chunk.length))
        socket.on("end", () => socket.end(`got ${size}\n`))
        socket.on("error", () => socket.destroy())
      })
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  ),
  (server) => {
    const address = server.address()
    return typeof address === "object" && address !== null ? address.port : 0
  }
)

export interface Agent {
  readonly socket: string
  /** Which it holds. */
  readonly key: KeyPair
}

/** An agent with one key. It ends with the Scope. */
export const startAgent: Effect.Effect<Agent, HarnessError, Scope.Scope> = Effect.gen(function* () {
  const agent = yield* start("ssh-agent", ["-D", "-a", join(yield* temporaryDirectory, "agent")], { stdin: "ignore" })
  let said = ""
  agent.stdout.on("data", (chunk: Buffer) => (said += chunk.toString()))
  const socket = yield* waitFor(
    "the agent",
    Effect.sync(() => /SSH_AUTH_SOCK=([^;]+);/u.exec(said)?.[1])
  )
  const key = yield* generateKey()
  yield* output("ssh-add", ["-q", key.privateFile], { env: { SSH_AUTH_SOCK: socket } })
  return { socket, key }
})

/** As whoever has that agent, and has it forwarded. */
export const withAgent = (target: SshTarget, { socket }: Agent) => ({
  ...target,
  options: { ...target.options, IdentityAgent: socket, ForwardAgent: "yes" },
  env: { SSH_AUTH_SOCK: socket }
})

/** A port on which nobody listens yet, for clients that cannot choose one themselves. */
export const freePort: Effect.Effect<number> = Effect.scoped(countingServer)
