import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as DockerodeDocker from "../../../src/layers/DockerodeDocker.ts"
import * as SizedShell from "../../../src/layers/dockerode/SizedShell.ts"
import { runningContainer, runProgram } from "../../fixtures/EngineProgram.ts"
import { describeEngine, engine } from "../../support/Engine.ts"

const size = { columns: 101, rows: 33 }

describe("SizedShell", () => {
  it("leaves programs alone that are no shells", () => {
    assert.deepStrictEqual(SizedShell.command(["/usr/bin/top", "-d", "1"], size), ["/usr/bin/top", "-d", "1"])
    assert.deepStrictEqual(SizedShell.command(["/opt/bash/run"], size), ["/opt/bash/run"])
  })

  it("says nothing of a dimension that is 0, and takes no word that could be more than that", () => {
    const [, , script] = SizedShell.command(["/bin/sh"], { columns: 0, rows: 24 }, [
      "-echo",
      "erase",
      "^?",
      "$(id)",
      "a'b"
    ])
    assert.match(
      script ?? "",
      /^stty 'rows' '24' '-echo' 'erase' '\^\?' 2>\/dev\/null \|\| stty 'rows' '24' 2>\/dev\/null\n/u
    )
    assert.deepStrictEqual(SizedShell.command(["/bin/sh"], undefined, []), ["/bin/sh"])
  })
})

describeEngine("SizedShell on the real engine", () => {
  layer(Layer.unwrap(Effect.sync(() => DockerodeDocker.layerHost({ host: engine().host }))), {
    excludeTestServices: true
  })((it) => {
    it.effect("a program that asks for its terminal's size at once learns it, 20 times out of 20", () =>
      Effect.gen(function* () {
        const container = yield* runningContainer
        for (let run = 0; run < 20; run++) {
          const { exitCode, stdout } = yield* runProgram(container, ["/bin/sh", "-c", "stty size; exit 4"], {
            tty: true,
            size,
            input: () => {}
          })
          assert.deepStrictEqual([stdout, exitCode], ["33 101\r\n", 4], `run ${run}`)
        }
      })
    )

    it.effect("arguments arrive as they are, and the shell is the one that was asked for", () =>
      Effect.gen(function* () {
        const container = yield* runningContainer
        const { exitCode, stdout } = yield* runProgram(
          container,
          ["/bin/sh", "-c", 'printf "%s|" "$0" "$@"; exit $#', "name", "a b", "$(id)", "'", ""],
          { tty: true, size, input: () => {} }
        )
        assert.deepStrictEqual([stdout, exitCode], ["name|a b|$(id)|'||", 4])
      })
    )
  })
})
