/**
 * Claims about the engine itself, its images and its events.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { type ContainerEvent, Docker } from "../services/Docker.ts"
import {
  begin,
  type ConformanceCase,
  type ConformanceImages,
  expectEqual,
  expectReason,
  makeCase,
  type Setting,
  until
} from "./Conformance.ts"
import { makeContainer, uniqueName } from "./ConformanceContainer.ts"

const pulls = (offered: NonNullable<ConformanceImages["pull"]>): ReadonlyArray<ConformanceCase> => {
  const pull = (reference: string) => Docker.use((docker) => Stream.runCollect(docker.pullImage(reference)))
  return [
    makeCase(
      "pulls",
      "report their progress, and the image is there afterwards, also the second time",
      Effect.gen(function* () {
        const docker = yield* Docker
        const first = yield* pull(offered.present)
        const image = yield* docker.inspectImage(offered.present)
        yield* expectEqual(
          "whether it said anything",
          first.some(({ status }) => status !== ""),
          true
        )
        const excessive = first.filter(({ current, total }) => (current ?? 0) > (total ?? Number.POSITIVE_INFINITY))
        yield* expectEqual("lines with more than all", excessive, [])
        yield* pull(offered.present)
        yield* expectEqual("the image", (yield* docker.inspectImage(offered.present)).id, image.id)
      })
    ),
    makeCase(
      "pulls",
      "that fail tell why",
      Effect.gen(function* () {
        yield* expectReason("an image that the registry has not", pull(offered.missing), "NotFound")
        yield* expectReason("a registry that is not there", pull(offered.unreachable), "RegistryUnreachable")
        yield* expectReason("what is no reference", pull("No/Reference:1"), "BadRequest")
      })
    ),
    makeCase(
      "pulls",
      "are given up when nobody reads on",
      Effect.gen(function* () {
        const docker = yield* Docker
        const line = yield* Stream.runHead(docker.pullImage(offered.present))
        yield* expectEqual("whether there was a line", Option.isSome(line), true)
      })
    )
  ]
}

/**
 * @internal
 */
export const cases = (setting: Setting): ReadonlyArray<ConformanceCase> => [
  makeCase(
    "engine",
    "says who it is",
    Effect.gen(function* () {
      const info = yield* (yield* Docker).info
      yield* expectEqual("whether the version is one", /^\d+\.\d+$/u.test(info.apiVersion), true)
      yield* expectEqual("whether it is somewhere", info.address.includes("://"), true)
    })
  ),
  makeCase(
    "images",
    "are found, or not, or are no reference",
    Effect.gen(function* () {
      const docker = yield* Docker
      const image = yield* docker.inspectImage(setting.images.shell)
      yield* expectEqual("the id", image.id.startsWith("sha256:"), true)
      yield* expectEqual("by its id", (yield* docker.inspectImage(image.id)).id, image.id)
      yield* expectReason("one that is missing", docker.inspectImage("dockerrun-conformance/nothing:1"), "NotFound")
    })
  ),
  makeCase(
    "events",
    "tell of a container's life in its order, to those who asked for its labels",
    Effect.gen(function* () {
      const docker = yield* Docker
      const run = yield* uniqueName("events")
      const all: Array<ContainerEvent> = []
      const watching = yield* begin(
        docker.containerEvents([`run=${run}`]).pipe(
          Stream.tap((event) => Effect.sync(() => void all.push(event))),
          Stream.takeUntil(({ action, attributes }) => action === "destroy" && attributes["last"] === "yes"),
          Stream.runDrain
        )
      )
      // Nothing says that the engine has begun to watch, but the first event of another container does.
      yield* until(Effect.scoped(makeContainer(setting, { Labels: { run } })), () => all.length > 0)
      yield* makeContainer(setting, { Labels: { other: run } })
      const id = yield* makeContainer(setting, { Labels: { run, last: "yes" } })
      yield* docker.startContainer(id)
      yield* docker.removeContainer(id)
      yield* watching
      const seen = all.filter(({ attributes }) => attributes["last"] === "yes")
      yield* expectEqual(
        "those of others",
        all.filter(({ attributes }) => attributes["run"] !== run),
        []
      )
      const actions = seen.map(({ action }) => action)
      yield* expectEqual("whose they are", [...new Set(seen.map(({ containerId }) => containerId))], [id])
      yield* expectEqual("the order", actions, ["create", "start", "kill", "die", "destroy"])
      yield* expectEqual("how it died", seen.find(({ action }) => action === "die")?.attributes["exitCode"], "137")
      yield* expectEqual("the label", seen[0]?.attributes["run"], run)
    })
  ),
  ...(setting.images.pull === undefined ? [] : pulls(setting.images.pull))
]
