/** A server of the program, as an operator runs it, with a probe in it. */
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { waitFor, within } from "../test/support/Deadline.ts"
import { HarnessError, harnessError } from "../test/support/HarnessError.ts"
import type { KeyPair, SshTarget } from "../test/support/OpenSsh.ts"
import { start } from "../test/support/Program.ts"
import { temporaryDirectory } from "../test/support/TemporaryDirectory.ts"
import { askProbe, probeModule, type Reading } from "./Reading.ts"

const projectRoot = join(import.meta.dirname, "..")

export interface Server {
  readonly pid: number
  readonly target: SshTarget
  /** What the server knows of itself since the last time it was asked. */
  readonly probe: Effect.Effect<Reading, HarnessError>
}

export interface ServerOptions {
  /** `src/main.ts`, or what stands in for it. */
  readonly entry: string
  readonly key: KeyPair
  /** Further arguments of Node. */
  readonly node?: ReadonlyArray<string>
  readonly config: Readonly<Record<string, unknown>>
}

const Listening = Schema.fromJsonString(Schema.Struct({ code: Schema.Literal("SSH_LISTENING"), port: Schema.Int }))
const decodeListening = Schema.decodeUnknownOption(Listening)

const user = "bench"

/** The server reads DOCKERRUN_* and DOCKER_*: what is set for the tests is not meant for it. */
const withoutOwnVariables: Readonly<Record<string, undefined>> = Object.fromEntries(
  Object.keys(process.env).flatMap((name) => (/^(?:DOCKERRUN|DOCKER)/u.test(name) ? [[name, undefined]] : []))
)

const unlimited = {
  maxStartups: "10000:30:10000",
  maxStartupsPerAddress: 0,
  maxConnectionsPerAddress: 0,
  maxConnectionsPerUser: 0,
  maxSessions: 1000
}

export const startServer = Effect.fnUntraced(function* (
  options: ServerOptions
): Effect.fn.Return<Server, HarnessError, Scope.Scope> {
  const directory = yield* temporaryDirectory
  const file = join(directory, "dockerrun.json")
  const probeFile = join(directory, "probe.json")
  const config = {
    // All clients are one user at one address here, and the crowd is the measurement.
    ssh: { listen: "127.0.0.1:0", hostkeyDirectory: join(directory, "hostkeys"), ...unlimited },
    auth: { users: { [user]: { authorizedKeys: [options.key.publicKey] } } },
    log: { level: "notice", format: "json" },
    ...options.config
  }
  yield* Effect.tryPromise({
    try: () => writeFile(file, JSON.stringify(config)),
    catch: harnessError("writing the configuration")
  })
  const node = ["--import", probeModule, ...(options.node ?? [])]
  const program = yield* start(process.execPath, [...node, options.entry, "serve", "--config", file], {
    cwd: projectRoot,
    env: { ...withoutOwnVariables, HOME: directory, BENCH_PROBE_FILE: probeFile }
  })
  // It ends its containers itself when it is told to; one that does not is killed with its group.
  yield* Effect.addFinalizer(() =>
    Effect.andThen(program.kill("SIGTERM"), Effect.ignore(within(program.exit, 30_000, () => "the end of the server")))
  )

  let port: number | undefined
  let log = ""
  for (const stream of [program.stdout, program.stderr]) {
    stream.setEncoding("utf8")
    stream.on("data", (chunk: string) => {
      if (port !== undefined) return
      log += chunk
      for (const line of log.split("\n")) {
        const event = decodeListening(line)
        if (event._tag === "Some") port = event.value.port
      }
    })
  }
  const found = yield* waitFor(
    "the server to listen",
    Effect.suspend(() =>
      program.hasExited()
        ? Effect.fail(new HarnessError({ operation: "starting the server", detail: log }))
        : Effect.succeed(port)
    ),
    30_000
  )

  return {
    pid: program.pid,
    target: { port: found, user, identityFile: options.key.privateFile },
    probe: askProbe(program.pid, probeFile)
  }
})
