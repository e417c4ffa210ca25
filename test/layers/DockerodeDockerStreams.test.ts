import { createHash, randomBytes } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as DockerodeDocker from "../../src/layers/DockerodeDocker.ts"
import { type ByteSink, discard, makePipe, toSink } from "../../src/services/ByteSink.ts"
import { Docker } from "../../src/services/Docker.ts"
import { createdContainer, runningContainer, runProgram, startProgram } from "../fixtures/EngineProgram.ts"
import { pause, waitFor } from "../support/Deadline.ts"
import { describeEngine, engine, engineSockets, execs } from "../support/Engine.ts"

const ourEngine = Layer.unwrap(Effect.sync(() => DockerodeDocker.layerHost({ host: engine().host })))

/** Shell words between quotes: no word may reach the command line of the test. */
const sh = (line: string) => ["/bin/sh", "-c", line] as const

describeEngine("DockerodeDocker: the streams of a program", () => {
  layer(ourEngine, { excludeTestServices: true })((it) => {
    it.effect("keeps standard output, standard error and the exit code apart", () =>
      Effect.gen(function* () {
        const id = yield* runningContainer
        const program = yield* runProgram(id, sh("printf out; printf err >&2; exit 42"))
        assert.strictEqual(program.stdout, "out")
        assert.strictEqual(program.stderr, "err")
        assert.strictEqual(program.exitCode, 42)
        assert.isFalse(program.exit.running)
      })
    )

    it.effect(
      "the end of the input is a half-close: all output still comes, 50 times out of 50",
      () =>
        Effect.gen(function* () {
          const id = yield* runningContainer
          const once = runProgram(id, sh("cat; echo end"), {
            input: (stdin) => {
              stdin.write(Buffer.from("x"))
              stdin.end()
              stdin.end()
            }
          })
          for (let i = 0; i < 50; i++) {
            const program = yield* once
            assert.strictEqual(program.stdout, "xend\n", `run ${i}`)
            assert.strictEqual(program.exitCode, 0)
          }
        }),
      120_000
    )

    it.effect(
      "sends and receives 32 MiB unchanged",
      () =>
        Effect.gen(function* () {
          const docker = yield* Docker
          const container = yield* runningContainer
          const block = randomBytes(1024 * 1024)
          const id = yield* docker.createExec(container, { command: ["/bin/cat"], env: [], tty: false })
          const stdout = yield* makePipe()
          const streams = yield* docker.startExec(id, { tty: false, output: { stdout: stdout.sink, stderr: discard } })
          const sent = createHash("sha256")
          const received = createHash("sha256")
          const upload = Stream.range(1, 32).pipe(
            Stream.map(() => block),
            Stream.tap((chunk) => Effect.sync(() => sent.update(chunk))),
            Stream.run(toSink(streams.stdin))
          )
          const download = Stream.runForEach(stdout.stream, (chunk) => Effect.sync(() => received.update(chunk)))
          yield* Effect.all([upload, download, streams.ended], { concurrency: "unbounded" })
          assert.strictEqual(received.digest("hex"), sent.digest("hex"))
        }),
      120_000
    )

    it.effect("a reader that stops reading stops the program, and memory stays where it is", () =>
      Effect.gen(function* () {
        const docker = yield* Docker
        const container = yield* runningContainer
        const id = yield* docker.createExec(container, { command: ["/bin/cat", "/dev/zero"], env: [], tty: false })
        let written = 0
        let drain = () => {}
        let full = true
        const sink: ByteSink = {
          write: (chunk) => {
            written += chunk.byteLength
            return !full
          },
          end: () => {},
          onDrain: (callback) => {
            drain = callback
          }
        }
        yield* docker.startExec(id, { tty: false, output: { stdout: sink, stderr: discard } })
        yield* waitFor(
          "the first bytes",
          Effect.sync(() => written > 0)
        )
        const atPause = written
        const memory = process.memoryUsage.rss()
        // Long enough for gigabytes, if anything flowed.
        yield* pause(1_000)
        assert.strictEqual(written, atPause)
        assert.isAtMost(atPause, 256 * 1024)
        assert.isBelow(process.memoryUsage.rss() - memory, 64 * 1024 * 1024)
        full = false
        drain()
        yield* waitFor(
          "the flow to go on",
          Effect.sync(() => written > atPause + 1024 * 1024)
        )
      })
    )

    it.effect("a full standard error holds standard output back, too, and both go on", () =>
      Effect.gen(function* () {
        const docker = yield* Docker
        const container = yield* runningContainer
        const line = "i=0; while [ $i -lt 2000 ]; do echo out$i; echo err$i >&2; i=$((i+1)); done"
        const id = yield* docker.createExec(container, { command: sh(line), env: [], tty: false })
        const stdout = yield* makePipe({ capacity: 512 })
        const stderr = yield* makePipe({ capacity: 512 })
        const streams = yield* docker.startExec(id, {
          tty: false,
          output: { stdout: stdout.sink, stderr: stderr.sink }
        })
        const text = (stream: Stream.Stream<Uint8Array>) => Stream.mkString(Stream.decodeText(stream))
        const [out, err] = yield* Effect.all([text(stdout.stream), text(stderr.stream), streams.ended], {
          concurrency: "unbounded"
        })
        const lines = (word: string) => Array.from({ length: 2000 }, (_, i) => `${word}${i}\n`).join("")
        assert.strictEqual(out, lines("out"))
        assert.strictEqual(err, lines("err"))
      })
    )

    it.effect("a program that does not read makes the writer wait, and the writer is released at its end", () =>
      Effect.gen(function* () {
        const container = yield* runningContainer
        const program = yield* startProgram(container, ["/bin/sleep", "1000"], { input: () => {} })
        let drained = 0
        program.streams.stdin.onDrain(() => {
          drained += 1
        })
        let accepted = 0
        const block = new Uint8Array(256 * 1024)
        while (program.streams.stdin.write(block)) accepted += block.length
        assert.isBelow(accepted, 16 * 1024 * 1024)
        const drainedBefore = drained
        yield* (yield* Docker).killContainer(container, "SIGKILL")
        yield* Effect.exit(program.streams.ended)
        yield* waitFor(
          "the writer to be released",
          Effect.sync(() => drained > drainedBefore)
        )
        assert.isTrue(program.streams.stdin.write(block))
      })
    )

    it.effect(
      "a program that leaves input unread loses none of its output",
      () =>
        Effect.gen(function* () {
          const container = yield* runningContainer
          const block = new Uint8Array(64 * 1024)
          const flood = (stdin: ByteSink) => {
            const write = () => {
              for (let i = 0; i < 64; i++) if (!stdin.write(block)) return
              setImmediate(write)
            }
            stdin.onDrain(write)
            write()
          }
          for (let i = 0; i < 30; i++) {
            const line = "head -c 5 >/dev/null; head -c 150000 /dev/zero; echo end >&2; exit 7"
            const program = yield* startProgram(container, sh(line), { input: flood })
            yield* program.streams.ended
            assert.strictEqual(program.stdout.bytes().length, 150_000, `run ${i}`)
            assert.strictEqual(program.stderr.text(), "end\n", `run ${i}`)
            assert.strictEqual((yield* (yield* Docker).inspectExec(program.id)).exitCode, 7)
          }
        }),
      60_000
    )

    it.effect("input for a program that is over costs a slow reader none of its output", () =>
      Effect.gen(function* () {
        const docker = yield* Docker
        const container = yield* runningContainer
        const id = yield* docker.createExec(container, {
          command: sh("head -c 150000 /dev/zero"),
          env: [],
          tty: false
        })
        let length = 0
        let ends = 0
        let full = true
        let drain = () => {}
        const slow: ByteSink = {
          write: (chunk) => {
            length += chunk.byteLength
            return !full
          },
          end: () => {
            ends += 1
          },
          onDrain: (callback) => {
            drain = callback
          }
        }
        const streams = yield* docker.startExec(id, { tty: false, output: { stdout: slow, stderr: discard } })
        // The rest waits in the sockets between the engine and here when the program is over.
        yield* waitFor(
          "the end of the program",
          Effect.map(docker.inspectExec(id), ({ running }) => !running)
        )
        for (let i = 0; i < 5; i++) {
          streams.stdin.write(Buffer.from("too late\n"))
          yield* pause(10)
        }
        streams.stdin.end()
        full = false
        drain()
        yield* streams.ended
        assert.strictEqual(length, 150_000)
        assert.strictEqual(ends, 1)
      })
    )

    for (const tty of [false, true]) {
      const where = tty ? "with a terminal" : "without a terminal"

      it.effect(`a program that is not there is 127, ${where}, and its output stays clean`, () =>
        Effect.gen(function* () {
          const container = yield* runningContainer
          for (const command of ["/no/such/program", "no-such-program"]) {
            const program = yield* startProgram(container, [command], { tty })
            const error = yield* Effect.flip(program.streams.ended)
            assert.strictEqual(error.reason._tag, "ProgramNotStarted")
            assert.strictEqual(error.reason._tag === "ProgramNotStarted" ? error.reason.exitCode : 0, 127)
            assert.include(error.message, command)
            assert.strictEqual(program.stdout.text(), "")
            assert.strictEqual(program.stderr.text(), "")
            // The owner still has something to say on them.
            assert.strictEqual(program.stdout.timesEnded() + program.stderr.timesEnded(), 0)
          }
        })
      )

      it.effect(`a program that cannot be executed is 126, ${where}`, () =>
        Effect.gen(function* () {
          const container = yield* runningContainer
          for (const command of ["/opt/not-executable", "/etc"]) {
            const program = yield* startProgram(container, [command], { tty })
            const error = yield* Effect.flip(program.streams.ended)
            assert.strictEqual(error.reason._tag === "ProgramNotStarted" ? error.reason.exitCode : 0, 126, command)
            assert.strictEqual(program.stdout.text(), "")
          }
        })
      )

      it.effect(`a program that prints the engine's own words is left alone, ${where}`, () =>
        Effect.gen(function* () {
          const container = yield* runningContainer
          const words = "OCI runtime exec failed: exec failed: not really"
          const whole = yield* runProgram(container, sh(`printf '${words}'; exit 1`), { tty })
          assert.strictEqual(whole.stdout, words)
          assert.strictEqual(whole.exitCode, 1)
          const start = yield* runProgram(container, sh("printf O; sleep 0.2; printf K"), { tty })
          assert.strictEqual(start.stdout, "OK")
        })
      )
    }

    it.effect("a user that is not there and a directory that is not there are 126", () =>
      Effect.gen(function* () {
        const container = yield* runningContainer
        for (const options of [{ user: "nobody-here" }, { workingDirectory: "/no/such/directory" }]) {
          const program = yield* startProgram(container, ["/bin/ls"], options)
          const error = yield* Effect.flip(program.streams.ended)
          assert.strictEqual(error.reason._tag === "ProgramNotStarted" ? error.reason.exitCode : 0, 126)
          assert.strictEqual(program.stdout.text(), "")
        }
      })
    )

    it.effect("a terminal has its size from the start and follows changes", () =>
      Effect.gen(function* () {
        const docker = yield* Docker
        const container = yield* runningContainer
        const line = "until [ \"$(stty size)\" = '24 80' ]; do sleep 0.02; done; echo small; read x; stty size"
        const program = yield* startProgram(container, sh(line), {
          tty: true,
          size: { columns: 80, rows: 24 },
          input: () => {}
        })
        yield* waitFor(
          "the first size",
          Effect.sync(() => program.stdout.text().includes("small"))
        )
        yield* docker.resizeExec(program.id, { columns: 132, rows: 43 })
        program.streams.stdin.write(Buffer.from("\n"))
        yield* program.streams.ended
        assert.include(program.stdout.text(), "43 132")
      })
    )

    it.effect(
      "the end of the input of a terminal loses no output",
      () =>
        Effect.gen(function* () {
          const container = yield* runningContainer
          for (let i = 0; i < 20; i++) {
            const program = yield* runProgram(container, sh("sleep 0.05; echo x; exit 3"), {
              tty: true,
              size: { columns: 80, rows: 24 }
            })
            assert.strictEqual(program.stdout, "x\r\n")
            assert.strictEqual(program.exitCode, 3)
          }
        }),
      60_000
    )

    it.effect("the first size of a terminal never delays a program that is over at once", () =>
      Effect.gen(function* () {
        const container = yield* runningContainer
        const started = performance.now()
        yield* runProgram(container, ["/bin/true"], { tty: true, size: { columns: 80, rows: 24 } })
        assert.isBelow(performance.now() - started, 5_000)
      })
    )

    it.effect("closing the Scope closes the stream of a program that goes on", () =>
      Effect.gen(function* () {
        const container = yield* runningContainer
        const scope = yield* Scope.make()
        const program = yield* startProgram(container, ["/bin/cat"], { input: () => {} }).pipe(Scope.provide(scope))
        yield* waitFor(
          "the program to run",
          Effect.map(execs(container), (running) => running.length === 1)
        )
        yield* Scope.close(scope, Exit.void)
        const error = yield* Effect.flip(program.streams.ended)
        assert.strictEqual(error.reason._tag, "Unreachable")
        assert.isTrue(program.streams.stdin.write(Buffer.from("dropped")))
      })
    )

    it.effect("a container that is killed ends the streams of its programs", () =>
      Effect.gen(function* () {
        const docker = yield* Docker
        const container = yield* runningContainer
        const program = yield* startProgram(container, sh("echo up; sleep 1000"), { input: () => {} })
        yield* waitFor(
          "the program's first line",
          Effect.sync(() => program.stdout.text() === "up\n")
        )
        yield* docker.removeContainer(container)
        yield* Effect.exit(program.streams.ended)
        assert.strictEqual((yield* Effect.flip(docker.inspectExec(program.id))).reason._tag, "NotFound")
      })
    )

    it.effect(
      "after 50 programs there are as many connections as before",
      () =>
        Effect.gen(function* () {
          const container = yield* runningContainer
          yield* Effect.forEach(Array.from({ length: 50 }), () => runProgram(container, sh("echo x"), {}), {
            concurrency: 5
          })
          yield* waitFor(
            "the connections to close, except for a few idle ones",
            Effect.map(engineSockets(process.pid), (now) => now <= 4)
          )
        }),
      60_000
    )

    it.effect("the layer's end closes every connection, hijacked ones too", () =>
      Effect.gen(function* () {
        const container = yield* createdContainer()
        yield* (yield* Docker).startContainer(container)
        const before = yield* engineSockets(process.pid)
        yield* Effect.scoped(
          Effect.gen(function* () {
            for (let i = 0; i < 6; i++) yield* startProgram(container, ["/bin/cat"], { input: () => {} })
            assert.isAtLeast(yield* engineSockets(process.pid), 6)
          }).pipe(Effect.provide(ourEngine, { local: true }))
        )
        yield* waitFor(
          "the connections to close",
          Effect.map(engineSockets(process.pid), (now) => now <= before)
        )
      })
    )
  })
})
