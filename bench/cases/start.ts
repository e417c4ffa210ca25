/** How long a person waits who opens a connection. */
import * as Effect from "effect/Effect"
import * as Record from "effect/Record"
import type { HarnessError } from "../../test/support/HarnessError.ts"
import type { SshRequest } from "../../test/support/OpenSsh.ts"
import { type Bar, type Case, inTurns, type Measurement, type Samples } from "../Case.ts"
import { pairedDifference, pairedRatio } from "../Statistics.ts"
import { prompt, type Until, watchSsh } from "../Timing.ts"
import { floorLabel, image, type World } from "../World.ts"

const names = {
  warm: "dockerrun, warm",
  cold: "dockerrun, cold",
  run: "sshd + docker run --rm",
  exec: "sshd + docker exec",
  plain: "sshd, no container",
  sameKex: "sshd, no container, curve25519",
  coldFloor: "engine: create, start, exec",
  warmFloor: "engine: exec"
}

interface Wait {
  readonly command: string
  /** For `docker run` and `docker exec`. */
  readonly flags: string
  /** On a terminal: waits for this, and answers. */
  readonly until?: Until
  readonly measure: (request: SshRequest) => Effect.Effect<number, HarnessError>
}

const bars = (name: string, { of }: Samples): ReadonlyArray<Bar> => [
  {
    name: `${name}: warm, of sshd + docker run`,
    value: pairedRatio(of(names.warm), of(names.run)),
    limit: 0.1,
    sense: "at most" as const,
    unit: ""
  },
  {
    name: `${name}: warm, of sshd without a container`,
    value: pairedRatio(of(names.warm), of(names.plain)),
    limit: 1,
    sense: "at most" as const,
    unit: ""
  },
  {
    name: `${name}: cold, above the engine's create + start + exec`,
    value: pairedDifference(of(names.cold), of(names.coldFloor)),
    limit: 40,
    sense: "at most",
    unit: "ms"
  }
]

const contenders = Effect.fnUntraced(function* (world: World, { command, flags, measure, until }: Wait) {
  const [engine, sshd, cold, warm, warmContainer] = yield* Effect.all([
    world.engine,
    world.sshd,
    world.cold,
    world.warm,
    world.warmContainer
  ])
  const [run, exec] = yield* Effect.all([world.dockerRun(command, flags), world.dockerExec(command, flags)])
  const program = command.split(" ")
  const options = { tty: until !== undefined, until }
  /** Over the bare API; the removal is not counted. */
  const coldFloor: Measurement = Effect.gen(function* () {
    const started = performance.now()
    const id = yield* engine.startContainer(image, floorLabel)
    const running = performance.now()
    const { firstByte } = yield* engine.exec(id, program, options)
    yield* engine.removeContainer(id)
    return running - started + firstByte
  })
  const measured: { readonly [name: string]: Measurement } = {
    [names.warm]: measure({ ...warm.target, command }),
    [names.cold]: measure({ ...cold.target, command }),
    [names.run]: measure({ ...sshd, command: run }),
    [names.exec]: measure({ ...sshd, command: exec }),
    [names.plain]: measure({ ...sshd, command }),
    [names.sameKex]: measure({ ...sshd, command, options: { KexAlgorithms: "curve25519-sha256" } }),
    [names.coldFloor]: coldFloor,
    [names.warmFloor]: Effect.map(engine.exec(warmContainer, program, options), ({ firstByte }) => firstByte)
  }
  return Record.map(measured, (measure) => Effect.andThen(world.rest, measure))
})

export const start: Case = {
  name: "start",
  title: "Client start → first byte of `echo`",
  run: Effect.fnUntraced(function* (world, { turns }) {
    const samples = yield* inTurns(
      turns,
      yield* contenders(world, {
        command: "/bin/echo hello",
        flags: "",
        measure: (request) => Effect.map(watchSsh(request, { stdin: "eof" }), ({ firstByte }) => firstByte)
      })
    )
    return { figures: samples.figures("first byte", "ms"), bars: bars("start", samples), notes: [] }
  })
}

export const promptCase: Case = {
  name: "prompt",
  title: "Client start → prompt on a terminal",
  run: Effect.fnUntraced(function* (world, { turns }) {
    const samples = yield* inTurns(
      turns,
      yield* contenders(world, {
        command: "/bin/sh",
        flags: "-it",
        until: prompt,
        measure: (request) =>
          Effect.map(watchSsh({ ...request, tty: "-tt" }, { stdin: "open", until: prompt }), ({ found }) => found)
      })
    )
    return { figures: samples.figures("prompt", "ms"), bars: bars("prompt", samples), notes: [] }
  })
}
