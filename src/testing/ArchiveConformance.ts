/**
 * Claims about the files of a container: what is at a path, and archives both ways.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { Tar } from "effect/encoding"
import type { DockerError } from "../schema/DockerError.ts"
import type { ContainerId } from "../schema/Identifiers.ts"
import { Docker } from "../services/Docker.ts"
import {
  type ConformanceCase,
  ConformanceError,
  expectEqual,
  expectReason,
  makeCase,
  type Setting
} from "./Conformance.ts"
import { runContainer, uniqueName } from "./ConformanceContainer.ts"

const archive = (entries: ReadonlyArray<Tar.Entry>): Stream.Stream<Uint8Array> =>
  Stream.fromIterable(entries).pipe(Stream.pipeThroughChannel(Tar.encode()), Stream.orDie)

/** The type, the path, the permissions and the content of each entry. */
const read = Effect.fnUntraced(function* (id: ContainerId, path: string) {
  const docker = yield* Docker
  return yield* docker.getArchive(id, path).pipe(
    Stream.pipeThroughChannel(Tar.decode<DockerError>()),
    Stream.mapEffect(({ body, header }) =>
      Effect.map(Stream.mkString(Stream.decodeText(body)), (text) =>
        [header.type, header.path.replace(/\/$/u, ""), header.mode.toString(8), text || (header.linkTarget ?? "")].join(
          " "
        )
      )
    ),
    Stream.runCollect,
    Effect.catchTag("TarError", (error) =>
      Effect.fail(
        new ConformanceError({ claim: `the archive of ${path}`, expected: "an archive", actual: error.message })
      )
    )
  )
})

/**
 * @internal
 */
export const cases = (setting: Setting): ReadonlyArray<ConformanceCase> => [
  makeCase(
    "files",
    "say what is at a path, or that nothing is",
    Effect.gen(function* () {
      const docker = yield* Docker
      const id = yield* runContainer(setting)
      const directory = yield* docker.statPath(id, "/tmp")
      yield* expectEqual("the name", directory.name, "tmp")
      yield* expectEqual("the type of a directory", directory.mode - (directory.mode % 0o10000), 0o040000)
      yield* expectReason("a path with nothing", docker.statPath(id, "/tmp/nothing"), "NotFound")
      yield* expectReason("its archive", Stream.runDrain(docker.getArchive(id, "/tmp/nothing")), "NotFound")
    })
  ),
  makeCase(
    "files",
    "come out of an archive as they went into one",
    Effect.gen(function* () {
      const docker = yield* Docker
      const id = yield* runContainer(setting)
      const name = yield* uniqueName("files")
      const mtime = new Date("2021-03-04T05:06:07Z")
      yield* docker.putArchive(
        id,
        "/tmp",
        archive([
          Tar.directory(name, { mode: 0o750, mtime }),
          Tar.file(`${name}/größe`, "content\n", { mode: 0o640, mtime }),
          Tar.symlink(`${name}/link`, "größe", { mtime })
        ])
      )
      yield* expectEqual("the archive", yield* read(id, `/tmp/${name}`), [
        `Directory ${name} 750 `,
        `File ${name}/größe 640 content\n`,
        `Symlink ${name}/link 777 größe`
      ])
      const file = yield* docker.statPath(id, `/tmp/${name}/größe`)
      yield* expectEqual("the file", [file.size, file.mode.toString(8), file.mtime], [8, "100640", mtime.getTime()])
      const link = yield* docker.statPath(id, `/tmp/${name}/link`)
      yield* expectEqual("the type of a link", link.mode - (link.mode % 0o10000), 0o120000)
      yield* expectEqual("where it leads", link.linkTarget, `/tmp/${name}/größe`)
    })
  )
]
