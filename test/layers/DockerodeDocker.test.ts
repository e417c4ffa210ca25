import { assert, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import * as DockerodeDocker from "../../src/layers/DockerodeDocker.ts"
import { ContainerId } from "../../src/schema/Identifiers.ts"
import { discard } from "../../src/services/ByteSink.ts"
import { Docker } from "../../src/services/Docker.ts"
import { createdContainer, makeCollector, ownLabel, runningContainer, runProgram } from "../fixtures/EngineProgram.ts"
import { pause, waitFor } from "../support/Deadline.ts"
import { describeEngine, docker as dockerClient, engine, engineSockets } from "../support/Engine.ts"

const ourEngine = Layer.unwrap(Effect.sync(() => DockerodeDocker.layerHost({ host: engine().host })))

describeEngine("DockerodeDocker", () => {
  layer(ourEngine, { excludeTestServices: true })((it) => {
    it.effect("says which engine answers, and where", () =>
      Effect.gen(function* () {
        const info = yield* Docker.use((docker) => docker.info)
        assert.strictEqual(info.address, engine().host)
        assert.strictEqual(info.origin, "config")
        assert.match(info.apiVersion, /^1\.4[1-7]$/u)
        assert.strictEqual(info.os, "linux")
        const version = yield* dockerClient("version", "--format", "{{.Server.Version}}")
        assert.strictEqual(info.engineVersion, version.trim())
      })
    )

    it.effect("inspects an image, and tells a missing one", () =>
      Effect.gen(function* () {
        const docker = yield* Docker
        const image = yield* docker.inspectImage("dockerrun-test/tiny:1")
        assert.match(image.id, /^sha256:/u)
        assert.include(image.tags, "dockerrun-test/tiny:1")
        assert.isAbove(image.size, 100_000)
        for (const missing of ["dockerrun-test/missing:1", "127.0.0.1:1/a/b/c:1"]) {
          const error = yield* Effect.flip(docker.inspectImage(missing))
          assert.strictEqual(error.reason._tag, "NotFound")
        }
        for (const bad of ["", "../version", "a b", "Ab::"]) {
          const error = yield* Effect.flip(docker.inspectImage(bad))
          assert.include(["BadRequest", "NotFound"], error.reason._tag, bad)
        }
      })
    )

    it.effect("takes a container from its creation to its removal", () =>
      Effect.gen(function* () {
        const docker = yield* Docker
        const id = yield* createdContainer({ labels: { role: "life" } })
        const created = yield* docker.inspectContainer(id)
        assert.strictEqual(created.status, "created")
        assert.isFalse(created.running)
        assert.strictEqual(created.labels["role"], "life")
        assert.strictEqual((yield* Effect.flip(docker.killContainer(id, "SIGTERM"))).reason._tag, "Conflict")
        assert.strictEqual(
          (yield* Effect.flip(docker.createExec(id, { command: ["/bin/true"], env: [], tty: false }))).reason._tag,
          "Conflict"
        )

        yield* docker.startContainer(id)
        yield* docker.startContainer(id)
        const running = yield* docker.inspectContainer(id)
        assert.isTrue(running.running)

        const waiting = yield* Effect.forkChild(docker.waitContainer(id, "not-running"), { startImmediately: true })
        yield* docker.killContainer(id, "SIGKILL")
        assert.deepStrictEqual(yield* Fiber.join(waiting), { exitCode: 137 })
        assert.strictEqual((yield* docker.inspectContainer(id)).exitCode, 137)

        yield* docker.removeContainer(id)
        assert.strictEqual((yield* Effect.flip(docker.removeContainer(id))).reason._tag, "NotFound")
        assert.strictEqual((yield* Effect.flip(docker.inspectContainer(id))).reason._tag, "NotFound")
      })
    )

    it.effect("removes a container that runs, together with its anonymous volumes", () =>
      Effect.gen(function* () {
        const docker = yield* Docker
        const id = yield* createdContainer({ image: "dockerrun-test/volume:1" })
        yield* docker.startContainer(id)
        const format = "{{range .Mounts}}{{.Name}}{{end}}"
        const volume = (yield* dockerClient("inspect", "--format", format, id)).trim()
        assert.isNotEmpty(volume)
        yield* docker.removeContainer(id)
        const volumes = yield* dockerClient("volume", "ls", "--quiet")
        assert.notInclude(volumes.split("\n"), volume)
      })
    )

    it.effect("refuses a name that is taken, an unknown image, an unknown network", () =>
      Effect.gen(function* () {
        const docker = yield* Docker
        const name = `dockerrun-test-name-${process.pid}`
        const create = (overrides: { readonly name?: string; readonly image?: string; readonly network?: string }) =>
          Effect.acquireRelease(
            docker.createContainer({
              ...(overrides.name === undefined ? {} : { name: overrides.name }),
              config: { Image: overrides.image ?? "dockerrun-test/tiny:1", Cmd: ["/bin/true"] },
              host: { NetworkMode: overrides.network ?? "none" },
              network: {}
            }),
            (id) => Effect.ignore(docker.removeContainer(id))
          )
        const id = yield* create({ name })
        assert.strictEqual((yield* docker.inspectContainer(id)).name, name)
        assert.strictEqual((yield* Effect.flip(create({ name }))).reason._tag, "Conflict")
        assert.strictEqual((yield* Effect.flip(create({ image: "dockerrun-test/nope:1" }))).reason._tag, "NotFound")
        assert.strictEqual((yield* Effect.flip(create({ image: "NOPE:::" }))).reason._tag, "BadRequest")
        const lost = yield* create({ network: "no-such-network" })
        assert.strictEqual((yield* Effect.flip(docker.startContainer(lost))).reason._tag, "NotFound")
      })
    )

    it.effect("tells a main process that cannot be started", () =>
      Effect.gen(function* () {
        const docker = yield* Docker
        const missing = yield* createdContainer({ command: ["/no/such/program"] })
        const error = yield* Effect.flip(docker.startContainer(missing))
        assert.strictEqual(error.reason._tag, "ProgramNotStarted")
        assert.include(error.message, "/no/such/program")
      })
    )

    it.effect("lists the containers that bear all labels, running or not", () =>
      Effect.gen(function* () {
        const docker = yield* Docker
        const one = yield* createdContainer({ labels: { list: "a", both: "1" } })
        const two = yield* createdContainer({ labels: { list: "b", both: "1" } })
        const own = `dockerrun-test=${ownLabel["dockerrun-test"]}`
        const ids = (labels: ReadonlyArray<string>) =>
          Effect.map(docker.listContainers(labels), (found) => found.map(({ id }) => id).toSorted())
        assert.deepStrictEqual(yield* ids([own, "both"]), [one, two].toSorted())
        assert.deepStrictEqual(yield* ids([own, "both=1", "list=b"]), [two])
        assert.deepStrictEqual(yield* ids([own, "list=c"]), [])
        const [first] = yield* docker.listContainers([own, "list=a"])
        assert.strictEqual(first?.status, "created")
        assert.strictEqual(first?.image, "dockerrun-test/tiny:1")
        assert.strictEqual(first?.labels["list"], "a")
        assert.isAbove(first?.created ?? 0, 1_600_000_000)
      })
    )

    it.effect("reports what happens to containers of a label, and to no others", () =>
      Effect.gen(function* () {
        const docker = yield* Docker
        const seen = yield* Queue.unbounded<string>()
        yield* docker.containerEvents([`events=${process.pid}`]).pipe(
          Stream.runForEach((event) => Queue.offer(seen, `${event.action} ${event.containerId}`)),
          Effect.forkScoped({ startImmediately: true })
        )
        // Nothing tells when the engine listens, so containers are made until the first is reported.
        yield* waitFor(
          "the first event",
          Effect.gen(function* () {
            const probe = yield* createdContainer({ labels: { events: String(process.pid) } })
            yield* docker.removeContainer(probe)
            yield* pause(20)
            return (yield* Queue.size(seen)) > 0
          })
        )
        const other = yield* createdContainer()
        yield* docker.startContainer(other)
        const id = yield* createdContainer({ labels: { events: String(process.pid) }, command: ["/bin/true"] })
        yield* docker.startContainer(id)
        const lines: Array<string> = []
        yield* waitFor(
          "the end of the container",
          Effect.gen(function* () {
            lines.push(yield* Queue.take(seen))
            return lines.includes(`die ${id}`)
          })
        )
        const own = lines.filter((line) => line.endsWith(` ${id}`)).map((line) => line.split(" ")[0])
        assert.deepStrictEqual(own, ["create", "start", "die"])
        assert.isFalse(lines.some((line) => line.includes(other)))
      })
    )

    it.effect("attaches before the start and misses nothing", () =>
      Effect.gen(function* () {
        const docker = yield* Docker
        const id = yield* createdContainer({
          command: ["/bin/sh", "-c", "echo first; cat; echo last >&2; exit 5"]
        })
        const stdout = makeCollector()
        const stderr = makeCollector()
        const streams = yield* docker.attachContainer(id, {
          tty: false,
          output: { stdout: stdout.sink, stderr: stderr.sink }
        })
        const waiting = yield* Effect.forkChild(docker.waitContainer(id, "next-exit"), { startImmediately: true })
        yield* docker.startContainer(id)
        streams.stdin.write(Buffer.from("typed\n"))
        streams.stdin.end()
        yield* streams.ended
        assert.strictEqual(stdout.text(), "first\ntyped\n")
        assert.strictEqual(stderr.text(), "last\n")
        assert.deepStrictEqual(yield* Fiber.join(waiting), { exitCode: 5 })
      })
    )

    it.effect("interrupted waits leave the container alone and no connection behind", () =>
      Effect.gen(function* () {
        const docker = yield* Docker
        const id = yield* runningContainer
        const waits = Effect.all(
          Array.from({ length: 10 }, () => docker.waitContainer(id, "not-running")),
          { concurrency: "unbounded" }
        )
        const waiting = yield* Effect.forkChild(waits)
        const sockets = engineSockets(process.pid)
        yield* waitFor(
          "ten waits to be sent",
          Effect.map(sockets, (now) => now >= 10)
        )
        yield* Fiber.interrupt(waiting)
        yield* waitFor(
          "their connections to close",
          Effect.map(sockets, (now) => now <= 5)
        )
        assert.isTrue((yield* docker.inspectContainer(id)).running)
      })
    )

    it.effect("an unknown container and an unknown exec are NotFound", () =>
      Effect.gen(function* () {
        const docker = yield* Docker
        const id = ContainerId.make("0123456789abcdef")
        const attach = docker.attachContainer(id, { tty: false, output: { stdout: discard, stderr: discard } })
        assert.strictEqual((yield* Effect.flip(docker.startContainer(id))).reason._tag, "NotFound")
        assert.strictEqual((yield* Effect.flip(docker.waitContainer(id, "not-running"))).reason._tag, "NotFound")
        assert.strictEqual((yield* Effect.flip(attach)).reason._tag, "NotFound")
      })
    )

    it.effect("runs a command with its environment, user and directory", () =>
      Effect.gen(function* () {
        const id = yield* runningContainer
        const program = yield* runProgram(id, ["/bin/sh", "-c", 'echo "$GREETING $(id -u) $(pwd)"'], {
          env: ["GREETING=hello world"],
          user: "alice",
          workingDirectory: "/tmp"
        })
        assert.strictEqual(program.stdout, "hello world 1000 /tmp\n")
        assert.strictEqual(program.exitCode, 0)
      })
    )
  })
})
