import { assert, describe, it } from "vitest"
import { posixMode } from "../../../src/layers/dockerode/EngineArchives.ts"

/** Go's os.FileMode, as an engine writes it, and st_mode. */
const modes: ReadonlyArray<readonly [what: string, go: number, posix: number]> = [
  ["a file", 0o644, 0o100644],
  ["a directory", 2147484141, 0o040755],
  ["a sticky directory", 2148532735, 0o041777],
  ["a symbolic link", 134218239, 0o120777],
  ["a set-uid program", 8389101, 0o104755],
  ["a set-gid program", 4194797, 0o102755],
  ["a character device", 69206454, 0o020666],
  ["a block device", 67109296, 0o060660],
  ["a named pipe", 33554852, 0o010644],
  ["a socket", 16777600, 0o140600]
]

describe("the mode of a path", () => {
  it.each(modes)("of %s is POSIX's", (_what, go, posix) => {
    assert.strictEqual(posixMode(go).toString(8), posix.toString(8))
  })
})
