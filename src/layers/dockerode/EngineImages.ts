/**
 * The operations on images (Engine API, `/images`).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Docker } from "../../services/Docker.ts"
import type { ApiNegotiation } from "./ApiNegotiation.ts"
import * as Answers from "./EngineAnswers.ts"
import { decodeWith, type EngineClient } from "./EngineClient.ts"
import * as ErrorClassification from "./ErrorClassification.ts"
import * as PullProgress from "./PullProgress.ts"

const decodeImage = decodeWith(Schema.fromJsonString(Answers.ImageInspect))

/**
 * @internal
 */
export const make = (client: EngineClient, { withVersion }: ApiNegotiation) => {
  const inspectImage = Effect.fn("Docker.inspectImage")(function* (reference: string) {
    const operation = "inspect image"
    const name = yield* PullProgress.checkReference(operation, reference)
    const answer = yield* withVersion((version) =>
      client.send({ operation, method: "GET", path: `/v${version}/images/${name}/json` })
    )
    const image = yield* decodeImage(operation, answer)
    return {
      id: image.Id,
      tags: image.RepoTags ?? [],
      size: image.Size ?? 0,
      user: image.Config?.User ?? "",
      env: image.Config?.Env ?? [],
      volumes: Object.keys(image.Config?.Volumes ?? {})
    }
  })

  const pullImage: Docker["Service"]["pullImage"] = (reference, options) => {
    const operation = "pull image"
    const opened = Effect.flatMap(PullProgress.checkReference(operation, reference), (name) =>
      withVersion((version) =>
        client.open({
          operation,
          method: "POST",
          path: `/v${version}/images/create`,
          query: PullProgress.query(name, options?.platform),
          classify: ErrorClassification.fromPull
        })
      )
    )
    return client.lines(operation, opened).pipe(
      Stream.mapEffect((line) => PullProgress.fromLine(operation, line)),
      Stream.withSpan("Docker.pullImage", { attributes: { "container.image.name": reference } })
    )
  }

  return { inspectImage, pullImage }
}
