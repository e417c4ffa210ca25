import { createHash, randomBytes } from "node:crypto"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { waitFor } from "../support/Deadline.ts"
import { describeEngine, processes, waitForContainers } from "../support/Engine.ts"
import { prepareImage } from "../support/Images.ts"
import {
  countingServer,
  enabled,
  exchange,
  serve,
  servers,
  startAgent,
  stdio,
  talk,
  withAgent
} from "../support/Forwarded.ts"
import { controlMaster, ssh } from "../support/OpenSsh.ts"
import { output } from "../support/Program.ts"
import { SharedServer, startServer } from "../support/Server.ts"
import { connectClient, execOn } from "../support/Ssh2Client.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"

const mebibyte = 1_048_576

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
          const agent = yield* startAgent
          const listed = yield* ssh({
            ...withAgent(server.target, agent),
            command: "ssh-add -l && stat -c %a $(dirname $SSH_AUTH_SOCK)"
          })
          assert.include(listed.stdout, agent.key.fingerprint, listed.stderr)
          assert.match(listed.stdout, /^700$/mu)
          const without = yield* ssh({ ...server.target, command: "echo [$SSH_AUTH_SOCK]" })
          assert.strictEqual(without.stdout, "[]\n")
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
        }),
      90_000
    )

    it.effect(
      "ends each direction on its own, listens, and has the client's agent, and leaves nothing",
      () =>
        Effect.gen(function* () {
          const server = yield* SharedServer
          const agent = yield* startAgent
          const { target } = yield* controlMaster(withAgent(server.target, agent))
          const hellos = "socat -t 100 TCP-LISTEN:7001,fork 'EXEC:echo hello!!CREATE:/tmp/got' >/dev/null 2>&1 &"
          yield* ssh({ ...target, command: hellos })
          const local = join(yield* temporaryDirectory, "half")
          yield* ssh({ ...target, args: ["-O", "forward", "-L", `${local}:127.0.0.1:7001`] })
          const hello = yield* waitFor(
            "the port",
            Effect.map(
              talk(local, (socket) => socket.once("end", () => socket.end(Buffer.alloc(3 * mebibyte)))),
              (text) => text || undefined
            )
          )
          assert.strictEqual(hello, "hello\n")
          const got = Effect.map(ssh({ ...target, command: "wc -c </tmp/got" }), ({ stdout }) => stdout.trim())
          yield* waitFor(
            "all that came after the server's end",
            Effect.map(got, (size) => size === String(3 * mebibyte))
          )

          const listening = ["-R", `0:127.0.0.1:${yield* countingServer}`]
          const port = (yield* ssh({ ...target, args: ["-O", "forward", ...listening] })).stdout.trim()
          const sends = `head -c ${mebibyte} /dev/zero | socat -t 30 - TCP:127.0.0.1:${port}`
          const many = yield* ssh({ ...target, command: `for n in 1 2 3 4 5; do ${sends} & done; wait` })
          assert.strictEqual(many.stdout, `got ${mebibyte}\n`.repeat(5), many.stderr)
          assert.strictEqual((yield* ssh({ ...target, args: ["-O", "cancel", ...listening] })).status, 0)
          // What the agent is asked for its keys, and its answer: 72 bytes that end with the key's comment. An agent that
          // finds the end of its input behind a question may not answer it.
          yield* ssh({
            ...target,
            command: "cat >/tmp/ask",
            stdin: { text: "printf '\\0\\0\\0\\1\\13'; head -c 72 >/tmp/answer\n" }
          })
          const asks = "socat UNIX:$SSH_AUTH_SOCK 'EXEC:/bin/sh /tmp/ask'; cat /tmp/answer"
          const keys = yield* ssh({
            ...target,
            command: `stat -c %a $(dirname $SSH_AUTH_SOCK) $SSH_AUTH_SOCK; ${asks}`
          })
          assert.match(keys.stdout, /^700\n600\n[^]*ssh-ed25519[^]*test$/u, keys.stderr)
          const [container] = yield* waitForContainers(1, "forward-list")
          yield* waitFor(
            "the listener of the port to leave",
            Effect.map(relays(container?.Id ?? ""), (left) => left.every((command) => !command.includes("TCP4")))
          )
          assert.strictEqual(
            (yield* ssh({ ...target, command: "ls -d /tmp/dockerrun-*" })).stdout.split("\n").length,
            2
          )
        }),
      90_000
    )
  })
})
