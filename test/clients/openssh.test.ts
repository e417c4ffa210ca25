import { createHash, randomBytes } from "node:crypto"
import { readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Clients } from "../support/Clients.ts"
import { describeEngine } from "../support/Engine.ts"
import { controlMaster, scp, sftp, ssh } from "../support/OpenSsh.ts"
import { openTerminal } from "../support/Terminal.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"

describeEngine("OpenSSH", () => {
  layer(Clients.layer, { timeout: 400_000 })((it) => {
    it.effect(
      "rekeys several times within 40 MiB, and no byte is lost either way",
      () =>
        Effect.gen(function* () {
          const { target } = yield* Clients
          const bytes = randomBytes(40 * 2 ** 20)
          const result = yield* ssh({
            ...target,
            options: { RekeyLimit: "5M", LogLevel: "DEBUG1" },
            command: "cat",
            stdin: bytes,
            keepOutput: false,
            deadline: 90_000
          })
          assert.strictEqual(result.status, 0, result.stderr)
          assert.strictEqual(result.sha256, createHash("sha256").update(bytes).digest("hex"))
          assert.isAtLeast(result.stderr.match(/SSH2_MSG_NEWKEYS received/gu)?.length ?? 0, 4)
        }),
      100_000
    )

    it.effect.each([
      ["by SFTP", []],
      ["by the old protocol", ["-O"]]
    ] as const)("scp copies a tree there and back %s", ([, args]) =>
      Effect.gen(function* () {
        const { target } = yield* controlMaster((yield* Clients).target)
        const directory = yield* temporaryDirectory
        const bytes = randomBytes(3_000_000)
        yield* Effect.promise(() => writeFile(join(directory, "a file"), bytes))
        const up = yield* scp({ ...target, args: [...args, "-r"], from: directory, to: "remote:/tmp/tree" })
        assert.strictEqual(up.status, 0, up.stderr)
        const down = yield* scp({
          ...target,
          args: [...args, "-r"],
          from: "remote:/tmp/tree",
          to: join(directory, "b")
        })
        assert.strictEqual(down.status, 0, down.stderr)
        assert.isTrue(bytes.equals(yield* Effect.promise(() => readFile(join(directory, "b/a file")))))
      })
    )

    it.effect("sftp runs a batch, and ends at what fails", () =>
      Effect.gen(function* () {
        const { target } = yield* Clients
        const directory = yield* temporaryDirectory
        yield* Effect.promise(() => writeFile(join(directory, "f"), "hello\n"))
        const batch = ["put f /tmp/f", "chmod 600 /tmp/f", "rename /tmp/f /tmp/g", "ls -l /tmp/g", "get /tmp/missing"]
        const result = yield* sftp({ ...target, cwd: directory, batch })
        assert.match(result.stdout, /^-rw------- .* 6 .*\/tmp\/g$/mu)
        assert.match(result.stderr, /"\/tmp\/missing" not found/u)
        assert.strictEqual(result.status, 1)
      })
    )

    it.effect("a master carries several programs, and -O exit ends it", () =>
      Effect.gen(function* () {
        const { target, master } = yield* controlMaster((yield* Clients).target)
        const numbers = [1, 2, 3, 4]
        const results = yield* Effect.forEach(numbers, (n) => ssh({ ...target, command: `echo ${n}; exit ${n}` }), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(
          results.map(({ stdout, status }) => [stdout, status]),
          numbers.map((n) => [`${n}\n`, n])
        )
        yield* ssh({ ...target, args: ["-O", "exit"] })
        yield* master.exit
      })
    )

    it.effect("a person at a terminal may send a break, which does no harm, and leave by ~.", () =>
      Effect.gen(function* () {
        const terminal = yield* openTerminal({ ...(yield* Clients).target, tty: "-tt" })
        yield* terminal.send("PS1='ready> '\r")
        yield* terminal.expect(/hready> /u)
        yield* terminal.send("\r~B")
        yield* terminal.send("echo after-$((40 + 2))\r")
        yield* terminal.expect(/after-42/u)
        yield* terminal.send("\r~.")
        assert.strictEqual((yield* terminal.exit()).status, 255)
      })
    )
  })
})
