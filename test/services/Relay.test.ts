import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ByteSink from "../../src/services/ByteSink.ts"
import * as ProgramExit from "../../src/services/ProgramExit.ts"
import * as Relay from "../../src/services/Relay.ts"
import * as RelayTool from "../../src/services/RelayTool.ts"
import { makeOutput } from "../support/Backend.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const mark = "the end of the output"
const [perl] = RelayTool.known

/** Connects by a program that does with its outputs what it is told. */
const connect = (say: (output: ByteSink.ProgramOutput) => void, hasEnded = false) =>
  perl === undefined
    ? Effect.die("there is no tool")
    : Relay.connect(
        (_command, output) =>
          Effect.sync(() => {
            say(output)
            return {
              stdin: ByteSink.discard,
              exit: hasEnded ? Effect.succeed(ProgramExit.exited(1)) : Effect.never,
              resize: () => Effect.void,
              signal: () => Effect.void
            }
          }),
        perl,
        ["perl"],
        mark,
        Duration.zero
      ).pipe(Effect.scoped)

describe("a connection that a program in the container makes", () => {
  it.effect("is there as soon as the program says so, or passes the first bytes on, whichever comes first", () =>
    Effect.gen(function* () {
      const said = yield* connect(({ stderr }) => void stderr.write(bytes("connected\n")))
      assert.strictEqual(said._tag, "Link")

      const answers: Array<boolean> = []
      // Held back, so that the engine sends no word of the other output.
      const spoken = yield* connect(({ stdout }) => void answers.push(stdout.write(bytes("SSH-2.0-x\r\n"))))
      assert.deepStrictEqual(answers, [false])
      if (spoken._tag !== "Link") return assert.fail(spoken.words)
      const taken = makeOutput()
      spoken.onOutput(taken.output.stdout)
      assert.strictEqual(taken.stdout(), "SSH-2.0-x\r\n")
    })
  )

  it.effect("is not there when the program says nothing, or why not", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* connect(() => {}), { _tag: "Refusal", words: "timed out" })
      const refused = yield* connect(({ stderr }) => void stderr.write(bytes("failed: Connection refused\n")), true)
      assert.deepStrictEqual(refused, { _tag: "Refusal", words: "failed: Connection refused\n" })
    })
  )
})
