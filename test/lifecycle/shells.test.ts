import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { waitScript, wrapScript } from "../../src/services/DeadMansSwitch.ts"
import { waitFor, within } from "../support/Deadline.ts"
import { containers, describeEngine, docker, engine } from "../support/Engine.ts"
import { prepareImage } from "../support/Images.ts"
import { type RunningProgram, start } from "../support/Program.ts"

const image = "dockerrun-test/shells:1"
const shells = ["/bin/sh", "/bin/bash", "/bin/dash"] as const

/** Runs a command as process 1 with its input held open by this process, as the server does it. */
const hold = Effect.fnUntraced(function* (label: string, command: ReadonlyArray<string>) {
  const name = `dockerrun_test=${label}`
  const client = yield* Effect.acquireRelease(
    start(
      "docker",
      ["run", "--interactive", "--rm", "--sig-proxy=false", "--network", "none", "--label", name, image, ...command],
      { stdin: "open", env: { DOCKER_HOST: engine().host } }
    ),
    () => containers(name).pipe(Effect.flatMap(Effect.forEach(({ Id }) => docker("rm", "-fv", Id))), Effect.ignore)
  )
  let printed = ""
  client.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()))
  const [container] = yield* waitFor(
    "the container to run",
    Effect.map(containers(name), (found) => found[0]?.State === "running" && found)
  )
  return {
    client,
    id: container?.Id ?? "",
    printed: () => printed,
    expect: (text: string) =>
      waitFor(
        `${text} on its output`,
        Effect.sync(() => printed.includes(text))
      ),
    ended: ended(client)
  }
})

/** Long before the ten seconds after which an engine would kill it. */
const ended = (client: RunningProgram) =>
  Effect.map(
    within(client.exit, 5000, () => "waiting for the container to end"),
    ({ status }) => status
  )

/** An idle command that says when it is ready and when it is told to end. */
const idle = ["-c", "trap 'echo told; exit 5' TERM; echo ready; while :; do sleep 0.05; done"]

describeEngine("the scripts of the dead man's switch, as process 1", () => {
  it.live.each(shells)(
    "%s: waiting ends at once with the input, on TERM and on INT, and not for input",
    (shell) =>
      Effect.gen(function* () {
        yield* prepareImage("shells")
        const label = `wait${shell}`
        const script = [shell, "-c", `echo ready; ${waitScript}`]
        const byInput = yield* hold(`${label}-input`, script)
        yield* byInput.expect("ready")
        byInput.client.stdin.write("a line\nand some more")
        yield* docker("exec", byInput.id, "true")
        assert.isFalse(byInput.client.hasExited())
        byInput.client.stdin.end()
        assert.strictEqual(yield* byInput.ended, 0)
        for (const signal of ["TERM", "INT"]) {
          const bySignal = yield* hold(`${label}-${signal}`, script)
          yield* bySignal.expect("ready")
          yield* docker("kill", "--signal", signal, bySignal.id)
          assert.strictEqual(yield* bySignal.ended, 0)
        }
      }),
    90_000
  )

  it.live.each(shells)(
    "%s: an idle command of one's own ends with the input, is told of TERM and INT first, and its own end is the container's",
    (shell) =>
      Effect.gen(function* () {
        yield* prepareImage("shells")
        const label = `wrap${shell}`
        const wrapped = (...command: ReadonlyArray<string>) => [shell, "-c", wrapScript, shell, ...command]
        const byInput = yield* hold(`${label}-input`, wrapped(shell, ...idle))
        yield* byInput.expect("ready")
        byInput.client.stdin.end("input that is for nobody\n")
        yield* byInput.ended
        assert.notInclude(byInput.printed(), "told")
        for (const signal of ["TERM", "INT"]) {
          const bySignal = yield* hold(`${label}-${signal}`, wrapped(shell, ...idle))
          yield* bySignal.expect("ready")
          yield* docker("kill", "--signal", signal, bySignal.id)
          yield* bySignal.ended
          assert.include(bySignal.printed(), "told")
        }
        const byItself = yield* hold(`${label}-itself`, wrapped(shell, "-c", "sleep 1; exit 7"))
        assert.strictEqual(yield* byItself.ended, 7)
      }),
    90_000
  )
})
