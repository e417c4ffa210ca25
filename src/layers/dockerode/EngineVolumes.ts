/**
 * The operations on volumes (Engine API, `/volumes`).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { ApiNegotiation } from "./ApiNegotiation.ts"
import * as Answers from "./EngineAnswers.ts"
import { decodeWith, type EngineClient } from "./EngineClient.ts"

const decodeVolumes = decodeWith(Schema.fromJsonString(Answers.VolumeList))

/**
 * @internal
 */
export const make = (client: EngineClient, { withVersion }: ApiNegotiation) => {
  const listVolumes = Effect.fn("Docker.listVolumes")(function* (labels: ReadonlyArray<string>) {
    const operation = "list volumes"
    const answer = yield* withVersion((version) =>
      client.send({
        operation,
        method: "GET",
        path: `/v${version}/volumes`,
        query: { filters: JSON.stringify({ label: labels }) }
      })
    )
    return ((yield* decodeVolumes(operation, answer)).Volumes ?? []).map(({ Labels, Name }) => ({
      name: Name,
      labels: Labels ?? {}
    }))
  })

  const removeVolume = Effect.fn("Docker.removeVolume")(function* (name: string) {
    yield* withVersion((version) =>
      client.send({
        operation: "remove volume",
        method: "DELETE",
        path: `/v${version}/volumes/${encodeURIComponent(name)}`
      })
    )
  })

  return { listVolumes, removeVolume }
}
