import { readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { randomBytes } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describeEngine } from "../support/Engine.ts"
import { controlMaster, scp, sftp, ssh } from "../support/OpenSsh.ts"
import { SharedServer } from "../support/Server.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"

const backend = { sftpFallback: true }

describeEngine("files of images without an SFTP server", () => {
  layer(SharedServer.start({ user: "sftp-fallback", backend }))("that have a shell", (it) => {
    it.effect("sftp makes, lists, renames, links, changes and removes them", () =>
      Effect.gen(function* () {
        const { target } = yield* controlMaster((yield* SharedServer).target)
        const directory = yield* temporaryDirectory
        const bytes = randomBytes(3_000_001)
        yield* Effect.promise(() => writeFile(join(directory, "up"), bytes))
        const result = yield* sftp({
          ...target,
          cwd: directory,
          batch: [
            "pwd",
            "mkdir /tmp/dir",
            "put up '/tmp/dir/a file'",
            "rename '/tmp/dir/a file' /tmp/dir/größe",
            "ln -s größe /tmp/dir/link",
            "chmod 600 /tmp/dir/größe",
            "ls -l /tmp/dir",
            "get /tmp/dir/link down",
            "-mkdir /tmp/dir",
            "-get /tmp/nothing",
            "-put up /nowhere/up",
            "rm /tmp/dir/link",
            "rm /tmp/dir/größe",
            "ls -1 /tmp/dir",
            "rmdir /tmp/dir",
            "-ls /tmp/dir"
          ]
        })
        assert.strictEqual(result.status, 0, result.stderr)
        assert.match(result.stdout, /Remote working directory: \/\n/u)
        assert.match(result.stdout, /-rw------- .* 3000001 .* größe\n/u)
        assert.match(result.stdout, /lrwxrwxrwx .* link\n/u)
        assert.match(result.stderr, /remote mkdir "\/tmp\/dir": Failure/u)
        assert.match(result.stderr, /File "\/tmp\/nothing" not found/u)
        assert.match(result.stderr, /dest open "\/nowhere\/up": No such file or directory/u)
        assert.match(result.stderr, /Can't ls: "\/tmp\/dir" not found/u)
        assert.isTrue(bytes.equals(yield* Effect.promise(() => readFile(join(directory, "down")))))
      })
    )

    it.effect("owner and permissions are what a program of the image would leave", () =>
      Effect.gen(function* () {
        const { target } = yield* controlMaster((yield* SharedServer).target)
        const directory = yield* temporaryDirectory
        yield* Effect.promise(() => writeFile(join(directory, "script"), "#!/bin/sh\necho ran\n", { mode: 0o755 }))
        yield* ssh({ ...target, command: "touch /tmp/alices; chown 1000:1000 /tmp/alices; chmod 640 /tmp/alices" })
        const put = yield* sftp({
          ...target,
          cwd: directory,
          batch: ["put script /tmp/script", "put script /tmp/alices"]
        })
        assert.strictEqual(put.status, 0, put.stderr)
        const seen = yield* ssh({ ...target, command: "/tmp/script; stat -c '%a %u:%g' /tmp/script /tmp/alices" })
        assert.strictEqual(seen.stdout, "ran\n755 0:0\n640 1000:1000\n")
      })
    )

    it.effect("scp copies trees both ways, with times", () =>
      Effect.gen(function* () {
        const { target } = yield* controlMaster((yield* SharedServer).target)
        const directory = yield* temporaryDirectory
        const made = yield* ssh({
          ...target,
          command:
            "mkdir -p '/tmp/tree/s p' && echo one >/tmp/tree/1 && echo two >'/tmp/tree/s p/2' && touch -d @1000000000 /tmp/tree/1"
        })
        assert.strictEqual(made.status, 0, made.stderr)
        const down = yield* scp({ ...target, cwd: directory, args: ["-r", "-p"], from: "remote:/tmp/tree", to: "." })
        assert.strictEqual(down.status, 0, down.stderr)
        assert.strictEqual(yield* Effect.promise(() => readFile(join(directory, "tree/s p/2"), "utf8")), "two\n")
        assert.strictEqual((yield* Effect.promise(() => stat(join(directory, "tree/1")))).mtimeMs, 1_000_000_000_000)
        const up = yield* scp({ ...target, cwd: directory, args: ["-r", "-p"], from: "tree", to: "remote:/tmp/again" })
        assert.strictEqual(up.status, 0, up.stderr)
        const seen = yield* ssh({ ...target, command: "cat /tmp/again/1 '/tmp/again/s p/2'; stat -c %Y /tmp/again/1" })
        assert.strictEqual(seen.stdout, "one\ntwo\n1000000000\n")
      })
    )

    it.effect(
      "32 MiB do not fill the server's memory",
      () =>
        Effect.gen(function* () {
          const server = yield* SharedServer
          const { target } = yield* controlMaster(server.target)
          const size = 32 * 1_048_576
          yield* ssh({ ...target, command: `dd if=/dev/zero of=/tmp/zeros bs=1048576 count=32 2>/dev/null` })
          const before = server.rss()
          const directory = yield* temporaryDirectory
          const result = yield* sftp({
            ...target,
            cwd: directory,
            batch: ["get /tmp/zeros zeros", "put zeros /tmp/back"]
          })
          assert.strictEqual(result.status, 0, result.stderr)
          const grown = server.rss() - before
          assert.isBelow(grown, 3 * size, `resident memory grew by ${grown} bytes`)
          assert.strictEqual(
            (yield* ssh({ ...target, command: "cmp /tmp/zeros /tmp/back && echo same" })).stdout,
            "same\n"
          )
        }),
      120_000
    )
  })

  layer(
    SharedServer.start({
      user: "sftp-noshell",
      image: "dockerrun-test/noshell:1",
      backend: { ...backend, idleCommand: ["/bin/sleep", "3600"], shellCommand: ["/bin/cat"] }
    })
  )("that have no shell", (it) => {
    it.effect("are put, listed and fetched; what takes a program of the image says so", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedServer
        const directory = yield* temporaryDirectory
        yield* Effect.promise(() => writeFile(join(directory, "up"), "content\n"))
        const result = yield* sftp({
          ...target,
          cwd: directory,
          batch: ["mkdir /made", "put up /made/file", "ls -1 /made", "get /made/file down", "-rm /made/file"]
        })
        assert.strictEqual(result.status, 0, result.stderr)
        assert.match(result.stdout, /^\/made\/file *$/mu)
        assert.match(result.stderr, /remote delete .*: Operation unsupported/u)
        assert.strictEqual(yield* Effect.promise(() => readFile(join(directory, "down"), "utf8")), "content\n")
      })
    )
  })

  layer(
    SharedServer.start({
      user: "sftp-nonroot",
      backend: { ...backend, container: { Image: "dockerrun-test/tiny:1", User: "alice" } }
    })
  )("whose programs do not run as root", (it) => {
    it.effect("are not served with rights that the programs do not have", () =>
      Effect.gen(function* () {
        const server = yield* SharedServer
        const result = yield* sftp({ ...server.target, batch: ["ls /root"] })
        assert.strictEqual(result.status, 255)
        assert.match(result.stderr, /files are served only where programs run as root, not as alice/u)
        yield* server.waitForEvent("DOCKERRUN_SFTP_NOT_SERVED")
      })
    )
  })
})
