import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describeEngine } from "../support/Engine.ts"
import { generateKey, ssh } from "../support/OpenSsh.ts"
import { output, run } from "../support/Program.ts"
import { startServer, type TestServer } from "../support/Server.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"

const say = "echo in"

/** Comes as far as the login, and is refused there: the algorithms were agreed on. */
const agrees = Effect.fnUntraced(function* (server: TestServer, options: Readonly<Record<string, string>>) {
  const result = yield* login(server, { PreferredAuthentications: "none", ...options })
  assert.match(result.stderr, /Permission denied/u, JSON.stringify(options))
})

const login = (server: TestServer, options: Readonly<Record<string, string>>) =>
  ssh({ ...server.target, options: { LogLevel: "INFO", ...options }, command: say })

/** Debian 12 has ssh-audit of 2021: it does not know these two, which came later, and warns of whatever it does not know. */
const youngerThanTheAuditor = ["mlkem768x25519-sha256", "kex-strict-s-v00@openssh.com"]

describeEngine("the algorithms of the transport", () => {
  it.effect("give ssh-audit nothing to complain of", () =>
    Effect.gen(function* () {
      const { port } = yield* startServer({ user: "algorithms-audit" })
      const audit = yield* run("ssh-audit", ["-n", "-p", String(port), "127.0.0.1"])
      const lines = audit.stdout.split("\n")
      assert.include(audit.stdout, "(kex) curve25519-sha256 ", audit.stderr)
      assert.include(audit.stdout, "(key) ssh-ed25519 ")
      assert.deepStrictEqual(
        lines.filter((line) => line.includes("[fail]")),
        []
      )
      const unknown = youngerThanTheAuditor.map((name) => `(kex) ${name.padEnd(30)} -- [warn] unknown algorithm`)
      const complaints = lines.filter((line) => line.includes("[warn]"))
      assert.deepStrictEqual(
        complaints.filter((line) => !unknown.includes(line)),
        []
      )
    })
  )

  it.effect("are common to the server and to PuTTY, Dropbear and Paramiko", () =>
    Effect.gen(function* () {
      const user = "algorithms-clients"
      const password = "correct horse battery staple"
      const { port } = yield* startServer({ user, users: { [user]: { password } } })
      const scan = yield* run("ssh-keyscan", ["-t", "ed25519", "-p", String(port), "127.0.0.1"])
      const directory = yield* temporaryDirectory
      const known = join(directory, "known")
      yield* Effect.promise(() => writeFile(known, scan.stdout))
      const [, fingerprint = ""] = (yield* output("ssh-keygen", ["-l", "-f", known])).split(" ")
      const env = { HOME: directory, DROPBEAR_PASSWORD: password }
      const host = "127.0.0.1"
      const putty = yield* run(
        "plink",
        ["-batch", "-ssh", "-P", String(port), "-l", user, "-pw", password, "-hostkey", fingerprint, host, say],
        { env }
      )
      assert.deepStrictEqual([putty.stdout, putty.status], ["in\n", 0], putty.stderr)
      const dropbear = yield* run("dbclient", ["-y", "-p", String(port), `${user}@${host}`, say], { env })
      assert.deepStrictEqual([dropbear.stdout, dropbear.status], ["in\n", 0], dropbear.stderr)
      const program = [
        "import paramiko, sys",
        "client = paramiko.SSHClient()",
        "client.load_host_keys(sys.argv[1])",
        "client.connect(sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5], look_for_keys=False, allow_agent=False)",
        "sys.stdout.write(client.exec_command(sys.argv[6])[1].read().decode())"
      ].join("\n")
      const paramiko = yield* run("/usr/bin/python3", ["-c", program, known, host, String(port), user, password, say], {
        env
      })
      assert.deepStrictEqual([paramiko.stdout, paramiko.status], ["in\n", 0], paramiko.stderr)
    })
  )

  it.effect("are those of the configuration, and no others", () =>
    Effect.gen(function* () {
      const strict = yield* startServer({ user: "algorithms-default" })
      const weak = [
        { KexAlgorithms: "ecdh-sha2-nistp256" },
        { KexAlgorithms: "diffie-hellman-group14-sha1" },
        { Ciphers: "aes128-cbc" },
        { Ciphers: "aes128-ctr", MACs: "hmac-sha2-256" }
      ]
      for (const options of weak) {
        const result = yield* login(strict, options)
        assert.strictEqual(result.status, 255, JSON.stringify(options))
        assert.match(result.stderr, /no matching (?:key exchange method|cipher|MAC) found/u)
      }
      const good = [
        { KexAlgorithms: "diffie-hellman-group16-sha512" },
        { Ciphers: "aes256-gcm@openssh.com" },
        { Ciphers: "aes128-ctr", MACs: "hmac-sha2-512-etm@openssh.com" },
        { Compression: "yes" }
      ]
      for (const options of good) yield* agrees(strict, options)

      const told = yield* startServer({
        user: "algorithms-told",
        ssh: {
          kex: ["ecdh-sha2-nistp256"],
          ciphers: ["aes256-ctr"],
          macs: ["hmac-sha2-256"],
          compression: ["zlib@openssh.com", "none"]
        }
      })
      const verbose = yield* login(told, { LogLevel: "DEBUG1", Compression: "yes" })
      assert.strictEqual(verbose.stdout, "in\n")
      assert.include(verbose.stderr, "kex: algorithm: ecdh-sha2-nistp256")
      assert.include(verbose.stderr, "cipher: aes256-ctr MAC: hmac-sha2-256 compression: zlib@openssh.com")
      assert.strictEqual((yield* login(told, { Ciphers: "aes128-gcm@openssh.com" })).status, 255)
    })
  )

  it.effect("never include SHA-1, also with an RSA host key, whose place is the configuration's", () =>
    Effect.gen(function* () {
      const rsa = yield* generateKey("rsa", { bits: 3072 })
      const ed25519 = yield* generateKey("ed25519")
      const server = yield* startServer({
        user: "algorithms-rsa",
        ssh: { hostkeys: [rsa.privateFile, ed25519.privateFile], hostKeyAlgorithms: ["ssh-ed25519", "rsa-sha2-512"] }
      })
      const sha1 = yield* login(server, { HostKeyAlgorithms: "ssh-rsa" })
      assert.strictEqual(sha1.status, 255)
      assert.include(sha1.stderr, "Their offer: ssh-ed25519,rsa-sha2-512")
      yield* agrees(server, { HostKeyAlgorithms: "rsa-sha2-512" })
      assert.strictEqual((yield* login(server, { HostKeyAlgorithms: "rsa-sha2-256" })).status, 255)
    })
  )
})
