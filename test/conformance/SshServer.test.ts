/** The black-box suite over SSH against the server on each engine. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { afterAll, describe, expect, it } from "vitest"
import * as FileHostKeys from "../../src/layers/FileHostKeys.ts"
import * as InMemoryDocker from "../../src/layers/InMemoryDocker.ts"
import * as Ssh2Server from "../../src/layers/Ssh2Server.ts"
import { Authenticator } from "../../src/services/Authenticator.ts"
import { Docker } from "../../src/services/Docker.ts"
import { DockerRun } from "../../src/services/DockerRun.ts"
import { DockerRunConfig } from "../../src/services/DockerRunConfig.ts"
import { Logger } from "../../src/services/Logger.ts"
import { SshConfig } from "../../src/services/SshConfig.ts"
import { SshServer } from "../../src/services/SshServer.ts"
import { describeSshConformance, sshConformanceCases, SshTarget, trapCommand } from "../../src/testing/index.ts"
import { connect } from "../../src/testing/SshClient.ts"
import { describeEngine } from "../support/Engine.ts"
import { startServer } from "../support/Server.ts"

const username = "conformance"
const password = "correct horse battery staple"

const authenticator = Authenticator.layerTest(
  (request) =>
    request._tag === "Password" && request.username === username && Redacted.value(request.password) === password
)
const sshConfig = Layer.unwrap(
  Effect.gen(function* () {
    const directory = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
    return SshConfig.layer({ listen: "127.0.0.1:0", hostkeyDirectory: directory })
  })
)

/** A server in this process, with containers of the image `image` on any engine. */
const serverOver = <E>(engine: Layer.Layer<Docker, E>, image: string) => {
  const server = Ssh2Server.layer.pipe(
    Layer.provide([DockerRun.layer, authenticator, FileHostKeys.layer]),
    Layer.provide([
      engine,
      Layer.succeed(Logger, { log: () => Effect.void }),
      sshConfig,
      DockerRunConfig.layer({ config: { container: { Image: image }, shellCommand: ["/bin/sh"] } })
    ]),
    Layer.provide(NodeServices.layer)
  )
  return Layer.effect(
    SshTarget,
    Effect.gen(function* () {
      const { address, run } = yield* SshServer
      yield* Effect.forkScoped(run)
      return { ...address, username, password }
    })
  ).pipe(Layer.provide(server))
}

describe("the server over InMemoryDocker is an SSH server", () => {
  const trap: InMemoryDocker.SimulatedProgram = (program) =>
    program
      .trap("USR1", Effect.as(program.stdout.write("caught\n"), 7))
      .pipe(Effect.andThen(program.stdout.write("ready\n")), Effect.andThen(Effect.never))
  const engine = InMemoryDocker.layer({ images: { "memory:1": { scripts: { [trapCommand]: trap } } } })

  describeSshConformance({ afterAll, describe, it }, serverOver(engine, "memory:1"))
})

describe("a server whose engine layer has a defect", () => {
  const faulty = Layer.effect(
    Docker,
    Effect.map(Docker, (docker) => ({ ...docker, createExec: () => Effect.die(new Error("a defect")) }))
  ).pipe(Layer.provide(InMemoryDocker.layer({ images: { "memory:1": {} } })))

  it("tells whoever waits for a program, and ends the channel", async () => {
    const outcome = Effect.gen(function* () {
      const channel = yield* (yield* connect()).exec("echo out")
      const { status } = yield* channel.closed
      return [channel.stderr(), status]
    })
    expect(
      await Effect.runPromise(Effect.scoped(outcome).pipe(Effect.provide(serverOver(faulty, "memory:1"))))
    ).toStrictEqual(["dockerrun: the server has made a mistake, which its operator finds in the log\n", 125])
  })
})

describe("the suite", () => {
  // What goes wrong, and the case that must notice.
  const faults: ReadonlyArray<readonly [script: string, program: InMemoryDocker.SimulatedProgram, name: string]> = [
    ["exit 42", () => Effect.succeed(0), "end with the program's own status"],
    [
      "cat; echo end",
      ({ stdin, stdout }) =>
        Stream.runHead(stdin).pipe(Effect.andThen(stdout.write("first\n")), Effect.andThen(Effect.succeed(0))),
      "the end of the input is not the end of the output"
    ],
    [
      "echo out; echo err >&2",
      ({ stdout }) => Effect.as(stdout.write("out\nerr\n"), 0),
      "write to two outputs that stay apart"
    ],
    ["echo ready; sleep 300", ({ stdout }) => Effect.as(stdout.write("ready\n"), 0), "makes a signal of ctrl-C"]
  ]

  it.each(faults)("notices a server on which `%s` does not do what it should", async (script, program, name) => {
    const target = serverOver(
      InMemoryDocker.layer({ images: { "memory:1": { scripts: { [script]: program } } } }),
      "memory:1"
    )
    const [check] = sshConformanceCases()
      .filter((one) => one.name === name)
      .map((one) => one.check)
    const error = await Effect.runPromise(Effect.flip(Effect.provide(check ?? Effect.void, target)))
    expect(error._tag).toBe("ConformanceError")
  })
})

describeEngine("the program `dockerrun serve` on a real engine is an SSH server", () => {
  const target = Layer.effect(
    SshTarget,
    Effect.map(startServer({ users: { [username]: { password } } }), ({ port }) => ({
      host: "127.0.0.1",
      port,
      username,
      password
    }))
  )

  describeSshConformance({ afterAll, describe, it }, target)
})
