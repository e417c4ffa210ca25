/**
 * Agrees with the engine on a version of its API, when it is first needed, and again when the engine has changed.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { DockerError } from "../../schema/DockerError.ts"
import type { EngineInfo } from "../../services/Docker.ts"
import * as ApiVersion from "./ApiVersion.ts"
import { Version } from "./EngineAnswers.ts"
import { decodeWith, type EngineClient } from "./EngineClient.ts"

/**
 * @internal
 */
export interface ApiNegotiation {
  /** Asks the engine who it is, now. */
  readonly info: Effect.Effect<EngineInfo, DockerError>
  /** Gives an operation the version that it should speak. */
  readonly withVersion: <A, R>(
    use: (version: string) => Effect.Effect<A, DockerError, R>
  ) => Effect.Effect<A, DockerError, R>
}

/** The engine does nothing of such a request, so it can be sent again. There is no code for it, only the status 400. */
const isVersionRefusal = ({ reason }: DockerError) =>
  reason._tag === "BadRequest" && /^client version \S+ is too (?:old|new)/u.test(reason.message)

const decodeVersion = decodeWith(Schema.fromJsonString(Version))

/**
 * @internal
 */
export const make = Effect.fnUntraced(function* (client: EngineClient) {
  const one = yield* Semaphore.make(1)
  let known: EngineInfo | undefined

  const ask = Effect.fnUntraced(function* () {
    const operation = "info"
    const text = yield* client.send({ operation, method: "GET", path: "/version" })
    const engine = yield* decodeVersion(operation, text)
    const version = ApiVersion.negotiate({ minimum: engine.MinAPIVersion, maximum: engine.ApiVersion })
    if (typeof version !== "string") return yield* new DockerError({ operation, reason: version })
    const info: EngineInfo = {
      address: client.address.url,
      origin: client.address.origin,
      engineVersion: engine.Version,
      apiVersion: version,
      os: engine.Os
    }
    known = info
    return info
  })

  // Many operations may begin before the first answer is there; one of them asks.
  const version = Effect.suspend(() =>
    known === undefined
      ? one.withPermits(1)(Effect.suspend(() => (known === undefined ? ask() : Effect.succeed(known))))
      : Effect.succeed(known)
  ).pipe(Effect.map(({ apiVersion }) => apiVersion))

  const forget = () => {
    known = undefined
  }

  const negotiation: ApiNegotiation = {
    info: Effect.suspend(ask),
    withVersion: (use) => {
      const attempt = Effect.flatMap(version, use).pipe(
        // An engine that was gone may come back as another one.
        Effect.tapError((error) =>
          Effect.sync(() => {
            if (error.reason._tag === "Unreachable" || isVersionRefusal(error)) forget()
          })
        )
      )
      return Effect.catchIf(attempt, isVersionRefusal, () => attempt)
    }
  }
  return negotiation
})
