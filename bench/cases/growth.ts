/** What ten times as much costs: ten times, if nothing grows faster than it should. */
import * as Effect from "effect/Effect"
import type { HarnessError } from "../../test/support/HarnessError.ts"
import { type Case, inTurns } from "../Case.ts"
import { runLoad } from "../LoadRun.ts"
import type { Server } from "../Server.ts"
import { pairedRatio } from "../Statistics.ts"
import { watchSsh } from "../Timing.ts"
import { memoryPrograms } from "../World.ts"

const mebibyte = 1024 * 1024

const load = (server: Server, connections: number, channels: number): Effect.Effect<number, HarnessError> =>
  Effect.map(
    Effect.scoped(runLoad(server.target, { connections, atOnce: 10, command: "true", channels })),
    ({ elapsed }) => elapsed
  )

const volume = ({ target }: Server, bytes: number): Effect.Effect<number, HarnessError> =>
  Effect.map(
    watchSsh({ ...target, command: `${memoryPrograms.zeros} ${bytes}` }, { stdin: "eof" }),
    ({ elapsed, firstByte }) => elapsed - firstByte
  )

export const growth: Case = {
  name: "growth",
  title: "Ten times as much, engine in memory",
  run: Effect.fnUntraced(function* (world, { quick }) {
    const server = yield* world.inMemory()
    const size = quick ? 1 : 2
    const pairs = {
      "30 connections": load(server, 30 * size, 1),
      "300 connections": load(server, 300 * size, 1),
      "10 × 10 channels": load(server, 10, 10 * size),
      "10 × 100 channels": load(server, 10, 100 * size),
      "40 MiB": volume(server, 40 * size * mebibyte),
      "400 MiB": volume(server, 400 * size * mebibyte)
    }
    const samples = yield* inTurns(3, pairs)
    const times = (small: keyof typeof pairs, large: keyof typeof pairs) =>
      pairedRatio(samples.of(large), samples.of(small))
    return {
      figures: samples.figures("whole time", "ms"),
      bars: [
        { name: "ten times the connections cost", value: times("30 connections", "300 connections") },
        { name: "ten times the channels cost", value: times("10 × 10 channels", "10 × 100 channels") },
        { name: "ten times the volume costs", value: times("40 MiB", "400 MiB") }
      ].map((bar) => ({ ...bar, limit: 12, sense: "at most" as const, unit: "" })),
      notes: size === 1 ? [] : [`All volumes and counts are ${size} times what their names say.`]
    }
  })
}
