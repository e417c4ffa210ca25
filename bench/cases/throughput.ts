/** How fast bytes move. */
import * as Effect from "effect/Effect"
import { controlMaster, type SshTarget } from "../../test/support/OpenSsh.ts"
import { type Bar, type Case, type Figure, inTurns, type Measurement, type Samples } from "../Case.ts"
import { pairedRatio } from "../Statistics.ts"
import type * as RawEngine from "../RawEngine.ts"
import { watchSsh } from "../Timing.ts"
import { memoryPrograms, type World } from "../World.ts"

const mebibyte = 1024 * 1024
const ciphers = ["aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"]

interface Side {
  readonly target: SshTarget
  readonly command: string
}

const names = {
  ours: "dockerrun",
  memory: "dockerrun, engine in memory",
  exec: "sshd + docker exec",
  plain: "sshd, no container",
  floor: "engine: exec"
}

const perSecond = (bytes: number, milliseconds: number) => bytes / 1000 / milliseconds

/** From the first byte to the last: what came before is another case's. */
const down =
  (bytes: number, tty = false) =>
  ({ command, target }: Side): Measurement =>
    Effect.map(
      watchSsh({ ...target, command, ...(tty ? { tty: "-tt" as const } : {}) }, { stdin: "open" }),
      (moments) => perSecond(bytes, moments.elapsed - moments.exit - moments.firstByte)
    )

/** From the start of the client to its end, on a connection that is there. */
const up =
  (bytes: number) =>
  ({ command, target }: Side): Measurement =>
    Effect.map(watchSsh({ ...target, command }, { stdin: bytes }), ({ elapsed }) => perSecond(bytes, elapsed))

/** Measures the sides in turns with each cipher, each side on a connection of its own; and what knows of no cipher. */
const withEachCipher = Effect.fnUntraced(function* (
  turns: number,
  sides: Readonly<Record<string, Side>>,
  measure: (side: Side) => Measurement,
  using: ReadonlyArray<string>,
  others: Readonly<Record<string, Measurement>> = {}
) {
  const samples = new Map<string, Samples>()
  for (const cipher of using) {
    samples.set(
      cipher.replace("@openssh.com", ""),
      yield* Effect.scoped(
        Effect.gen(function* () {
          const contenders: Record<string, Measurement> = {}
          for (const [name, { command, target }] of Object.entries(sides)) {
            const joined = (yield* controlMaster({ ...target, options: { Ciphers: cipher } })).target
            contenders[name] = measure({ target: joined, command })
          }
          return yield* inTurns(turns, { ...contenders, ...others })
        })
      )
    )
  }
  return samples
})

const figures = (samples: ReadonlyMap<string, Samples>): ReadonlyArray<Figure> =>
  Array.from(samples, ([cipher, of]) => of.figures(cipher, "MB/s")).flat()

const bars = (
  what: string,
  samples: ReadonlyMap<string, Samples>,
  [ours, theirs]: readonly [string, string],
  limit: number
): ReadonlyArray<Bar> =>
  Array.from(samples, ([cipher, { of }]) => ({
    name: `${what}, ${cipher}, of ${theirs}`,
    value: pairedRatio(of(ours), of(theirs)),
    limit,
    sense: "at least",
    unit: ""
  }))

const containerSides = Effect.fnUntraced(function* (world: World, command: string, flags: string = "-i") {
  const [cold, sshd] = yield* Effect.all([world.cold, world.sshd])
  return {
    [names.ours]: { target: cold.target, command },
    [names.exec]: { target: sshd, command: yield* world.dockerExec(command, flags) },
    [names.plain]: { target: sshd, command }
  }
})

/** The engine's own API, with a program in the container that is warm. */
const floorOf = Effect.fnUntraced(function* (
  world: World,
  command: string,
  input: number,
  measure: (times: RawEngine.ExecTimes) => number
) {
  const [engine, container] = yield* Effect.all([world.engine, world.warmContainer])
  return { [names.floor]: Effect.map(engine.exec(container, ["/bin/sh", "-c", command], { input }), measure) }
})

const zeros = (bytes: number) => `/bin/dd if=/dev/zero bs=65536 count=${bytes / 65_536} status=none`
const swallow = "/bin/sh -c 'cat >/dev/null'"

const volume = (quick: boolean) => (quick ? 64 : 256) * mebibyte

/** Of measurements that take several seconds, for each of the ciphers. */
const fewTurns = 5

export const download: Case = {
  name: "download",
  title: "Download through a container, no terminal",
  run: Effect.fnUntraced(function* (world, { quick }) {
    const bytes = volume(quick)
    const floor = yield* floorOf(world, zeros(bytes), 0, ({ flow }) => perSecond(bytes, flow))
    const sides = yield* containerSides(world, zeros(bytes))
    const samples = yield* withEachCipher(fewTurns, sides, down(bytes), ciphers, floor)
    return { figures: figures(samples), bars: bars("download", samples, [names.ours, names.exec], 1.3), notes: [] }
  })
}

export const upload: Case = {
  name: "upload",
  title: "Upload through a container, no terminal",
  run: Effect.fnUntraced(function* (world, { quick }) {
    const bytes = volume(quick)
    const floor = yield* floorOf(world, swallow, bytes, ({ firstByte }) => perSecond(bytes, firstByte))
    const sides = yield* containerSides(world, swallow)
    const samples = yield* withEachCipher(fewTurns, sides, up(bytes), ciphers, floor)
    return { figures: figures(samples), bars: bars("upload", samples, [names.ours, names.exec], 1.2), notes: [] }
  })
}

export const terminal: Case = {
  name: "terminal",
  title: "Download through a container, on a terminal",
  run: Effect.fnUntraced(function* (world, { quick }) {
    const bytes = volume(quick) / 8
    const sides = yield* containerSides(world, zeros(bytes), "-it")
    const samples = yield* withEachCipher(fewTurns, sides, down(bytes, true), ciphers.slice(0, 1))
    return { figures: figures(samples), bars: [], notes: [] }
  })
}

/** SSH alone: what the server does with bytes that cost it nothing to get, and nothing to get rid of. */
const fromMemory = Effect.fnUntraced(function* (world: World, ours: string, theirs: string) {
  const [memory, sshd] = yield* Effect.all([world.inMemory(), world.sshd])
  return {
    [names.memory]: { target: memory.target, command: ours },
    [names.plain]: { target: sshd, command: theirs }
  }
})

export const memoryDownload: Case = {
  name: "memory-download",
  title: "Download from memory, no container",
  run: Effect.fnUntraced(function* (world, { quick }) {
    const bytes = 2 * volume(quick)
    const sides = yield* fromMemory(world, `${memoryPrograms.zeros} ${bytes}`, zeros(bytes))
    const samples = yield* withEachCipher(fewTurns, sides, down(bytes), ciphers)
    return {
      figures: figures(samples),
      bars: bars("download from memory", samples, [names.memory, names.plain], 1.2),
      notes: []
    }
  })
}

export const memoryUpload: Case = {
  name: "memory-upload",
  title: "Upload to memory, no container",
  run: Effect.fnUntraced(function* (world, { quick }) {
    const bytes = 2 * volume(quick)
    const sides = yield* fromMemory(world, memoryPrograms.swallow, swallow)
    const samples = yield* withEachCipher(fewTurns, sides, up(bytes), ciphers)
    return { figures: figures(samples), bars: [], notes: [] }
  })
}
