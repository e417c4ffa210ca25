/** Who may connect, and for how long: seen by the real client, by its operator, and by clients that mean no good. */
import { connect, type Socket } from "node:net"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { it } from "@effect/vitest"
import { waitFor, within } from "../support/Deadline.ts"
import { connectionContainers, describeEngine, docker, waitForContainers } from "../support/Engine.ts"
import { controlMaster, generateKey, ssh, sshArguments, startSsh } from "../support/OpenSsh.ts"
import { finish, output, start } from "../support/Program.ts"
import { proxyHeaderSender } from "../support/ProxyHeaderSender.ts"
import { SharedServer, startServer, type TestServer } from "../support/Server.ts"
import { connectClient, execOn } from "../support/Ssh2Client.ts"
import { openTerminal } from "../support/Terminal.ts"
import { makeWire } from "../support/Wire.ts"

/** A client that never says a word, and what the server says to it. */
const silentClient = (port: number, localAddress = "127.0.0.1") =>
  Effect.gen(function* () {
    let text = ""
    const socket = yield* Effect.acquireRelease(
      Effect.callback<Socket>((resume) => {
        const made = connect({ port, host: "127.0.0.1", localAddress })
        made.on("error", () => made.destroy())
        made.on("data", (chunk: Buffer) => (text += chunk.toString()))
        made.once("connect", () => resume(Effect.succeed(made)))
      }),
      (made) => Effect.sync(() => made.destroy())
    )
    const answered = waitFor(
      "the server to say something, or to close",
      Effect.sync(() => text !== "" || socket.closed)
    )
    const closed = waitFor(
      "the server to close the connection",
      Effect.sync(() => socket.closed)
    )
    return { socket, answered, closed, text: () => text }
  })

const count = (server: TestServer, code: string) => server.events.filter((event) => event["code"] === code).length

describeEngine("before the login", () => {
  it.effect(
    "clients that say nothing take no more places than there are, and lose them in time",
    () =>
      Effect.gen(function* () {
        const user = "limits-startups"
        const server = yield* startServer({
          user,
          ssh: { maxStartups: 5, maxStartupsPerAddress: 3, loginGraceTime: "4s" }
        })
        const patient = yield* Effect.forEach([1, 2, 3], () => silentClient(server.port))
        yield* Effect.forEach(patient, ({ answered }) => answered)
        const fourth = yield* silentClient(server.port)
        yield* fourth.closed
        assert.match(fourth.text(), /^too many connections from this address are about to log in; .*\r\n$/u)
        yield* server.waitForEvent("DOCKERRUN_ADDRESS_STARTUPS_EXCEEDED")
        // From elsewhere there are two places left.
        const others = yield* Effect.forEach([1, 2], () => silentClient(server.port, "127.0.0.2"))
        yield* Effect.forEach(others, ({ answered }) => answered)
        const refused = yield* ssh({ ...server.target, args: ["-v"], options: { LogLevel: "DEBUG1" }, command: "true" })
        assert.strictEqual(refused.status, 255)
        yield* server.waitForEvent("DOCKERRUN_STARTUPS_EXCEEDED", (event) => event["remoteAddress"] === "127.0.0.1")

        yield* Effect.forEach([...patient, ...others], ({ closed }) => closed)
        yield* waitFor(
          "a line for each",
          Effect.sync(() => count(server, "DOCKERRUN_LOGIN_TIMEOUT") === 5)
        )
        const welcome = yield* ssh({ ...server.target, command: "echo in" })
        assert.deepStrictEqual([welcome.stdout, welcome.status], ["in\n", 0])
        assert.strictEqual(count(server, "DOCKERRUN_ADDRESS_STARTUPS_EXCEEDED"), 1)
        yield* waitForContainers(0, user)
      }),
    90_000
  )

  it.effect(
    "a person has maxAuthTries attempts, and reads that these were too many",
    () =>
      Effect.gen(function* () {
        const server = yield* startServer({ user: "limits-attempts", ssh: { maxAuthTries: 2 } })
        const wrong = yield* Effect.forEach([1, 2, 3], () => generateKey())
        const keys = wrong.flatMap(({ privateFile }) => ["-i", privateFile])
        const { identityFile: _identityFile, ...target } = server.target
        const refused = yield* ssh({ ...target, args: keys, command: "true" })
        assert.strictEqual(refused.status, 255)
        assert.match(
          refused.stderr,
          /Received disconnect from 127\.0\.0\.1 port \d+:2: too many authentication failures/u
        )
        yield* server.waitForEvent("DOCKERRUN_LOGIN_ATTEMPTS_EXCEEDED")
        assert.strictEqual((yield* ssh({ ...server.target, command: "true" })).status, 0)
      }),
    90_000
  )
})

describeEngine("after the login", () => {
  const user = "limits-counts"
  layer(
    SharedServer.start({
      user,
      ssh: { maxConnectionsPerUser: 2, maxSessions: 2, clientAliveInterval: "500ms", clientAliveCountMax: 2 }
    })
  )((test) => {
    test.effect("a user's third connection is told why it is none, and makes no container", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedServer
        const first = yield* startSsh({ ...target, command: "cat" })
        yield* startSsh({ ...target, command: "cat" })
        yield* waitForContainers(2, user)
        const third = yield* ssh({ ...target, command: "true" })
        assert.strictEqual(third.status, 255)
        assert.match(
          third.stderr,
          /Received disconnect from .*:12: you have 2 connections, as many as you may; close one first/u
        )
        assert.lengthOf(yield* connectionContainers(user), 2)
        first.stdin.end()
        yield* finish(first, "the first connection")
        yield* waitFor(
          "the place of the first",
          Effect.map(ssh({ ...target, command: "echo in" }), ({ stdout }) => stdout === "in\n")
        )
      }).pipe(Effect.scoped, Effect.andThen(waitForContainers(0, user)))
    )

    test.effect("a session too many is refused with a reason, and only while the others are open", () =>
      Effect.gen(function* () {
        const { target: own, waitForEvent } = yield* SharedServer
        const { target } = yield* controlMaster(own)
        const sessions = yield* Effect.forEach([1, 2], () => startSsh({ ...target, command: "echo on; cat" }))
        yield* Effect.forEach(sessions, ({ stdout }) =>
          within(
            Effect.promise(() => new Promise<void>((resolve) => stdout.once("data", () => resolve()))),
            15_000,
            () => "a session"
          )
        )
        // This client then tries a connection of its own.
        const third = yield* ssh({ ...target, command: "echo in" })
        assert.include(third.stderr, "Session open refused by peer")
        yield* waitForEvent("DOCKERRUN_SESSIONS_EXCEEDED")
        sessions[0]?.stdin.end()
        yield* waitFor(
          "a place for it",
          Effect.map(ssh({ ...target, command: "echo in" }), ({ stderr, stdout }) => stdout === "in\n" && stderr === "")
        )
      }).pipe(Effect.scoped, Effect.andThen(waitForContainers(0, user)))
    )

    test.effect("a client that shows the reason of a refused session shows ours", () =>
      Effect.gen(function* () {
        const client = yield* connectClient((yield* SharedServer).target)
        yield* Effect.forEach([1, 2], () => execOn(client, "cat"))
        const { detail } = yield* Effect.flip(execOn(client, "true"))
        assert.include(detail, "this connection has 2 sessions, as many as it may; close one first")
      }).pipe(Effect.scoped, Effect.andThen(waitForContainers(0, user)))
    )

    test.effect("a client that hangs is given up, and its container goes; one that answers stays", () =>
      Effect.gen(function* () {
        const { target, waitForEvent } = yield* SharedServer
        const lively = yield* startSsh({ ...target, options: { ServerAliveInterval: "1" }, command: "cat" })
        const hung = yield* startSsh({ ...target, command: "sleep 300" })
        yield* waitForContainers(2, user)
        yield* waitForEvent("PROGRAM_STARTED", (event) => event["kind"] === "command")
        yield* hung.kill("SIGSTOP")
        yield* waitForEvent("DOCKERRUN_CLIENT_UNRESPONSIVE")
        yield* waitForContainers(1, user)
        assert.isFalse(lively.hasExited())
        lively.stdin.end("still here\n")
        const { status, stdout } = yield* finish(lively, "the one that answers")
        assert.deepStrictEqual([stdout, status], ["still here\n", 0])
        yield* hung.kill("SIGKILL")
      }).pipe(Effect.scoped, Effect.andThen(waitForContainers(0, user)))
    )
  })
})

describeEngine("a client whose network is cut", () => {
  it.effect(
    "without a word is given up in bounded time, and leaves nothing",
    () =>
      Effect.gen(function* () {
        const user = "limits-cut"
        const wire = yield* makeWire
        const server = yield* startServer({
          user,
          ssh: { listen: `${wire.address}:0`, clientAliveInterval: "1s", clientAliveCountMax: 2 }
        })
        const [ip, ...first] = wire.prefix
        const request = { ...server.target, host: wire.address, command: "while :; do echo tick; sleep 0.1; done" }
        const client = yield* start(ip, [...first, "ssh", ...sshArguments(request)], { stdin: "ignore" })
        client.stdout.resume()
        yield* server.waitForEvent("PROGRAM_STARTED")
        yield* wire.cut
        yield* server.waitForEvent("DOCKERRUN_CLIENT_UNRESPONSIVE")
        yield* waitForContainers(0, user)
        assert.isFalse(client.hasExited())
        yield* waitFor(
          "the socket to go",
          Effect.map(output("ss", ["-tnH", "state", "established", `sport = :${server.port}`]), (text) => text === "")
        )
        yield* client.kill("SIGKILL")
      }),
    90_000
  )
})

describeEngine("the time of a connection", () => {
  it.effect(
    "a person who does nothing is warned, may stay by typing, and reads why the connection ends",
    () =>
      Effect.gen(function* () {
        const user = "limits-idle"
        const server = yield* startServer({
          user,
          backend: { shellCommand: ["/bin/sh", "-i"] },
          ssh: { idleTimeout: "6s" }
        })
        const terminal = yield* openTerminal(server.target)
        yield* terminal.expect(/\/ # /u)
        yield* terminal.expect(/\r\ndockerrun: nothing has happened here for 4\.5s; this connection ends in 1\.5s\r\n/u)
        yield* terminal.send("echo $((20 + 3))\r")
        yield* terminal.expect(/23/u)
        yield* terminal.expect(/nothing has happened here for 4\.5s/u)
        yield* terminal.expect(/Received disconnect from .*:11: nothing happened on this connection for 6s/u)
        assert.strictEqual((yield* terminal.exit()).status, 255)
        assert.strictEqual(count(server, "DOCKERRUN_CONNECTION_IDLE"), 1)
        yield* waitForContainers(0, user)
      }),
    90_000
  )

  it.effect(
    "a program that prints is not idle, and ends with the time that a connection has",
    () =>
      Effect.gen(function* () {
        const user = "limits-time"
        const server = yield* startServer({ user, ssh: { idleTimeout: "2s", maxConnectionTime: "5s" } })
        const result = yield* ssh({ ...server.target, command: "while :; do echo tick; sleep 0.2; done" })
        assert.strictEqual(result.status, 255)
        assert.match(result.stderr, /:11: this connection has lasted for 5s, as long as it may/u)
        assert.strictEqual(count(server, "DOCKERRUN_CONNECTION_TIME_REACHED"), 1)
        yield* waitForContainers(0, user)
      }),
    90_000
  )
})

describeEngine("behind a load balancer", () => {
  const user = "limits-proxy"
  const lineFor = (address: string) => Buffer.from(`PROXY TCP4 ${address} 10.0.0.1 56280 2222\r\n`)
  const local = Buffer.from("0d0a0d0a000d0a515549540a20000000", "hex")
  layer(
    SharedServer.start({
      user,
      ssh: { proxyProtocol: ["127.0.0.1"], deny: ["198.51.100.0/24"], maxConnectionsPerAddress: 1 }
    })
  )((test) => {
    test.effect("the client's address is the one in the header: in the log, on the container, for limits", () =>
      Effect.gen(function* () {
        const { port, target, waitForEvent } = yield* SharedServer
        const first = { ...target, port: yield* proxyHeaderSender(port, lineFor("192.0.2.7")) }
        const second = { ...target, port: yield* proxyHeaderSender(port, lineFor("192.0.2.8")) }
        const cat = yield* startSsh({ ...first, command: "cat" })
        const [container] = yield* waitForContainers(1, user)
        const label = yield* docker(
          "inspect",
          "--format",
          '{{index .Config.Labels "containerssh_ip"}}',
          container?.Id ?? ""
        )
        assert.strictEqual(label.trim(), "192.0.2.7")
        yield* waitForEvent("AUTHENTICATION_SUCCEEDED", (event) => event["remoteAddress"] === "192.0.2.7")
        const again = yield* ssh({ ...first, command: "true" })
        assert.match(again.stderr, /:12: this address has 1 connections/u)
        assert.strictEqual((yield* ssh({ ...second, command: "true" })).status, 0)
        cat.stdin.end()
        assert.strictEqual((yield* finish(cat, "the first client")).status, 0)
      }).pipe(Effect.scoped, Effect.andThen(waitForContainers(0, user)))
    )

    test.effect("a denied address stays out; a load balancer that speaks for itself is itself", () =>
      Effect.gen(function* () {
        const { port, target, waitForEvent } = yield* SharedServer
        const denied = { ...target, port: yield* proxyHeaderSender(port, lineFor("198.51.100.9")) }
        assert.strictEqual((yield* ssh({ ...denied, command: "true" })).status, 255)
        yield* waitForEvent("DOCKERRUN_ADDRESS_DENIED", (event) => event["remoteAddress"] === "198.51.100.9")
        const itself = { ...target, port: yield* proxyHeaderSender(port, local) }
        assert.strictEqual((yield* ssh({ ...itself, command: "true" })).status, 0)
        yield* waitForEvent("AUTHENTICATION_SUCCEEDED", (event) => event["remoteAddress"] === "127.0.0.1")
      })
    )

    test.effect("a header is required where one is expected, and not read from elsewhere", () =>
      Effect.gen(function* () {
        const { port, target, waitForEvent } = yield* SharedServer
        assert.strictEqual((yield* ssh({ ...target, command: "true" })).status, 255)
        yield* waitForEvent("DOCKERRUN_PROXY_HEADER_MISSING")
        const elsewhere = { ...target, options: { BindAddress: "127.0.0.2" } }
        assert.strictEqual((yield* ssh({ ...elsewhere, command: "true" })).status, 0)
        const liar = yield* silentClient(port, "127.0.0.2")
        liar.socket.write(lineFor("192.0.2.7"))
        yield* liar.closed
        assert.notInclude(liar.text(), "192.0.2.7")
      })
    )
  })
})

describeEngine("file descriptors", () => {
  it.effect(
    "that run out keep new connections away, not those that there are, and it recovers by itself",
    () =>
      Effect.gen(function* () {
        const user = "limits-descriptors"
        const server = yield* startServer({
          user,
          command: ["/bin/sh", "-c", 'ulimit -n 80; exec "$@"', "sh", process.execPath, "src/main.ts"]
        })
        const bystander = yield* startSsh({ ...server.target, command: "cat" })
        yield* waitForContainers(1, user)
        yield* server.waitForEvent("PROGRAM_STARTED")
        yield* Effect.gen(function* () {
          const many = yield* Effect.forEach(Array.from({ length: 150 }), () => silentClient(server.port))
          yield* Effect.forEach(many, ({ answered }) => answered, { concurrency: "unbounded" })
          assert.isAbove(many.filter(({ socket }) => socket.closed).length, 70)
          const refused = yield* ssh({ ...server.target, command: "true" })
          assert.strictEqual(refused.status, 255)
        }).pipe(Effect.scoped)
        yield* waitFor(
          "a connection, when the others have gone",
          Effect.map(ssh({ ...server.target, command: "echo in" }), ({ stdout }) => stdout === "in\n")
        )
        bystander.stdin.end("unharmed\n")
        const { status, stdout } = yield* finish(bystander, "the bystander")
        assert.deepStrictEqual([stdout, status], ["unharmed\n", 0])
        assert.strictEqual(count(server, "DOCKERRUN_DESCRIPTORS_EXHAUSTED"), 1)
        yield* waitForContainers(0, user)
      }),
    90_000
  )
})
