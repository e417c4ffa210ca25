import { copyFile, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { connectionContainers, describeEngine, waitForContainers } from "../support/Engine.ts"
import { startAgent, withAgent } from "../support/Forwarded.ts"
import { ForgingAgent } from "../support/ForgingAgent.ts"
import { controlMaster, generateKey, type KeyPair, ssh, type SshRequest } from "../support/OpenSsh.ts"
import { run } from "../support/Program.ts"
import { SharedServer, startServer, type TestServer } from "../support/Server.ts"
import { connectClient } from "../support/Ssh2Client.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"

const say = "echo in"

const login = (server: TestServer, user: string, key: KeyPair, options: Readonly<Record<string, string>> = {}) =>
  ssh({ port: server.port, user, identityFile: key.privateFile, options, command: say })

const containersStarted = (server: TestServer, username: string) =>
  server.events.filter((event) => event["code"] === "CONTAINER_STARTED" && event["username"] === username).length

/** No container, now or before: nothing was started for this user. */
const nothingStarted = Effect.fnUntraced(function* (server: TestServer, username: string) {
  assert.deepStrictEqual(yield* connectionContainers(username), [])
  assert.strictEqual(containersStarted(server, username), 0)
})

describeEngine("logging in", () => {
  it.effect("works with keys of every kind, each by its own user, and the log has their fingerprints", () =>
    Effect.gen(function* () {
      const kinds = {
        "auth-ed25519": yield* generateKey("ed25519"),
        "auth-ecdsa256": yield* generateKey("ecdsa", { bits: 256 }),
        "auth-ecdsa384": yield* generateKey("ecdsa", { bits: 384 }),
        "auth-ecdsa521": yield* generateKey("ecdsa", { bits: 521 }),
        "auth-rsa": yield* generateKey("rsa", { bits: 2048 })
      }
      const server = yield* startServer({
        users: Object.fromEntries(
          Object.entries(kinds).map(([user, key]) => [user, { authorizedKeys: [key.publicKey] }])
        )
      })
      for (const [user, key] of Object.entries(kinds)) {
        const result = yield* login(server, user, key)
        assert.deepStrictEqual([result.stdout, result.stderr, result.status], ["in\n", "", 0], user)
        const event = yield* server.waitForEvent("AUTHENTICATION_SUCCEEDED", ({ username }) => username === user)
        assert.strictEqual(event["fingerprint"], key.fingerprint)
        assert.strictEqual(event["level"], "info")
      }
      const rsa = kinds["auth-rsa"]
      for (const algorithm of ["rsa-sha2-256", "rsa-sha2-512"]) {
        const sha2 = yield* login(server, "auth-rsa", rsa, { PubkeyAcceptedAlgorithms: algorithm })
        assert.deepStrictEqual([sha2.stdout, sha2.status], ["in\n", 0], `${algorithm}: ${sha2.stderr}`)
      }
      // A key is its user's alone.
      const stranger = yield* login(server, "auth-rsa", kinds["auth-ed25519"])
      assert.strictEqual(stranger.status, 255)
      assert.match(stranger.stderr, /Permission denied \(publickey\)/u)
    })
  )

  it.effect("with somebody's public key and a signature by another key is refused, and starts nothing", () =>
    Effect.gen(function* () {
      for (const kind of ["ed25519", "ecdsa", "rsa"] as const) {
        const theirs = yield* generateKey(kind)
        const mine = yield* generateKey(kind)
        const user = `auth-forged-${kind}`
        const server = yield* startServer({ users: { [user]: { authorizedKeys: [theirs.publicKey] } } })
        const agent = new ForgingAgent(theirs.publicKey, yield* Effect.promise(() => readFile(mine.privateFile)))
        const refused = yield* Effect.flip(connectClient({ port: server.port, user }, { agent }))
        assert.match(refused.message, /authentication methods failed/u, kind)
        assert.isTrue(agent.hasSigned(), kind)
        const event = yield* server.waitForEvent("AUTHENTICATION_FAILED", ({ reason }) => reason === "KeyNotValid")
        assert.include(event, { level: "info", username: user })
        yield* nothingStarted(server, user)
      }
    })
  )

  it.effect("with a key that has options binds to them, and with one whose options are unknown is refused", () =>
    Effect.gen(function* () {
      const [bound, lesser, unknown] = [yield* generateKey(), yield* generateKey(), yield* generateKey()]
      const user = "auth-options"
      const authorizedKeysFile = join(yield* temporaryDirectory, "authorized_keys")
      const lines = [
        String.raw`no-pty,command="echo \"$SSH_ORIGINAL_COMMAND? $LANG\"",environment="LANG=the key's" ${bound.publicKey}`,
        `restrict,pty,port-forwarding,permitopen="127.0.0.1:7009",permitlisten="7009" ${lesser.publicKey}`,
        `no-pty,future-option ${unknown.publicKey}`
      ]
      yield* Effect.promise(() => writeFile(authorizedKeysFile, lines.join("\n")))
      const modes = { forwardingMode: "enable", reverseForwardingMode: "enable", agentForwardingMode: "enable" }
      const server = yield* startServer({
        users: {},
        auth: { authorizedKeysFile },
        sections: { security: { forwarding: modes } }
      })
      const as = (key: KeyPair, request: Partial<SshRequest>) =>
        ssh({
          port: server.port,
          user,
          identityFile: key.privateFile,
          ...request,
          options: { ...request.options, LogLevel: "INFO" }
        })

      const forced = yield* as(bound, { command: "id", args: ["-o", "SetEnv=LANG=theirs"] })
      assert.deepStrictEqual([forced.stdout, forced.status], ["id? the key's\n", 0], forced.stderr)
      assert.match((yield* as(bound, { tty: "-tt" })).stderr, /PTY allocation request failed/u)

      const { target } = yield* controlMaster(
        withAgent({ port: server.port, user, identityFile: lesser.privateFile }, yield* startAgent)
      )
      const terminal = yield* ssh({ ...target, tty: "-tt", command: "tty" })
      assert.match(terminal.stdout, /^\/dev\/pts/u, terminal.stderr)
      for (const port of [7009, 7008]) {
        yield* ssh({ ...target, args: ["-W", `127.0.0.1:${port}`] })
        yield* ssh({ ...target, args: ["-O", "forward", "-R", `${port}:127.0.0.1:${port}`] })
      }
      const refused = (code: string, target: string, words: RegExp) =>
        server.waitForEvent(code, (event) => event["target"] === target && words.test(JSON.stringify(event)))
      // What the key leaves is tried, though nobody listens there, and nothing in the image can.
      yield* refused("DOCKERRUN_FORWARDING_FAILED", "127.0.0.1:7009", /connection refused/u)
      yield* refused("DOCKERRUN_FORWARDING_TOOL_MISSING", "localhost:7009", /perl, socat/u)
      yield* refused("DOCKERRUN_FORWARDING_NOT_ALLOWED", "127.0.0.1:7008", /"permitopen of the key"/u)
      yield* refused("DOCKERRUN_FORWARDING_NOT_ALLOWED", "localhost:7008", /"permitlisten of the key"/u)
      yield* refused("DOCKERRUN_FORWARDING_NOT_ALLOWED", "agent", /"no-agent-forwarding of the key"/u)

      assert.match((yield* as(unknown, { command: say })).stderr, /Permission denied \(publickey\)/u)
      const warning = yield* server.waitForEvent("AUTHORIZED_KEYS_FILE")
      assert.match(String(warning["message"]), /"future-option" is not honoured: it is not known/u)
    })
  )

  it.effect("with an RSA key that signs with SHA-1 is refused", () =>
    Effect.gen(function* () {
      const key = yield* generateKey("rsa", { bits: 2048 })
      const user = "auth-sha1"
      const server = yield* startServer({ users: { [user]: { authorizedKeys: [key.publicKey] } } })
      const openSsh = yield* login(server, user, key, { PubkeyAcceptedAlgorithms: "ssh-rsa" })
      assert.strictEqual(openSsh.status, 255)
      assert.match(openSsh.stderr, /Permission denied/u)
      yield* nothingStarted(server, user)
      assert.strictEqual((yield* login(server, user, key)).stdout, "in\n")
    })
  )

  layer(
    SharedServer.start({
      users: {
        "auth-password": { password: "correct horse battery staple" },
        "auth-other": { password: "another one" }
      }
    })
  )("by password", (it) => {
    it.effect("works with the right one", () =>
      Effect.gen(function* () {
        const { port } = yield* SharedServer
        const target = { port, user: "auth-password", password: "correct horse battery staple" }
        const result = yield* ssh({ ...target, command: say })
        assert.deepStrictEqual([result.stdout, result.status], ["in\n", 0], result.stderr)
        yield* waitForContainers(0, "auth-password")
      })
    )

    it.effect("is refused with a wrong one, another user's, an empty one, and for nobody", () =>
      Effect.gen(function* () {
        const server = yield* SharedServer
        const started = containersStarted(server, "auth-password")
        for (const [user, password] of [
          ["auth-password", "correct horse battery stapler"],
          ["auth-password", "another one"],
          ["auth-password", "x".repeat(1_000)],
          ["auth-nobody", "correct horse battery staple"],
          ["__proto__", "another one"]
        ] as const) {
          const result = yield* ssh({ port: server.port, user, password, command: say })
          assert.strictEqual(result.status, 255, user)
          assert.match(result.stderr, /Permission denied \(password\)/u)
        }
        const empty = yield* Effect.flip(connectClient({ port: server.port, user: "auth-password" }, { password: "" }))
        assert.match(empty.message, /authentication methods failed/u)
        assert.strictEqual(containersStarted(server, "auth-password"), started)
        yield* nothingStarted(server, "auth-nobody")
        const event = yield* server.waitForEvent(
          "AUTHENTICATION_FAILED",
          ({ level, username }) => username === "auth-nobody" && level === "info"
        )
        assert.strictEqual(event["method"], "password")
        assert.isString(event["remoteAddress"])
      })
    )

    it.effect("leaves no password in the log", () =>
      Effect.gen(function* () {
        const server = yield* SharedServer
        const secret = "a-secret-that-must-not-be-logged"
        yield* ssh({ port: server.port, user: "auth-password", password: secret, command: say })
        yield* ssh({ port: server.port, user: "auth-password", password: "correct horse battery staple", command: say })
        yield* server.waitForEvent("AUTHENTICATION_SUCCEEDED")
        assert.notInclude(server.text(), secret)
        assert.notInclude(server.text(), "staple")
        assert.notMatch(server.text(), /\$2[aby]\$|PRIVATE KEY/u)
      })
    )
  })

  it.effect("with a key that is only asked about, never signed with, starts nothing", () =>
    Effect.gen(function* () {
      const user = "auth-query"
      const server = yield* startServer({ user })
      const { identityFile } = server.target
      const directory = yield* temporaryDirectory
      // The public half alone: the server is asked whether it would take the key, and there is nothing to sign with.
      const file = join(directory, "half")
      yield* Effect.promise(() => copyFile(`${identityFile}.pub`, `${file}.pub`))
      const result = yield* ssh({
        ...server.target,
        identityFile: `${file}.pub`,
        args: ["-v"],
        options: { LogLevel: "DEBUG1" },
        command: say
      })
      assert.match(result.stderr, /Server accepts key/u)
      assert.strictEqual(result.status, 255)
      assert.match(result.stderr, /Permission denied/u)
      yield* server.waitForEvent("CONNECTION_CLOSED")
      yield* nothingStarted(server, user)
      assert.isUndefined(server.events.find((event) => event["code"] === "AUTHENTICATION_SUCCEEDED"))
    })
  )

  it.effect("with a key that is not authorised is refused, for users that exist and users that do not", () =>
    Effect.gen(function* () {
      const user = "auth-key"
      const server = yield* startServer({ user })
      const stranger = yield* generateKey("ed25519")
      for (const name of [user, "auth-unknown"]) {
        const result = yield* login(server, name, stranger)
        assert.strictEqual(result.status, 255)
        assert.match(result.stderr, /Permission denied \(publickey\)/u)
        yield* nothingStarted(server, name)
      }
    })
  )

  it.effect("works for nobody when nothing is configured, and the server says so at its start", () =>
    Effect.gen(function* () {
      const server = yield* startServer({ users: {} })
      const event = yield* server.waitForEvent("AUTH_NOBODY")
      assert.strictEqual(event["level"], "warning")
      const key = yield* generateKey("ed25519")
      assert.strictEqual((yield* login(server, "auth-anybody", key)).status, 255)
      const password = yield* ssh({ port: server.port, user: "auth-anybody", password: "", command: say })
      assert.strictEqual(password.status, 255)
      const none = yield* ssh({
        port: server.port,
        user: "auth-anybody",
        options: { PreferredAuthentications: "none" },
        command: say
      })
      assert.strictEqual(none.status, 255)
      yield* nothingStarted(server, "auth-anybody")
    })
  )

  it.effect("shows the banner before it, and the host key that was kept", () =>
    Effect.gen(function* () {
      const user = "auth-banner"
      const server = yield* startServer({ user, ssh: { banner: "Authorised people only.\nTwo lines." } })
      const result = yield* ssh({ ...server.target, options: { LogLevel: "INFO" }, command: say })
      assert.include(result.stderr, "Authorised people only.\r\nTwo lines.\r\n".replaceAll("\r", ""))
      const scan = yield* run("ssh-keyscan", ["-p", String(server.port), "127.0.0.1"])
      assert.match(scan.stdout, /ssh-ed25519 /u)
      const directory = yield* temporaryDirectory
      const known = join(directory, "known")
      const options = { UserKnownHostsFile: known, StrictHostKeyChecking: "accept-new" }
      assert.strictEqual((yield* ssh({ ...server.target, options, command: say })).stdout, "in\n")
      assert.match(yield* Effect.promise(() => readFile(known, "utf8")), /\]:\d+ ssh-ed25519 /u)
      const strict = yield* ssh({
        ...server.target,
        options: { ...options, StrictHostKeyChecking: "yes" },
        command: say
      })
      assert.strictEqual(strict.stdout, "in\n")
    })
  )
})
