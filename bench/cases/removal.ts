import * as Effect from "effect/Effect"
import { waitFor } from "../../test/support/Deadline.ts"
import type { HarnessError } from "../../test/support/HarnessError.ts"
import { type SshRequest, startSsh } from "../../test/support/OpenSsh.ts"
import { type Case, inTurns } from "../Case.ts"
import { floorLabel, image } from "../World.ts"

/** The client is killed; how long until its container is gone from the engine. */
export const removal: Case = {
  name: "removal",
  title: "Client killed → container gone",
  run: Effect.fnUntraced(function* (world, { turns }) {
    const [engine, sshd, cold] = yield* Effect.all([world.engine, world.sshd, world.cold])
    const run = yield* world.dockerRun("/bin/cat")
    const leave = (request: SshRequest): Effect.Effect<number, HarnessError> =>
      Effect.scoped(
        Effect.gen(function* () {
          const before = yield* engine.containers
          const client = yield* startSsh({ ...request, stdin: "open" })
          client.stdin.write("here\n")
          // The echo of the program: everything is there.
          yield* Effect.callback<void>((resume) => {
            client.stdout.once("data", () => resume(Effect.void))
          })
          const container = yield* waitFor(
            "the container",
            Effect.map(engine.containers, (now) => Array.from(now).find((id) => !before.has(id)))
          )
          const started = performance.now()
          yield* client.kill("SIGKILL")
          yield* engine.gone(container)
          return performance.now() - started
        })
      )
    const samples = yield* inTurns(turns, {
      dockerrun: leave({ ...cold.target, command: "/bin/cat" }),
      "sshd + docker run --rm": leave({ ...sshd, command: run }),
      "engine: kill and remove": Effect.gen(function* () {
        const id = yield* engine.startContainer(image, floorLabel)
        const started = performance.now()
        yield* engine.removeContainer(id)
        return performance.now() - started
      })
    })
    return {
      figures: samples.figures("container gone", "ms"),
      bars: [],
      notes: ["The engine is asked every 20 ms whether the container is still there."]
    }
  })
}
