import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as NamePattern from "../../src/services/NamePattern.ts"

const few = (characters: ReadonlyArray<string>) =>
  Schema.Array(Schema.Literals(characters)).check(Schema.isMaxLength(8))

describe("a pattern of names", () => {
  it.each([
    ["LANG", "LANG", true],
    ["LANG", "LANGUAGE", false],
    ["LC_*", "LC_ALL", true],
    ["LC_*", "LC_", true],
    ["LC_*", "XLC_ALL", false],
    ["*", "", true],
    ["?", "", false],
    ["A?C", "ABC", true],
    ["A.C", "ABC", false],
    ["*_*_?", "A_B_C_D", true]
  ])("%s, %s: %s", (pattern, name, expected) => {
    assert.strictEqual(NamePattern.matches(pattern, name), expected)
  })

  it.prop(
    "agrees with the regular expression that says the same",
    { pattern: few(["*", "?", "A", "B"]), name: few(["A", "B"]) },
    ({ name, pattern }) => {
      const expression = new RegExp(`^${pattern.join("").replaceAll("*", ".*").replaceAll("?", ".")}$`, "u")
      assert.strictEqual(NamePattern.matches(pattern.join(""), name.join("")), expression.test(name.join("")))
    }
  )

  it("is not slow on what makes others slow", () => {
    assert.isFalse(NamePattern.matches(`${"*A".repeat(200)}B`, "A".repeat(20_000)))
  })
})
