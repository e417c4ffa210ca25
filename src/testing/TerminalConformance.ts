/**
 * Claims about programs with a terminal.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import { Docker } from "../services/Docker.ts"
import { begin, type ConformanceCase, expectEqual, makeCase, type Setting, until } from "./Conformance.ts"
import { collect, makeContainer, runContainer, shell, startExec, type } from "./ConformanceContainer.ts"

/**
 * @internal
 */
export const cases = (setting: Setting): ReadonlyArray<ConformanceCase> => [
  makeCase(
    "terminals",
    "have the size that the start gave them, and each new one",
    Effect.gen(function* () {
      const docker = yield* Docker
      const id = yield* runContainer(setting)
      // It asks until the size is there: an engine may set it a moment after the start.
      const exec = yield* startExec(id, ["/bin/sh"], { size: { columns: 100, rows: 30 } })
      const ask = (answer: string) =>
        Effect.raceFirst(
          exec.collected.awaitText(answer),
          Effect.forever(Effect.andThen(type(exec.streams, "stty size\r"), Effect.sleep("50 millis")))
        )
      yield* ask("\n30 100\r\n")
      yield* docker.resizeExec(exec.id, { columns: 132, rows: 43 })
      yield* ask("\n43 132\r\n")
      yield* type(exec.streams, "exit 6\r")
      yield* expectEqual("the status", yield* exec.status, 6)
    })
  ),
  makeCase(
    "terminals",
    "of a container's main process get each new size",
    Effect.gen(function* () {
      const docker = yield* Docker
      const id = yield* makeContainer(setting, {
        Cmd: ["/bin/sh"],
        Tty: true,
        OpenStdin: true,
        StdinOnce: true,
        AttachStdin: true,
        AttachStdout: true,
        AttachStderr: true
      })
      const collected = collect()
      const streams = yield* docker.attachContainer(id, { tty: true, output: collected.output })
      yield* Effect.exit(docker.resizeContainer(id, { columns: 90, rows: 20 }))
      yield* docker.startContainer(id)
      yield* docker.resizeContainer(id, { columns: 132, rows: 43 })
      yield* Effect.raceFirst(
        collected.awaitText("\n43 132\r\n"),
        Effect.forever(Effect.andThen(type(streams, "stty size\r"), Effect.sleep("50 millis")))
      )
      yield* type(streams, "exit 6\r")
      yield* streams.ended
      yield* expectEqual("the status", yield* docker.waitContainer(id, "not-running"), { exitCode: 6 })
      yield* Effect.exit(docker.resizeContainer(id, { columns: 100, rows: 40 }))
    })
  ),
  makeCase(
    "terminals",
    "echo, turn line feeds into carriage returns, and put both outputs into one",
    Effect.gen(function* () {
      const id = yield* runContainer(setting)
      const exec = yield* startExec(id, ["/bin/sh", "-c", "echo out; echo err >&2; cat"], {
        size: { columns: 80, rows: 24 }
      })
      yield* exec.collected.awaitText("out\r\nerr\r\n")
      yield* type(exec.streams, "typed\r")
      yield* exec.collected.awaitText("typed\r\ntyped\r\n")
      exec.streams.stdin.end()
      yield* type(exec.streams, "\u0004")
      yield* expectEqual("the status", yield* exec.status, 0)
      yield* expectEqual("the second output", exec.collected.stderr(), "")
    })
  ),
  makeCase(
    "terminals",
    "make a signal of ctrl-C",
    Effect.gen(function* () {
      const docker = yield* Docker
      const id = yield* runContainer(setting)
      const exec = yield* startExec(id, ["sleep", "1000"], { size: { columns: 80, rows: 24 } })
      yield* until(docker.inspectExec(exec.id), ({ running }) => running)
      const typing = yield* begin(
        Effect.forever(Effect.andThen(type(exec.streams, "\u0003"), Effect.sleep("100 millis"))).pipe(
          Effect.raceFirst(Effect.exit(exec.streams.ended))
        )
      )
      yield* expectEqual("the status", yield* exec.status, 130)
      yield* typing
    })
  ),
  makeCase(
    "terminals",
    "that are over cannot be resized, which is a failure and no more",
    Effect.gen(function* () {
      const docker = yield* Docker
      const id = yield* runContainer(setting)
      const exec = yield* startExec(id, ["/bin/sh", "-c", "exit 0"], { size: { columns: 80, rows: 24 } })
      yield* exec.status
      yield* Effect.exit(docker.resizeExec(exec.id, { columns: 100, rows: 40 }))
      yield* expectEqual("the container afterwards", (yield* shell(id, "echo here")).stdout, "here\n")
    })
  )
]
