/** One more program on a connection that is there already. */
import * as Effect from "effect/Effect"
import * as Record from "effect/Record"
import { controlMaster } from "../../test/support/OpenSsh.ts"
import { type Case, inTurns, type Measurement } from "../Case.ts"
import { pairedRatio } from "../Statistics.ts"
import { watch, watchSsh } from "../Timing.ts"
import { settle, type World } from "../World.ts"

/** A connection to each server that stays open, and so a container that runs. */
const connections = Effect.fnUntraced(function* (world: World) {
  const [sshd, cold, warm] = yield* Effect.all([world.sshd, world.cold, world.warm])
  return {
    sshd: (yield* controlMaster(sshd)).target,
    cold: (yield* controlMaster(cold.target)).target,
    warm: (yield* controlMaster(warm.target)).target
  }
})

/** Each begins with what the one before has had the engine do in the background done. */
const settled = (contenders: { readonly [name: string]: Measurement }) =>
  Record.map(contenders, (measure) => Effect.andThen(settle, measure))

export const exec: Case = {
  name: "exec",
  title: "A program on an existing connection → first byte",
  run: Effect.fnUntraced(function* (world, { turns }) {
    const { cold, sshd, warm } = yield* connections(world)
    const command = "/bin/echo hello"
    const engine = yield* world.engine
    const container = yield* world.warmContainer
    const overSshd = yield* world.dockerExec(command, "")
    const cli = ["exec", container, "/bin/echo", "hello"]
    const eof = { stdin: "eof" } as const
    const names = {
      warm: "dockerrun, warm connection",
      cold: "dockerrun",
      cli: "docker exec (CLI)",
      sshdExec: "sshd + docker exec",
      sshd: "sshd, no container",
      floor: "engine: exec",
      client: "OpenSSH's client alone"
    }
    const samples = yield* inTurns(
      turns * 2,
      settled({
        [names.warm]: Effect.map(watchSsh({ ...warm, command }, eof), (moments) => moments.firstByte),
        [names.cold]: Effect.map(watchSsh({ ...cold, command }, eof), (moments) => moments.firstByte),
        [names.cli]: Effect.map(
          watch("docker", cli, { ...eof, env: { DOCKER_HOST: engine.host } }),
          (moments) => moments.firstByte
        ),
        [names.sshdExec]: Effect.map(watchSsh({ ...sshd, command: overSshd }, eof), (moments) => moments.firstByte),
        [names.sshd]: Effect.map(watchSsh({ ...sshd, command }, eof), (moments) => moments.firstByte),
        [names.floor]: Effect.map(engine.exec(container, ["/bin/echo", "hello"]), (times) => times.firstByte),
        // Asks its master whether it is there, and no server.
        [names.client]: Effect.map(watchSsh({ ...warm, args: ["-O", "check"] }, eof), (moments) => moments.elapsed)
      })
    )
    return {
      figures: samples.figures("first byte", "ms"),
      bars: [
        {
          name: "exec on an existing connection, of docker exec by CLI",
          value: pairedRatio(samples.of(names.warm), samples.of(names.cli)),
          limit: 0.15,
          sense: "at most",
          unit: ""
        },
        {
          name: "the same, less the start of OpenSSH's client",
          value: pairedRatio(
            samples.of(names.warm).map((value, turn) => value - (samples.of(names.client)[turn] ?? 0)),
            samples.of(names.cli)
          ),
          limit: 0.15,
          sense: "at most",
          unit: ""
        }
      ],
      notes: ["The client is OpenSSH's, joined to a ControlMaster: its own start is part of each figure through SSH."]
    }
  })
}

export const exit: Case = {
  name: "exit",
  title: "Last byte → end of the client",
  run: Effect.fnUntraced(function* (world, { turns }) {
    const { sshd, warm } = yield* connections(world)
    const engine = yield* world.engine
    const container = yield* world.warmContainer
    const command = "/bin/echo hello"
    const overSshd = yield* world.dockerExec(command)
    const names = { open: "dockerrun, stdin open", eof: "dockerrun, stdin at EOF" }
    const samples = yield* inTurns(
      turns * 2,
      settled({
        [names.open]: Effect.map(watchSsh({ ...warm, command }, { stdin: "open" }), (moments) => moments.exit),
        [names.eof]: Effect.map(watchSsh({ ...warm, command }, { stdin: "eof" }), (moments) => moments.exit),
        "sshd + docker exec, stdin open": Effect.map(
          watchSsh({ ...sshd, command: overSshd }, { stdin: "open" }),
          (moments) => moments.exit
        ),
        "sshd + docker exec, stdin at EOF": Effect.map(
          watchSsh({ ...sshd, command: overSshd }, { stdin: "eof" }),
          (moments) => moments.exit
        ),
        "sshd, no container, stdin at EOF": Effect.map(
          watchSsh({ ...sshd, command }, { stdin: "eof" }),
          (moments) => moments.exit
        ),
        "engine: first byte → exit status known": Effect.map(
          engine.exec(container, ["/bin/echo", "hello"]),
          (times) => times.flow + times.exit
        )
      })
    )
    return {
      figures: samples.figures("exit", "ms"),
      bars: [names.open, names.eof].map((name) => ({
        name: `exit latency, ${name}`,
        value: pairedRatio(
          samples.of(name),
          samples.of(name).map(() => 1)
        ),
        limit: 15,
        sense: "at most" as const,
        unit: "ms"
      })),
      notes: []
    }
  })
}
