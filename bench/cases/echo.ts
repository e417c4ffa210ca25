/** What a key press costs, alone and beside a channel that streams. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { within } from "../../test/support/Deadline.ts"
import type { HarnessError } from "../../test/support/HarnessError.ts"
import { controlMaster, sshArguments, type SshTarget, startSsh } from "../../test/support/OpenSsh.ts"
import type { Case } from "../Case.ts"
import { median, quantile } from "../Statistics.ts"

interface Contender {
  readonly name: string
  readonly target: SshTarget
  readonly terminal: string
  readonly stream: string
  /** Ends what the stream's client leaves behind when it is killed. */
  readonly end?: Effect.Effect<unknown, HarnessError>
}

/** Writes one byte after the other, each when the one before has come back; answers with the times. */
const presses = (target: SshTarget, command: string, count: number) =>
  Effect.scoped(
    Effect.gen(function* () {
      const client = yield* startSsh({ ...target, command, tty: "-tt", stdin: "open" })
      const times: Array<number> = []
      return yield* within(
        Effect.callback<ReadonlyArray<number>>((resume) => {
          let sent = 0
          const press = () => {
            sent = performance.now()
            client.stdin.write("x")
          }
          client.stdout.on("data", () => {
            times.push(performance.now() - sent)
            // The first one waited for the program.
            if (times.length > count) resume(Effect.succeed(times.slice(1)))
            // As a person would, one after the other and not in one breath.
            else setTimeout(press, 2)
          })
          press()
        }),
        60_000,
        () => `${times.length} of ${count} key presses on ${command}`
      )
    })
  )

/** A channel of the same connection that sends as much as it can, to nobody. */
const streaming = ({ end = Effect.void, stream, target }: Contender): Effect.Effect<void, HarnessError, Scope.Scope> =>
  Effect.asVoid(
    Effect.acquireRelease(
      Effect.sync(() => spawn("ssh", sshArguments({ ...target, command: stream }), { stdio: "ignore" })),
      (child) =>
        Effect.andThen(
          Effect.sync(() => child.kill("SIGKILL")),
          Effect.orDie(end)
        )
    )
  )

export const echo: Case = {
  name: "echo",
  title: "Echo of a key on a terminal",
  run: Effect.fnUntraced(function* (world, { quick }) {
    const [sshd, cold, engine, container] = yield* Effect.all([
      world.sshd,
      world.cold,
      world.engine,
      world.warmContainer
    ])
    const contenders: ReadonlyArray<Contender> = [
      {
        name: "dockerrun",
        target: (yield* controlMaster(cold.target)).target,
        terminal: "/bin/cat",
        stream: "/bin/cat /dev/zero"
      },
      {
        name: "sshd + docker exec",
        target: (yield* controlMaster(sshd)).target,
        terminal: yield* world.dockerExec("/bin/cat", "-it"),
        stream: yield* world.dockerExec("/bin/cat /dev/zero"),
        // A `docker exec` whose client was killed runs on, for ever, and so does what the engine does with its output.
        end: engine.exec(container, ["/bin/killall", "-9", "cat"])
      },
      {
        name: "sshd, no container",
        target: (yield* controlMaster(sshd)).target,
        terminal: "cat",
        stream: "cat /dev/zero"
      }
    ]
    const count = quick ? 100 : 250
    const blocks = quick ? 1 : 3
    const idle = new Map<string, Array<number>>()
    const busy = new Map<string, Array<number>>()
    const add = (to: Map<string, Array<number>>, name: string, times: ReadonlyArray<number>) =>
      to.set(name, [...(to.get(name) ?? []), ...times])
    for (let block = 0; block < blocks; block += 1) {
      for (const contender of contenders) {
        const { name, target, terminal } = contender
        add(idle, name, yield* presses(target, terminal, count))
        add(busy, name, yield* Effect.scoped(Effect.andThen(streaming(contender), presses(target, terminal, count))))
      }
    }
    const figures = (quantity: string, times: Map<string, Array<number>>) =>
      Array.from(times, ([contender, samples]) => ({ quantity, contender, unit: "ms", samples }))
    const p99 = (times: Map<string, Array<number>>) => quantile(times.get("dockerrun") ?? [], 0.99)
    return {
      figures: [...figures("idle", idle), ...figures("while another channel streams", busy)],
      bars: [
        {
          name: "echo p99 while another channel streams, of the idle p99",
          value: p99(busy) / p99(idle),
          limit: 10,
          sense: "at most",
          unit: ""
        }
      ],
      notes: [
        `Both channels are on one connection of one OpenSSH client. Medians beside a stream: ${Array.from(busy, ([name, times]) => `${name} ${median(times).toFixed(1)} ms`).join(", ")}.`
      ]
    }
  })
}
