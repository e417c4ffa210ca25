import { generateKeyPairSync } from "node:crypto"
import { chmod, readdir, readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { inspect } from "node:util"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import ssh2 from "ssh2"
import * as FileHostKeys from "../../src/layers/FileHostKeys.ts"
import { SshSettings } from "../../src/schema/SshConfig.ts"
import { HostKeys } from "../../src/services/HostKeys.ts"
import { type LogEvent, Logger } from "../../src/services/Logger.ts"
import { SshConfig } from "../../src/services/SshConfig.ts"
import { generateKey } from "../support/OpenSsh.ts"
import { output } from "../support/Program.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"

const load = Effect.fnUntraced(function* (settings: typeof SshSettings.Encoded, events: Array<LogEvent> = []) {
  const config = yield* Schema.decodeUnknownEffect(SshSettings)(settings)
  const logger = Logger.of({ log: (event) => Effect.sync(() => void events.push(event)) })
  const context = yield* Layer.build(
    FileHostKeys.layer.pipe(
      Layer.provide([Layer.succeed(SshConfig, config), Layer.succeed(Logger, logger), NodeFileSystem.layer])
    )
  )
  return Context.get(context, HostKeys).keys
})

const fault = (hostkey: string) =>
  load({ hostkeys: [hostkey] }).pipe(
    Effect.flip,
    Effect.map((error) => {
      assert.strictEqual(error._tag, "HostKeyError")
      return error.message
    })
  )

const write = (path: string, text: string, mode = 0o600) => Effect.promise(() => writeFile(path, text, { mode }))

const read = (path: string) => Effect.promise(() => readFile(path, "utf8"))

/** What a server needs to be able to do with it. */
const assertUsable = (pem: Redacted.Redacted) => {
  const server = new ssh2.Server({ hostKeys: [Redacted.value(pem)] }, () => undefined)
  server.removeAllListeners()
}

describe("FileHostKeys", () => {
  describe("configured keys", () => {
    for (const [type, algorithm, bits] of [
      ["ed25519", "ssh-ed25519", undefined],
      ["ecdsa", "ecdsa-sha2-nistp256", 256],
      ["ecdsa", "ecdsa-sha2-nistp384", 384],
      ["ecdsa", "ecdsa-sha2-nistp521", 521],
      ["rsa", "ssh-rsa", 2048]
    ] as const) {
      it.effect(`are taken as ssh-keygen makes them, as a file and as text: ${algorithm}`, () =>
        Effect.gen(function* () {
          const made = yield* generateKey(type, bits === undefined ? {} : { bits })
          const [file] = yield* load({ hostkeys: [made.privateFile] })
          assert.strictEqual(file.algorithm, algorithm)
          assert.strictEqual(file.fingerprint, made.fingerprint)
          assert.strictEqual(file.publicKey, made.publicKey.split(" ").slice(0, 2).join(" "))
          assert.strictEqual(file.source, made.privateFile)
          assertUsable(file.pem)
          const [text] = yield* load({ hostkeys: [yield* read(made.privateFile)] })
          assert.strictEqual(text.fingerprint, made.fingerprint)
          assert.strictEqual(text.source, "ssh.hostkeys[0]")
        })
      )
    }

    it.effect("are taken in openssl's formats: PKCS#8, PKCS#1, SEC 1, and with curve parameters before the key", () =>
      Effect.gen(function* () {
        const ed25519 = generateKeyPairSync("ed25519").privateKey
        const ec = generateKeyPairSync("ec", { namedCurve: "prime256v1" }).privateKey
        const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey
        const parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
        for (const [algorithm, text] of [
          ["ssh-ed25519", ed25519.export({ type: "pkcs8", format: "pem" }).toString()],
          ["ecdsa-sha2-nistp256", ec.export({ type: "pkcs8", format: "pem" }).toString()],
          ["ecdsa-sha2-nistp256", ec.export({ type: "sec1", format: "pem" }).toString()],
          ["ecdsa-sha2-nistp256", parameters + ec.export({ type: "sec1", format: "pem" }).toString()],
          ["ssh-rsa", rsa.export({ type: "pkcs8", format: "pem" }).toString()],
          ["ssh-rsa", rsa.export({ type: "pkcs1", format: "pem" }).toString().replaceAll("\n", "\r\n")]
        ] as const) {
          const [key] = yield* load({ hostkeys: [text] })
          assert.strictEqual(key.algorithm, algorithm)
          assertUsable(key.pem)
        }
      })
    )

    it.effect("keep their order, also two of one type", () =>
      Effect.gen(function* () {
        const ecdsa = yield* generateKey("ecdsa")
        const ed25519 = yield* generateKey("ed25519")
        const other = yield* generateKey("ed25519")
        const files = [ecdsa, ed25519, other].map(({ privateFile }) => privateFile)
        const keys = yield* load({ hostkeys: files })
        assert.deepStrictEqual(
          keys.map(({ fingerprint }) => fingerprint),
          [ecdsa.fingerprint, ed25519.fingerprint, other.fingerprint]
        )
      })
    )

    it.effect("must include one that ssh.hostKeyAlgorithms allows", () =>
      Effect.gen(function* () {
        const ed25519 = yield* generateKey("ed25519")
        const rsa = yield* generateKey("rsa", { bits: 2048 })
        const hostkeys = [ed25519.privateFile, rsa.privateFile]
        assert.strictEqual((yield* load({ hostkeys, hostKeyAlgorithms: ["rsa-sha2-256"] })).length, 2)
        const error = yield* Effect.flip(load({ hostkeys, hostKeyAlgorithms: ["ecdsa-sha2-nistp256"] }))
        assert.include(error.message, "ssh.hostKeyAlgorithms allows none of the host keys")
      })
    )

    it.effect("are refused with a passphrase, in each format", () =>
      Effect.gen(function* () {
        const openssh = yield* generateKey("ed25519", { passphrase: "open sesame" })
        assert.match(yield* fault(openssh.privateFile), /protected by a passphrase.*ssh-keygen -p/u)
        const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey
        const cipher = { cipher: "aes-256-cbc", passphrase: "open sesame", format: "pem" } as const
        assert.include(yield* fault(rsa.export({ ...cipher, type: "pkcs8" }).toString()), "protected by a passphrase")
        assert.include(yield* fault(rsa.export({ ...cipher, type: "pkcs1" }).toString()), "protected by a passphrase")
      })
    )

    it.effect("are refused when others can read the file, with the command that mends it", () =>
      Effect.gen(function* () {
        const { privateFile } = yield* generateKey()
        for (const mode of [0o640, 0o604, 0o660]) {
          yield* Effect.promise(() => chmod(privateFile, mode))
          const message = yield* fault(privateFile)
          assert.include(message, `permissions 0${mode.toString(8)}`)
          assert.include(message, `chmod 600 ${privateFile}`)
        }
        yield* Effect.promise(() => chmod(privateFile, 0o400))
        assert.strictEqual((yield* load({ hostkeys: [privateFile] })).length, 1)
      })
    )

    it.effect("that are none are refused, with the file, what it is, and what to do", () =>
      Effect.gen(function* () {
        const directory = yield* temporaryDirectory
        const made = yield* generateKey()
        assert.match(yield* fault(join(directory, "absent")), /absent: there is no such file; .*ssh-keygen -t ed25519/u)
        assert.match(yield* fault(directory), /not a key, but a directory/u)
        const publicFile = `${made.privateFile}.pub`
        yield* Effect.promise(() => chmod(publicFile, 0o600))
        assert.match(yield* fault(publicFile), /this is the public key; name the private key/u)
        const file = join(directory, "file")
        const secret = yield* read(made.privateFile)
        for (const [text, words] of [
          ["", "this is not a private key"],
          ["hello", "this is not a private key"],
          [secret.split("\n").toSpliced(2, 1).join("\n"), "the private key is damaged"],
          ["-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----\n", "the private key is damaged"],
          ["PuTTY-User-Key-File-3: ssh-ed25519\n", "PuTTY's format"]
        ] as const) {
          yield* write(file, text)
          const message = yield* fault(file)
          assert.include(message, words)
          assert.include(message, file)
        }
      })
    )

    it.effect("that are too weak or of a type nobody uses are refused", () =>
      Effect.gen(function* () {
        const rsa = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey
        assert.include(
          yield* fault(rsa.export({ type: "pkcs8", format: "pem" }).toString()),
          "the RSA key has 1024 bits"
        )
        const ec = generateKeyPairSync("ec", { namedCurve: "secp256k1" }).privateKey
        assert.include(
          yield* fault(ec.export({ type: "pkcs8", format: "pem" }).toString()),
          "a curve that SSH does not use"
        )
        const ed448 = generateKeyPairSync("ed448").privateKey
        assert.include(yield* fault(ed448.export({ type: "pkcs8", format: "pem" }).toString()), "type (ed448)")
      })
    )

    it.effect("never show up when printed", () =>
      Effect.gen(function* () {
        const { privateFile } = yield* generateKey()
        const secret = (yield* read(privateFile)).split("\n")[3] ?? "missing"
        const keys = yield* load({ hostkeys: [privateFile] })
        assert.notInclude(JSON.stringify(keys), secret)
        assert.notInclude(inspect(keys, { depth: 9 }), secret)
      })
    )
  })

  describe("keys that the server makes", () => {
    it.effect("are made once, readable by their owner alone, and understood by OpenSSH", () =>
      Effect.gen(function* () {
        const hostkeyDirectory = join(yield* temporaryDirectory, "state", "keys")
        const events: Array<LogEvent> = []
        const first = yield* load({ hostkeyDirectory }, events)
        assert.deepStrictEqual(
          first.map(({ algorithm }) => algorithm),
          ["ssh-ed25519"]
        )
        assert.deepStrictEqual((yield* Effect.promise(() => readdir(hostkeyDirectory))).toSorted(), [
          "ssh_host_ed25519_key",
          "ssh_host_ed25519_key.pub"
        ])
        assert.strictEqual((yield* Effect.promise(() => stat(hostkeyDirectory))).mode & 0o777, 0o700)
        for (const key of first) {
          assert.strictEqual((yield* Effect.promise(() => stat(key.source))).mode & 0o777, 0o600)
          assertUsable(key.pem)
          // From the private half alone, as ssh-keygen computes it.
          const derived = yield* output("ssh-keygen", ["-y", "-f", key.source])
          assert.strictEqual(derived.trim().split(" ").slice(0, 2).join(" "), key.publicKey)
          assert.include(yield* output("ssh-keygen", ["-l", "-f", `${key.source}.pub`]), key.fingerprint)
        }
        assert.deepStrictEqual(
          events.map(({ code, fields }) => [code, fields?.["fingerprint"]]),
          first.map(({ fingerprint }) => ["HOST_KEY_MADE", fingerprint])
        )
        const second = yield* load({ hostkeyDirectory }, events)
        assert.deepStrictEqual(
          second.map(({ fingerprint }) => fingerprint),
          first.map(({ fingerprint }) => fingerprint)
        )
        assert.strictEqual(events.length, 1)
      })
    )

    it.effect("are the same for all servers that start at the same moment", () =>
      Effect.gen(function* () {
        const hostkeyDirectory = yield* temporaryDirectory
        const servers = yield* Effect.forEach(Array.from({ length: 8 }), () => load({ hostkeyDirectory }), {
          concurrency: "unbounded"
        })
        const fingerprints = servers.map((keys) => keys.map(({ fingerprint }) => fingerprint).join())
        assert.strictEqual(new Set(fingerprints).size, 1)
        // No drafts are left over.
        assert.strictEqual((yield* Effect.promise(() => readdir(hostkeyDirectory))).length, 2)
      })
    )

    it.effect("are not made anew over a file that is damaged", () =>
      Effect.gen(function* () {
        const hostkeyDirectory = yield* temporaryDirectory
        const path = join(hostkeyDirectory, "ssh_host_ed25519_key")
        yield* write(path, "garbage")
        const error = yield* Effect.flip(load({ hostkeyDirectory }))
        assert.include(error.message, path)
        assert.strictEqual(yield* read(path), "garbage")
      })
    )

    it.effect("cannot be kept where no directory can be: the error says what to do", () =>
      Effect.gen(function* () {
        const file = join(yield* temporaryDirectory, "file")
        yield* write(file, "")
        const error = yield* Effect.flip(load({ hostkeyDirectory: join(file, "keys") }))
        assert.include(error.message, "set ssh.hostkeyDirectory to a directory that the server can write to")
      })
    )

    it.effect("do not depend on a directory when keys are configured", () =>
      Effect.gen(function* () {
        const hostkeyDirectory = join(yield* temporaryDirectory, "unused")
        const { privateFile } = yield* generateKey()
        yield* load({ hostkeyDirectory, hostkeys: [privateFile] })
        const failure = yield* Effect.flip(Effect.tryPromise(() => stat(hostkeyDirectory)))
        assert.include(String(failure.cause), "ENOENT")
      })
    )
  })
})
