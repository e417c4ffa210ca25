import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as StartRefusal from "../../../src/layers/dockerode/StartRefusal.ts"
import { makeCollector } from "../../fixtures/EngineProgram.ts"

const words = 'OCI runtime exec failed: exec failed: exec: "nope": executable file not found in $PATH: unknown\r\n'

/** A refusal in front of two collectors, whose question to the engine the test answers. */
const setup = Effect.gen(function* () {
  const stdout = makeCollector()
  const stderr = makeCollector()
  const refusal = StartRefusal.make({ stdout: stdout.sink, stderr: stderr.sink })
  const answer = yield* Deferred.make<boolean>()
  const asked: Array<string> = []
  let drained = 0
  refusal.output.stdout.onDrain(() => {
    drained += 1
  })
  yield* Effect.forkScoped(
    refusal.watch((words) =>
      Effect.suspend(() => {
        asked.push(words)
        return Deferred.await(answer)
      })
    ),
    { startImmediately: true }
  )
  return { stdout, stderr, refusal, answer, asked, drained: () => drained }
})

describe("StartRefusal", () => {
  it.effect("lets ordinary output pass at once and never asks", () =>
    Effect.gen(function* () {
      const { asked, refusal, stdout } = yield* setup
      assert.isTrue(refusal.output.stdout.write(Buffer.from("hello ")))
      assert.isTrue(refusal.output.stdout.write(Buffer.from(words)))
      assert.strictEqual(stdout.text(), `hello ${words}`)
      refusal.output.stdout.end()
      yield* refusal.verdict("start exec")
      assert.strictEqual(stdout.timesEnded(), 1)
      assert.deepStrictEqual(asked, [])
    })
  )

  it.effect("holds the engine's words back, however they are cut, and makes them an error", () =>
    Effect.gen(function* () {
      const { answer, drained, refusal, stderr, stdout } = yield* setup
      assert.isFalse(refusal.output.stdout.write(Buffer.from(words.slice(0, 3))))
      refusal.output.stdout.write(Buffer.from(words.slice(3, 40)))
      Deferred.doneUnsafe(answer, Effect.succeed(true))
      assert.isTrue(refusal.output.stdout.write(Buffer.from(words.slice(40))))
      assert.strictEqual(drained(), 1)
      refusal.output.stdout.end()
      refusal.output.stderr.end()
      const error = yield* Effect.flip(refusal.verdict("start exec"))
      assert.strictEqual(error.reason.message, words.trim())
      assert.strictEqual(stdout.text(), "")
      assert.strictEqual(stdout.timesEnded() + stderr.timesEnded(), 0)
    })
  )

  it.effect("takes Podman's words on standard error for what they are", () =>
    Effect.gen(function* () {
      const { answer, asked, refusal, stderr, stdout } = yield* setup
      const podmans = 'Error: runc: exec failed: unable to start container process: exec: "x": permission denied'
      assert.isFalse(refusal.output.stderr.write(Buffer.from(`${podmans}: OCI permission denied\n`)))
      assert.deepStrictEqual(asked, [`${podmans}: OCI permission denied\n`])
      refusal.output.stderr.write(Buffer.from("Error: read unixpacket: connection reset by peer\n"))
      Deferred.doneUnsafe(answer, Effect.succeed(true))
      refusal.output.stdout.end()
      refusal.output.stderr.end()
      const { reason } = yield* Effect.flip(refusal.verdict("start exec"))
      assert.deepInclude(reason, {
        _tag: "ProgramNotStarted",
        exitCode: 126,
        message: `${podmans}: OCI permission denied`
      })
      assert.strictEqual(stdout.text() + stderr.text(), "")
    })
  )

  it.effect("lets an error of a program pass at once, whatever comes after it", () =>
    Effect.gen(function* () {
      const { asked, refusal, stderr } = yield* setup
      assert.isTrue(refusal.output.stderr.write(Buffer.from("Error: no such table\n")))
      assert.isTrue(refusal.output.stdout.write(Buffer.from(words)))
      assert.strictEqual(stderr.text(), "Error: no such table\n")
      assert.deepStrictEqual(asked, [])
    })
  )

  it.effect("gives back what it held, in order, when the program did start, even after its end", () =>
    Effect.gen(function* () {
      const { answer, refusal, stderr, stdout } = yield* setup
      refusal.output.stdout.write(Buffer.from("O"))
      refusal.output.stdout.write(Buffer.from("K"))
      refusal.output.stderr.write(Buffer.from("!"))
      refusal.output.stdout.end()
      refusal.output.stderr.end()
      assert.strictEqual(stdout.text(), "")
      Deferred.doneUnsafe(answer, Effect.succeed(false))
      yield* refusal.verdict("start exec")
      assert.strictEqual(stdout.text(), "OK")
      assert.strictEqual(stderr.text(), "!")
      assert.deepStrictEqual([stdout.timesEnded(), stderr.timesEnded()], [1, 1])
    })
  )
})
