import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as DockerodeDocker from "../../src/layers/DockerodeDocker.ts"
import { Docker, type PullProgress } from "../../src/services/Docker.ts"
import { waitFor } from "../support/Deadline.ts"
import { describeEngine, engine, engineSockets } from "../support/Engine.ts"
import { closedAddress, pushImage, slowRegistry, startRegistry } from "../support/Registry.ts"

const ourEngine = Layer.unwrap(Effect.sync(() => DockerodeDocker.layerHost({ host: engine().host })))

const failure = (reference: string) =>
  Docker.use((docker) => Effect.flip(Stream.runDrain(docker.pullImage(reference)))).pipe(
    Effect.map(({ reason }) => reason._tag)
  )

describeEngine("DockerodeDocker: pulls", () => {
  layer(ourEngine, { excludeTestServices: true })((it) => {
    it.effect("pulls an image and reports its layers", () =>
      Effect.gen(function* () {
        const docker = yield* Docker
        const reference = yield* pushImage({ name: `pull-${process.pid}`, bytes: 3_000_000 })
        assert.strictEqual((yield* Effect.flip(docker.inspectImage(reference))).reason._tag, "NotFound")
        const progress = yield* Stream.runCollect(docker.pullImage(reference))
        assert.include((yield* docker.inspectImage(reference)).tags, reference)
        const downloading = progress.filter(({ status }) => status === "Downloading")
        assert.isAbove(downloading.length, 0)
        assert.isTrue(downloading.every(({ current, layer, total }) => layer && (current ?? 0) <= (total ?? Infinity)))
        assert.isTrue(progress.some(({ status }) => status === "Pull complete"))
        assert.isTrue(progress.some(({ layer, status }) => layer === undefined && status.startsWith("Status: ")))
      })
    )

    it.effect("tells the ways in which a pull fails apart", () =>
      Effect.gen(function* () {
        const locked = yield* startRegistry({ credentials: { username: "u", password: "secret" } })
        assert.strictEqual(yield* failure(`${engine().registry}/no/such:1`), "NotFound")
        assert.strictEqual(yield* failure(`${yield* closedAddress}/x/y:1`), "RegistryUnreachable")
        assert.strictEqual(yield* failure(`${locked.address}/x/y:1`), "Unauthorized")
        assert.strictEqual(yield* failure("UPPER/Case:1"), "BadRequest")
        assert.strictEqual(yield* failure(""), "BadRequest")
      })
    )

    it.effect("an interrupted pull ends its request, and progress is seen while it goes on", () =>
      Effect.gen(function* () {
        const docker = yield* Docker
        const name = `interrupted-${process.pid}`
        const pushed = yield* pushImage({ name, bytes: 4_000_000 })
        const slow = yield* slowRegistry(engine().registry, 200_000)
        const reference = pushed.replace(engine().registry, slow)
        const seen: Array<PullProgress> = []
        const before = yield* engineSockets(process.pid)
        const pulling = yield* docker.pullImage(reference).pipe(
          Stream.runForEach((progress) => Effect.sync(() => seen.push(progress))),
          Effect.forkChild
        )
        yield* waitFor(
          "bytes of a layer",
          Effect.sync(() => seen.some(({ current }) => (current ?? 0) > 0))
        )
        yield* Fiber.interrupt(pulling)
        yield* waitFor(
          "the request to end",
          Effect.map(engineSockets(process.pid), (now) => now <= before)
        )
        assert.strictEqual((yield* Effect.flip(docker.inspectImage(reference))).reason._tag, "NotFound")
      })
    )
  })
})
