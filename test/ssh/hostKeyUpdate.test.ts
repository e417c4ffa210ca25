import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describeEngine } from "../support/Engine.ts"
import { generateKey, ssh } from "../support/OpenSsh.ts"
import { startServer } from "../support/Server.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"

describeEngine("host keys to come", () => {
  it.effect("are learned by OpenSSH from a server that it knows, and those that are gone are forgotten", () =>
    Effect.gen(function* () {
      const [first, second] = [yield* generateKey("ed25519"), yield* generateKey("ed25519")]
      const [rsa, ecdsa, gone] = [
        yield* generateKey("rsa", { bits: 2048 }),
        yield* generateKey("ecdsa", { bits: 521 }),
        yield* generateKey("ed25519")
      ]
      const keys = [first, second, rsa, ecdsa]
      const server = yield* startServer({
        user: "host-keys",
        ssh: { hostkeys: keys.map(({ privateFile }) => privateFile) }
      })
      const known = join(yield* temporaryDirectory, "known")
      const blobOf = ({ publicKey }: { readonly publicKey: string }) => publicKey.split(" ").slice(0, 2).join(" ")
      const host = `[127.0.0.1]:${server.port}`
      const lines = [first, gone].map((key) => `${host} ${blobOf(key)}\n`)
      yield* Effect.promise(() => writeFile(known, lines.join("")))
      const result = yield* ssh({
        ...server.target,
        options: {
          UserKnownHostsFile: known,
          StrictHostKeyChecking: "yes",
          UpdateHostKeys: "yes",
          LogLevel: "INFO"
        },
        command: "echo in"
      })
      assert.strictEqual(result.stdout, "in\n", result.stderr)
      const text = yield* Effect.promise(() => readFile(known, "utf8"))
      assert.sameMembers(
        text.trimEnd().split("\n"),
        keys.map((key) => `${host} ${blobOf(key)}`),
        result.stderr
      )
    })
  )
})
