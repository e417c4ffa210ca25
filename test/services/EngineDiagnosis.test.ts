import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { DockerError, NotFound, ServerError, Unreachable } from "../../src/schema/DockerError.ts"
import type { ImagePullPolicy } from "../../src/schema/ImagePullPolicy.ts"
import { Docker, type EngineInfo } from "../../src/services/Docker.ts"
import { DockerRunConfig } from "../../src/services/DockerRunConfig.ts"
import * as EngineDiagnosis from "../../src/services/EngineDiagnosis.ts"

const info: EngineInfo = {
  address: "unix:///run/docker.sock",
  origin: "DOCKER_HOST",
  engineVersion: "28.0.1",
  apiVersion: "1.47",
  os: "linux"
}

const unreachable = new DockerError({
  operation: "info",
  reason: new Unreachable({ address: "tcp://1.2.3.4:2375", message: "nobody listens at tcp://1.2.3.4:2375" })
})

interface Engine {
  readonly info?: Effect.Effect<EngineInfo, DockerError>
  readonly images?: ReadonlyArray<string>
  readonly failure?: DockerError
}

const diagnose = (engine: Engine, Image: string, imagePullPolicy: ImagePullPolicy = "IfNotPresent") =>
  EngineDiagnosis.engine.pipe(
    Effect.provide(
      Layer.mergeAll(
        Layer.mock(Docker, {
          info: engine.info ?? Effect.succeed(info),
          inspectImage: (name) => {
            if (engine.failure !== undefined) return Effect.fail(engine.failure)
            return engine.images?.includes(name) === true
              ? Effect.succeed({ id: "sha256:1", tags: [name], size: 12_345_678, user: "", env: [], volumes: [] })
              : Effect.fail(
                  new DockerError({ operation: "inspect image", reason: new NotFound({ message: "no such image" }) })
                )
          }
        }),
        DockerRunConfig.layer({ config: { container: { Image }, imagePullPolicy, shellCommand: ["/bin/sh"] } })
      )
    )
  )

const image = (engine: Engine, name: string, policy?: ImagePullPolicy) =>
  Effect.map(diagnose(engine, name, policy), (findings) => {
    const found = findings.find(({ subject }) => subject === "image")
    assert.isDefined(found)
    return found
  })

describe("EngineDiagnosis", () => {
  it.effect("says where the engine is, where that is from, and what it speaks", () =>
    Effect.gen(function* () {
      const [engine] = yield* diagnose({ images: ["a:1"] }, "a:1")
      assert.strictEqual(engine?.verdict, "ok")
      for (const fact of [info.address, info.origin, info.engineVersion, info.apiVersion, info.os]) {
        assert.include(engine?.message, fact)
      }
    })
  )

  it.effect("fails with the address of an engine that is not there, and does not ask it for the image", () =>
    Effect.gen(function* () {
      const findings = yield* diagnose({ info: Effect.fail(unreachable) }, "a:1")
      assert.deepStrictEqual(
        findings.map(({ subject, verdict }) => [subject, verdict]),
        [["engine", "fail"]]
      )
      assert.include(findings[0]?.message, "tcp://1.2.3.4:2375")
      assert.include(findings[0]?.remedy, "DOCKER_HOST")
    })
  )

  it.effect("gives up on an engine that accepts connections and says nothing", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(diagnose({ info: Effect.never }, "a:1"), { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      const findings = yield* Fiber.join(fiber)
      assert.deepStrictEqual(
        findings.map(({ verdict }) => verdict),
        ["fail"]
      )
      assert.include(findings[0]?.message, "10 seconds")
    })
  )

  describe("the image", () => {
    it.effect("is there and stays as it is", () =>
      Effect.gen(function* () {
        const found = yield* image({ images: ["a:1"] }, "a:1")
        assert.deepStrictEqual(found, { verdict: "ok", subject: "image", message: "a:1 is on the engine (12.3 MB)" })
      })
    )

    it.effect("is there, and pulled again at each login: by Always, or because its tag floats", () =>
      Effect.gen(function* () {
        const always = yield* image({ images: ["a:1"] }, "a:1", "Always")
        assert.strictEqual(always.verdict, "ok")
        assert.match(always.message, /each login pulls it again.*Always/u)
        const floating = yield* image({ images: ["a"] }, "a")
        assert.strictEqual(floating.verdict, "ok")
        assert.match(floating.message, /each login pulls it again.*latest/u)
      })
    )

    it.effect("is there, floats, and is left alone by Never", () =>
      Effect.gen(function* () {
        const found = yield* image({ images: ["a"] }, "a", "Never")
        assert.strictEqual(found.message, "a is on the engine (12.3 MB)")
      })
    )

    it.effect("is missing and will be pulled", () =>
      Effect.gen(function* () {
        const found = yield* image({}, "a:1")
        assert.strictEqual(found.verdict, "ok")
        assert.include(found.message, "the next login pulls it (imagePullPolicy IfNotPresent)")
        assert.include(found.remedy, "docker pull a:1")
      })
    )

    it.effect("is missing and nobody pulls it", () =>
      Effect.gen(function* () {
        const found = yield* image({}, "a:1", "Never")
        assert.strictEqual(found.verdict, "fail")
        assert.include(found.message, "Never")
        assert.include(found.remedy, "docker pull a:1")
      })
    )

    it.effect("is no reference to an image", () =>
      Effect.gen(function* () {
        const found = yield* image({}, "Not An Image")
        assert.strictEqual(found.verdict, "fail")
        assert.include(found.message, "Not An Image is not a reference")
      })
    )

    it.effect("is unknown when the engine fails at the question", () =>
      Effect.gen(function* () {
        const failure = new DockerError({
          operation: "inspect image",
          reason: new ServerError({ status: 500, message: "layer store is broken" })
        })
        const found = yield* image({ failure }, "a:1")
        assert.strictEqual(found.verdict, "fail")
        assert.include(found.message, "layer store is broken")
      })
    )
  })
})
