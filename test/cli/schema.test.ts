import { assert, describe, it } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import { Command } from "effect/cli"
import { TestConsole } from "effect/testing"
import { schema } from "../../src/cli/schema.ts"
import { configJsonSchema } from "../../src/schema/ConfigJsonSchema.ts"

describe("dockerrun schema", () => {
  it.effect("prints the JSON Schema of the configuration, and nothing else", () =>
    Effect.gen(function* () {
      yield* Command.runWith(schema, { version: "0" })([])
      const lines = yield* TestConsole.logLines
      assert.deepStrictEqual(JSON.parse(lines.join("\n")), configJsonSchema())
      assert.deepStrictEqual(yield* TestConsole.errorLines, [])
    }).pipe(Effect.provide(NodeServices.layer))
  )
})
