import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { waitFor } from "../support/Deadline.ts"
import { containers, describeEngine, docker, removeImage, volumes } from "../support/Engine.ts"
import { ssh, startSsh } from "../support/OpenSsh.ts"
import { type ServerOptions, startServer } from "../support/Server.ts"

/** The containers of one test, by a label of their own: those that wait have no user yet. */
const own = (test: string) => containers(`test=${test}`)

/** Waits until so many containers of a test run, and no others of it are there. */
const waitForRunning = (test: string, count: number) =>
  waitFor(
    `${count} running containers`,
    Effect.map(own(test), (all) =>
      all.length === count && all.every(({ State }) => State === "running") ? all : undefined
    ),
    30_000
  )

const options = (test: string, size: number, image = "dockerrun-test/tiny:1"): ServerOptions => ({
  user: test,
  backend: { container: { Image: image, Labels: { test } }, pool: { size } }
})

describeEngine("a pool of started containers", () => {
  it.live(
    "serves connections, each with a container of its own that bears their id, and is empty when the server has ended",
    () =>
      Effect.gen(function* () {
        const test = "pool-serves"
        const server = yield* startServer(options(test, 2))
        yield* server.waitForEvent("POOL_FILLED", undefined, 30_000)
        const waiting = (yield* waitForRunning(test, 2)).map(({ Id }) => Id)

        const first = yield* startSsh({ ...server.target, command: "cat" })
        const second = yield* startSsh({ ...server.target, command: "cat" })
        const taken = yield* Effect.forEach([0, 1], (left) =>
          server.waitForEvent("POOL_TAKEN", (event) => event["left"] === 1 - left)
        )
        assert.sameMembers(
          taken.map((event) => event["containerId"]),
          waiting
        )
        yield* waitForRunning(test, 4)
        const names = new Map(
          taken.map((event) => [event["containerId"], `/dockerrun-${String(event["connectionId"])}`])
        )
        yield* waitFor(
          "both to be renamed",
          Effect.map(own(test), (all) => all.filter(({ Id, Names }) => Names[0] === names.get(Id)).length === 2)
        )
        for (const client of [first, second]) client.stdin.end()
        assert.deepStrictEqual([(yield* first.exit).status, (yield* second.exit).status], [0, 0])
        const left = (yield* waitForRunning(test, 2)).map(({ Id }) => Id)
        assert.deepStrictEqual(
          left.filter((id) => waiting.includes(id)),
          []
        )
        assert.strictEqual((yield* ssh({ ...server.target, command: "echo here; exit 3" })).status, 3)

        yield* server.kill("SIGTERM")
        assert.strictEqual((yield* server.exit()).status, 0)
        assert.deepStrictEqual(yield* own(test), [])
      }),
    90_000
  )

  it.live(
    "goes with a server that is killed, taken or not",
    () =>
      Effect.gen(function* () {
        const test = "pool-killed"
        const before = new Set(yield* volumes)
        const server = yield* startServer(options(test, 2, "dockerrun-test/volume:1"))
        yield* server.waitForEvent("POOL_FILLED", undefined, 30_000)
        yield* startSsh({ ...server.target, command: "sleep 300" })
        yield* server.waitForEvent("PROGRAM_STARTED")
        yield* waitForRunning(test, 3)
        yield* server.kill("SIGKILL")
        yield* waitFor(
          "its containers and their volumes to go",
          Effect.map(
            Effect.all([own(test), volumes]),
            ([all, names]) => all.length === 0 && names.every((name) => before.has(name))
          )
        )
      }),
    90_000
  )

  it.live(
    "is filled anew when the image has become another, or a container of it was killed",
    () =>
      Effect.gen(function* () {
        const test = "pool-image"
        const image = "dockerrun-test/pooled:1"
        yield* Effect.addFinalizer(() => Effect.ignore(removeImage(image)))
        yield* docker("tag", "dockerrun-test/tiny:1", image)
        const server = yield* startServer(options(test, 2, image))
        yield* server.waitForEvent("POOL_FILLED", undefined, 30_000)
        const [killed, old] = yield* waitForRunning(test, 2)
        yield* docker("tag", "dockerrun-test/volume:1", image)
        yield* docker("kill", killed?.Id ?? "")
        yield* server.waitForEvent("POOL_CONTAINER_LOST", (event) => event["containerId"] === killed?.Id)
        yield* server.waitForEvent("POOL_IMAGE_CHANGED", (event) => event["count"] === 1)
        const renewed = yield* waitFor(
          "two others",
          Effect.map(own(test), (all) =>
            all.length === 2 && all.every(({ Id, State }) => State === "running" && Id !== killed?.Id && Id !== old?.Id)
              ? all
              : undefined
          ),
          30_000
        )
        // Only the new image has a volume.
        const mounts = yield* Effect.forEach(renewed, ({ Id }) => docker("inspect", "-f", "{{len .Mounts}}", Id))
        assert.deepStrictEqual(
          mounts.map((count) => count.trim()),
          ["1", "1"]
        )
      }),
    90_000
  )
})
