/**
 * The operations on a container's files (Engine API, `/containers/{id}/archive`).
 *
 * @since 0.1.0
 */
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { DockerError, UnexpectedAnswer } from "../../schema/DockerError.ts"
import type { ContainerId } from "../../schema/Identifiers.ts"
import type { Docker, PathStat } from "../../services/Docker.ts"
import type { ApiNegotiation } from "./ApiNegotiation.ts"
import * as Answers from "./EngineAnswers.ts"
import type { EngineClient } from "./EngineClient.ts"

const statHeader = "x-docker-container-path-stat"

const decodeStat = Schema.decodeUnknownEffect(Answers.PathStat)

const archivePath = (version: string, id: ContainerId) => `/v${version}/containers/${encodeURIComponent(id)}/archive`

/** Bits of Go's `os.FileMode` and what POSIX has in their place; a file without any of the types is a regular one. */
const types = [
  [2 ** 31, 0o040000],
  [2 ** 27, 0o120000],
  [2 ** 21, 0o020000],
  [2 ** 26, 0o060000],
  [2 ** 25, 0o010000],
  [2 ** 24, 0o140000]
] as const
const special = [
  [2 ** 23, 0o4000],
  [2 ** 22, 0o2000],
  [2 ** 20, 0o1000]
] as const

/**
 * The mode of POSIX for Go's. Division, because bits from the 31st on are negative for JavaScript's operators.
 *
 * @internal
 */
export const posixMode = (mode: number): number => {
  const has = (bit: number) => Math.floor(mode / bit) % 2 === 1
  const type = types.find(([bit]) => has(bit))?.[1] ?? 0o100000
  return special.reduce((sum, [bit, value]) => (has(bit) ? sum + value : sum), type + (mode % 0o1000))
}

/**
 * @internal
 */
export const make = (client: EngineClient, { withVersion }: ApiNegotiation) => {
  const statPath = Effect.fn("Docker.statPath")(function* (id: ContainerId, path: string) {
    const operation = "stat path"
    const header = yield* withVersion((version) =>
      Effect.scoped(
        Effect.map(
          client.open({ operation, method: "HEAD", path: archivePath(version, id), query: { path } }),
          ({ headers }) => headers[statHeader]
        )
      )
    )
    const { linkTarget, mode, mtime, name, size } = yield* decodeStat(header).pipe(
      Effect.mapError(
        (cause) => new DockerError({ operation, reason: new UnexpectedAnswer({ message: cause.message }) })
      )
    )
    const stat: PathStat = {
      name,
      size,
      mode: posixMode(mode),
      mtime: Date.parse(mtime) || 0,
      ...(linkTarget === undefined || linkTarget === "" ? {} : { linkTarget })
    }
    return stat
  })

  const getArchive: Docker["Service"]["getArchive"] = (id, path) => {
    const operation = "get archive"
    return Stream.unwrap(
      withVersion((version) =>
        client.open({ operation, method: "GET", path: archivePath(version, id), query: { path } })
      ).pipe(
        Effect.map((response) =>
          NodeStream.fromReadable<Uint8Array, DockerError>({
            evaluate: () => response,
            onError: (cause) => client.broken(operation, cause)
          })
        )
      )
    )
  }

  const putArchive = Effect.fn("Docker.putArchive")(function* (
    id: ContainerId,
    directory: string,
    archive: Stream.Stream<Uint8Array>
  ) {
    yield* withVersion((version) =>
      Effect.flatMap(NodeStream.toReadable(archive), (readable) =>
        client
          .send({
            operation: "put archive",
            method: "PUT",
            path: archivePath(version, id),
            // What was a directory stays one, and the other way round.
            query: { path: directory, noOverwriteDirNonDir: 1 },
            archive: readable
          })
          .pipe(Effect.ensuring(Effect.sync(() => readable.destroy())))
      )
    )
  })

  return { statPath, getArchive, putArchive }
}
