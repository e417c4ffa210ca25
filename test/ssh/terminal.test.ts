import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { waitFor } from "../support/Deadline.ts"
import { describeEngine, processes, waitForContainers } from "../support/Engine.ts"
import { controlMaster, ssh } from "../support/OpenSsh.ts"
import { SharedServer } from "../support/Server.ts"
import { openTerminal } from "../support/Terminal.ts"

const user = "terminal"

/** BusyBox draws its prompt again once it knows the terminal. */
const prompt = /\/ # /u

describeEngine("a terminal through ssh", () => {
  layer(SharedServer.start({ user, backend: { shellCommand: ["/bin/sh", "-i"] } }))((it) => {
    it.effect("shows a prompt, echoes what is typed, runs it, and ends with the status of `exit`", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedServer
        const started = performance.now()
        const terminal = yield* openTerminal(target)
        yield* terminal.expect(prompt)
        process.stdout.write(`connect to prompt, cold: ${(performance.now() - started).toFixed(0)} ms\n`)
        yield* terminal.send("echo ty''ped\r")
        yield* terminal.expect(/echo ty''ped\r\ntyped\r\n/u)
        yield* terminal.send("tty\r")
        yield* terminal.expect(/\/dev\/pts\/\d+\r\n/u)
        yield* terminal.send("exit 5\r")
        assert.strictEqual((yield* terminal.exit()).status, 5)
      })
    )

    it.effect("has the client's TERM and size, and follows the window", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedServer
        const terminal = yield* openTerminal({ ...target, columns: 80, rows: 25, env: { TERM: "vt220" } })
        yield* terminal.expect(prompt)
        yield* terminal.send("echo $TERM; stty size\r")
        yield* terminal.expect(/vt220\r\n25 80\r\n/u)
        yield* terminal.send("trap 'echo window: $(stty size)' WINCH\r")
        yield* terminal.expect(prompt)
        yield* terminal.resize(120, 25)
        // The change travels beside what is typed, so it is asked for until it has arrived.
        yield* terminal.send("until [ \"$(stty size)\" = '25 120' ]; do sleep 0.1; done; echo fol''lowed\r")
        yield* terminal.expect(/followed/u)
        yield* terminal.send("stty size\r")
        yield* terminal.expect(/25 120\r\n/u)
        yield* terminal.send("exit\r")
        assert.strictEqual((yield* terminal.exit()).status, 0)
      })
    )

    it.effect("tells a program that the window has changed", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedServer
        // The two numbers may come one after the other.
        const told = `stty size; [ "$(stty size)" != "43 132" ] || exit 4`
        const command = `trap '${told}' WINCH; echo ready; while :; do sleep 0.1; done`
        const terminal = yield* openTerminal({ ...target, columns: 80, rows: 25, tty: "-t", command })
        yield* terminal.expect(/ready/u)
        yield* terminal.resize(132, 43)
        yield* terminal.expect(/43 132/u)
        assert.strictEqual((yield* terminal.exit()).status, 4)
      })
    )

    it.effect("passes Ctrl-C to the program in the foreground, and the shell lives on", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedServer
        const terminal = yield* openTerminal(target)
        yield* terminal.expect(prompt)
        yield* terminal.send("sleep 4321\r")
        const [container] = yield* waitForContainers(1, user)
        const sleeping = Effect.map(processes(container?.Id ?? ""), (lines) =>
          lines.some((line) => line === "sleep 4321")
        )
        yield* waitFor("the program", sleeping)
        yield* terminal.send("\u0003")
        yield* terminal.expect(prompt)
        yield* terminal.send("echo sta''tus $?\r")
        yield* terminal.expect(/status 130\r\n/u)
        assert.isFalse(yield* sleeping)
        // Ctrl-D at the prompt is the end of input, which is the end of the shell.
        yield* terminal.send("\u0004")
        assert.strictEqual((yield* terminal.exit()).status, 0)
        yield* waitForContainers(0, user)
      })
    )

    it.effect("is there for a command with -t, and not without", () =>
      Effect.gen(function* () {
        const { target } = yield* controlMaster((yield* SharedServer).target)
        const command = "test -t 0 && test -t 1 && test -t 2"
        assert.strictEqual((yield* ssh({ ...target, tty: "-tt", command, stdin: "open" })).status, 0)
        assert.strictEqual((yield* ssh({ ...target, command })).status, 1)
      })
    )

    it.effect("prints all of a large output before it ends", () =>
      Effect.gen(function* () {
        const { target } = yield* SharedServer
        const command = "stty -onlcr; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); echo line $i; done"
        const result = yield* ssh({ ...target, tty: "-tt", command })
        const expected = Array.from({ length: 20_000 }, (_, index) => `line ${index + 1}\n`).join("")
        assert.strictEqual(result.status, 0)
        assert.isTrue(result.stdout === expected, `${result.length} bytes instead of ${expected.length}`)
      })
    )

    it.effect(
      "ends with its program's status, at once, 20 times out of 20",
      () =>
        Effect.gen(function* () {
          const { target } = yield* controlMaster((yield* SharedServer).target)
          const results = yield* Effect.forEach(Array.from({ length: 20 }), () =>
            ssh({ ...target, tty: "-tt", command: "echo x; exit 3" })
          )
          const times = results.map(({ elapsed }) => elapsed).toSorted((one, other) => one - other)
          process.stdout.write(
            `ssh -tt host 'echo x; exit 3': ${times[10]?.toFixed(0)} ms (median), ${times[19]?.toFixed(0)} ms (max)\n`
          )
          // A client without a terminal of its own that asks through a master asks for a terminal with all modes off.
          assert.deepStrictEqual(
            results.map(({ status, stdout }) => [stdout, status]),
            Array.from({ length: 20 }, () => ["x\n", 3])
          )
          // A generous bound: the machine of the tests is shared. What it is for took ten seconds.
          assert.isBelow(times[19] ?? 0, 5_000)
        }),
      120_000
    )
  })
})
