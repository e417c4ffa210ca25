import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { DockerError, NotFound, ServerError } from "../../src/schema/DockerError.ts"
import { ImageReferenceFromString } from "../../src/schema/ImageReference.ts"
import { Docker, type PullProgress } from "../../src/services/Docker.ts"
import * as ImagePull from "../../src/services/ImagePull.ts"

const summaries = (...lines: ReadonlyArray<PullProgress>) =>
  Stream.runCollect(ImagePull.summarize(Stream.fromIterable(lines)))

describe("ImagePull.isPullNeeded", () => {
  /** Present under a tag of its own, present and floating, missing. */
  const needed = {
    Always: [true, true, true],
    IfNotPresent: [false, true, true],
    Never: [false, false, false]
  } as const
  const cases = [
    ["alpine:3", true],
    ["alpine", true],
    ["alpine:3", false]
  ] as const

  for (const policy of ["Always", "IfNotPresent", "Never"] as const) {
    it.effect.each(cases.map((one, index) => [...one, needed[policy][index]] as const))(
      `${policy}: %s, present %s: %s`,
      ([text, present, expected]) =>
        Effect.gen(function* () {
          const reference = yield* Schema.decodeEffect(ImageReferenceFromString)(text)
          assert.strictEqual(ImagePull.isPullNeeded(policy, reference, present), expected)
        })
    )
  }
})

describe("ImagePull.summarize", () => {
  it.effect("counts layers and bytes over the whole image", () =>
    Effect.gen(function* () {
      const seen = yield* summaries(
        { status: "Pulling from demo/x" },
        { status: "Already exists", layer: "a" },
        { status: "Pulling fs layer", layer: "b" },
        { status: "Pulling fs layer", layer: "c" },
        { status: "Downloading", layer: "b", current: 10, total: 100 },
        { status: "Downloading", layer: "c", current: 5, total: 50 },
        { status: "Downloading", layer: "b", current: 90, total: 100 },
        { status: "Verifying Checksum", layer: "b" },
        { status: "Download complete", layer: "b" },
        { status: "Extracting", layer: "b", current: 1, total: 100 },
        { status: "Pull complete", layer: "b" },
        { status: "Pull complete", layer: "c" },
        { status: "Digest: sha256:1" },
        { status: "Status: Downloaded newer image for demo/x" }
      )
      assert.deepStrictEqual(
        seen.map(({ current, layers, layersDone, total }) => [layersDone, layers, current, total]),
        [
          [1, 1, 0, 0],
          [1, 2, 0, 0],
          [1, 3, 0, 0],
          [1, 3, 10, 100],
          [1, 3, 15, 150],
          [1, 3, 95, 150],
          [1, 3, 95, 150],
          [1, 3, 95, 150],
          [1, 3, 95, 150],
          [2, 3, 105, 150],
          [3, 3, 150, 150]
        ]
      )
    })
  )

  it.effect("an image that is up to date has no layers to tell of", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* summaries(
          { status: "Pulling from demo/x", layer: "1" },
          { status: "Digest: sha256:1" },
          { status: "Status: Image is up to date for demo/x" }
        ),
        []
      )
    })
  )

  const Line = Schema.Struct({
    layer: Schema.Literals(["a", "b", "c"]),
    status: Schema.Literals(["Pulling fs layer", "Downloading", "Extracting", "Pull complete", "Already exists"]),
    current: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000 })),
    total: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000 }))
  })

  it.effect.prop(
    "never has more of a thing than there is of it, whatever the engine says",
    [Schema.Array(Line)],
    ([lines]) =>
      Effect.gen(function* () {
        const seen = yield* summaries(...lines)
        assert.strictEqual(seen.length, lines.length)
        for (const [index, { current, layers, layersDone, total }] of seen.entries()) {
          assert.isAtMost(current, total)
          assert.isAtMost(layersDone, layers)
          assert.strictEqual(layers, new Set(lines.slice(0, index + 1).map(({ layer }) => layer)).size)
          assert.isAtLeast(layersDone, seen[index - 1]?.layersDone ?? 0)
        }
      })
  )

  it.effect("fails as the pull does, after what came before", () =>
    Effect.gen(function* () {
      const broken = new DockerError({ operation: "pull image", reason: new ServerError({ message: "broken" }) })
      const seen: Array<ImagePull.PullSummary> = []
      const error = yield* Stream.fromIterable<PullProgress>([{ status: "Already exists", layer: "a" }]).pipe(
        Stream.concat(Stream.fail(broken)),
        ImagePull.summarize,
        Stream.runForEach((summary) => Effect.sync(() => seen.push(summary))),
        Effect.flip
      )
      assert.strictEqual(error, broken)
      assert.strictEqual(seen.length, 1)
    })
  )
})

describe("ImagePull.pull", () => {
  it.effect("asks for the platform only when there is one, and tells of each step", () =>
    Effect.gen(function* () {
      const asked: Array<unknown> = []
      const engine = Layer.mock(Docker, {
        pullImage: (reference, options) => {
          asked.push([reference, options])
          return Stream.make({ status: "Downloading", layer: "a", current: 1, total: 2 })
        }
      })
      const told: Array<number> = []
      const tell = (summary: ImagePull.PullSummary) => Effect.sync(() => void told.push(summary.current))
      const platform = { os: "linux", architecture: "arm64" }
      yield* ImagePull.pull("demo/x:1", Option.none(), tell).pipe(Effect.provide(engine))
      yield* ImagePull.pull("demo/x:1", Option.some(platform), tell).pipe(Effect.provide(engine))
      assert.deepStrictEqual(asked, [
        ["demo/x:1", {}],
        ["demo/x:1", { platform }]
      ])
      assert.deepStrictEqual(told, [1, 1])
    })
  )
})

describe("ImagePull.find", () => {
  const image = { id: "sha256:1", tags: [], size: 1, user: "", env: [], volumes: [] }
  const answer = (reason?: NotFound | ServerError) =>
    ImagePull.find("demo/x:1").pipe(
      Effect.provide(
        Layer.mock(Docker, {
          inspectImage: () =>
            reason === undefined
              ? Effect.succeed(image)
              : Effect.fail(new DockerError({ operation: "inspect image", reason }))
        })
      )
    )

  it.effect("is what the engine says, and no answer is none", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* answer(), image)
      assert.isUndefined(yield* answer(new NotFound({ message: "no such image" })))
      const error = yield* Effect.flip(answer(new ServerError({ status: 500, message: "broken" })))
      assert.strictEqual(error.reason._tag, "ServerError")
    })
  )
})
