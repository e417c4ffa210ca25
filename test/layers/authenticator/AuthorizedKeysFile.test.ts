import { chmod, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as AuthorizedKeysFile from "../../../src/layers/authenticator/AuthorizedKeysFile.ts"
import { type LogEvent, Logger } from "../../../src/services/Logger.ts"
import { generateKey } from "../../support/OpenSsh.ts"
import { temporaryDirectory } from "../../support/TemporaryDirectory.ts"

const open = Effect.fnUntraced(function* (path: string) {
  const events: Array<LogEvent> = []
  const logger = Logger.of({ log: (event) => Effect.sync(() => void events.push(event)) })
  const file = yield* AuthorizedKeysFile.make(yield* FileSystem.FileSystem, logger, path)
  return {
    count: Effect.map(file.current, ({ keys }) => keys.size),
    messages: () => events.map(({ message }) => message)
  }
})

const write = (path: string, text: string) => Effect.promise(() => writeFile(path, text, { mode: 0o600 }))

describe("an authorized_keys file", () => {
  it.effect("is followed as it changes on disk, within the same millisecond and at the same length too", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryDirectory, "authorized_keys")
      const { publicKey } = yield* generateKey()
      const { count, messages } = yield* open(path)
      yield* write(path, `${publicKey}\n`)
      assert.strictEqual(yield* count, 1)
      yield* write(path, `#${publicKey}`)
      assert.strictEqual(yield* count, 0)
      yield* write(path, `${publicKey}\n`)
      assert.strictEqual(yield* count, 1)
      assert.deepStrictEqual(messages(), [])
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.effect("lists nobody when it is missing, tells so once, and is back when it is back", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryDirectory, "authorized_keys")
      const { publicKey } = yield* generateKey()
      const { count, messages } = yield* open(path)
      assert.strictEqual(yield* count, 0)
      assert.strictEqual(yield* count, 0)
      assert.deepStrictEqual(messages(), [`${path} cannot be read, nobody gets in by it: NotFound`])
      yield* write(path, publicKey)
      assert.strictEqual(yield* count, 1)
      yield* Effect.promise(() => rm(path))
      assert.strictEqual(yield* count, 0)
      assert.strictEqual(messages().length, 2)
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.effect("warns of permissions by which others can let themselves in", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryDirectory, "authorized_keys")
      const { publicKey } = yield* generateKey()
      const { count, messages } = yield* open(path)
      yield* write(path, publicKey)
      yield* Effect.promise(() => chmod(path, 0o664))
      assert.strictEqual(yield* count, 1)
      assert.strictEqual(yield* count, 1)
      assert.strictEqual(messages().length, 1)
      assert.include(messages()[0], `chmod go-w ${path}`)
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.effect("tells which lines cannot be used, once for each state of the file, and uses the others", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryDirectory, "authorized_keys")
      const { publicKey } = yield* generateKey()
      const { count, messages } = yield* open(path)
      yield* write(path, `${publicKey}\nnonsense\n`)
      assert.strictEqual(yield* count, 1)
      yield* count
      assert.deepStrictEqual(messages(), [
        `${path} line 2: this is not a key: [OPTIONS] TYPE BASE64 [COMMENT] is expected`
      ])
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )

  it.effect("is not read when it is a directory or far too long", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const { count, messages } = yield* open(directory)
      assert.strictEqual(yield* count, 0)
      assert.include(messages()[0], "is not a list of keys")
      const long = join(directory, "long")
      yield* write(long, "#".repeat(1_100_000))
      const other = yield* open(long)
      assert.strictEqual(yield* other.count, 0)
      assert.include(other.messages()[0], "is not a list of keys")
    }).pipe(Effect.provide(NodeFileSystem.layer))
  )
})
