import { assert, describe, it } from "@effect/vitest"
import { distance, nearest } from "../../src/schema/NearestName.ts"

describe("NearestName", () => {
  it.each([
    ["", "", 0],
    ["", "abc", 3],
    ["kitten", "sitting", 3],
    ["shell", "shlel", 1],
    ["timeout", "timeout", 0]
  ])("distance of %j and %j", (left, right, letters) => {
    assert.strictEqual(distance(left, right), letters)
    assert.strictEqual(distance(right, left), letters)
  })

  const names = ["imagePullPolicy", "idleCommand", "shellCommand", "timeout"]

  it.each([
    ["imagePullPolcy", "imagePullPolicy"],
    ["SHELLCOMAND", "shellCommand"],
    ["tiemout", "timeout"],
    ["idle", "idleCommand"],
    ["idleCommand", "idleCommand"]
  ])("%s is meant to be %s", (wrong, right) => {
    assert.strictEqual(nearest(wrong, names), right)
  })

  it.each(["xyz", "privileged", "x".repeat(100_000)])("nothing is near to %.20s", (wrong) => {
    assert.isUndefined(nearest(wrong, names))
  })
})
