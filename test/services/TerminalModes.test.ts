import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as TerminalModes from "../../src/services/TerminalModes.ts"

/** The bytes of modes, with the end behind them. */
const encode = (modes: ReadonlyArray<readonly [number, number]>): Uint8Array =>
  Uint8Array.from([
    ...modes.flatMap(([opcode, value]) => [
      opcode,
      value >>> 24,
      (value >>> 16) & 255,
      (value >>> 8) & 255,
      value & 255
    ]),
    0
  ])

const words = (modes: ReadonlyArray<readonly [number, number]>) =>
  TerminalModes.sttyArguments(TerminalModes.decode(encode(modes))).join(" ")

describe("the modes of a terminal", () => {
  it("are what stty calls them", () => {
    assert.strictEqual(
      words([
        [129, 38_400],
        [128, 9600],
        [1, 3],
        [3, 127],
        [4, 255],
        [6, 0],
        [8, 65],
        [36, 1],
        [53, 0],
        [72, 1]
      ]),
      "ospeed 38400 ispeed 9600 intr ^C erase ^? kill undef eol undef start 65 icrnl -echo onlcr"
    )
  })

  it("leave out what a terminal of Linux does not have", () => {
    assert.strictEqual(
      words([
        [11, 25],
        [17, 5],
        [91, 1],
        [128, 12_345],
        [99, 1],
        [53, 1]
      ]),
      "echo"
    )
  })

  it("end where they end, or are cut off", () => {
    assert.deepStrictEqual([...TerminalModes.decode(new Uint8Array())], [])
    assert.deepStrictEqual([...TerminalModes.decode(Uint8Array.from([53, 0, 0]))], [])
    assert.strictEqual(
      words([
        [53, 1],
        [0, 0],
        [72, 1]
      ]),
      "echo"
    )
    assert.strictEqual(
      words([
        [53, 1],
        [160, 0],
        [72, 1]
      ]),
      "echo"
    )
  })

  it.prop("never hold a word that a shell could take for something else", { bytes: Schema.Uint8Array }, ({ bytes }) => {
    for (const word of TerminalModes.sttyArguments(TerminalModes.decode(bytes))) {
      assert.match(word, /^[a-zA-Z0-9^?@[\\\]_-]+$/u)
    }
  })
})
