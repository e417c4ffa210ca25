import { writeFile } from "node:fs/promises"
import { createServer as createTlsServer } from "node:https"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as DockerodeDocker from "../../src/layers/DockerodeDocker.ts"
import { ExecId } from "../../src/schema/Identifiers.ts"
import { discard } from "../../src/services/ByteSink.ts"
import { Docker } from "../../src/services/Docker.ts"
import { answering, socketPath, version } from "../fixtures/FakeEngine.ts"
import { output } from "../support/Program.ts"
import { temporaryDirectory } from "../support/TemporaryDirectory.ts"

/** The service over an engine of which nothing is known but its address. */
const dockerAt = (options: DockerodeDocker.Options) =>
  Effect.map(Layer.build(DockerodeDocker.layerHost(options)), (context) => Context.get(context, Docker))

describe("DockerodeDocker: the connection", () => {
  it.effect("can be built while the engine is down, says so, and goes on when it is up", () =>
    Effect.gen(function* () {
      const path = yield* socketPath
      const docker = yield* dockerAt({ host: `unix://${path}` })
      const error = yield* Effect.flip(docker.listContainers([]))
      assert.strictEqual(error.reason._tag, "Unreachable")
      assert.include(error.message, "is the engine running?")
      assert.isTrue(error.isTransient)
      yield* answering(path, (request, response) => response.end(request.url === "/version" ? version("1.45") : "[]"))
      assert.deepStrictEqual(yield* docker.listContainers([]), [])
      assert.strictEqual((yield* docker.info).apiVersion, "1.45")
    })
  )

  it.effect("speaks the newest version that both know", () =>
    Effect.gen(function* () {
      for (const [maximum, minimum, spoken] of [
        ["1.41", "1.12", "1.41"],
        ["1.47", "1.24", "1.47"],
        ["1.60", "1.44", "1.47"]
      ] as const) {
        const path = yield* socketPath
        const paths: Array<string | undefined> = []
        yield* answering(path, (request, response) => {
          paths.push(request.url)
          response.end(request.url === "/version" ? version(maximum, minimum) : "[]")
        })
        const docker = yield* dockerAt({ host: `unix://${path}` })
        yield* Effect.all([docker.listContainers([]), docker.listContainers([]), docker.listContainers([])], {
          concurrency: "unbounded"
        })
        assert.strictEqual(paths.filter((asked) => asked === "/version").length, 1)
        assert.strictEqual(paths.filter((asked) => asked?.startsWith(`/v${spoken}/containers/json?`)).length, 3)
      }
    })
  )

  it.effect("refuses an engine that is too old or too new, in words", () =>
    Effect.gen(function* () {
      for (const [maximum, minimum, words] of [
        ["1.40", "1.12", "1.41 (Docker 20.10) or later"],
        ["1.99", "1.90", "1.47 at most"]
      ] as const) {
        const path = yield* socketPath
        yield* answering(path, (_, response) => response.end(version(maximum, minimum)))
        const docker = yield* dockerAt({ host: `unix://${path}` })
        const error = yield* Effect.flip(docker.info)
        assert.strictEqual(error.reason._tag, "BadRequest")
        assert.include(error.message, words)
      }
    })
  )

  it.effect("negotiates again when the engine has been replaced", () =>
    Effect.gen(function* () {
      const path = yield* socketPath
      const docker = yield* dockerAt({ host: `unix://${path}` })
      const engine = (api: string) =>
        answering(path, (request, response) => {
          if (request.url === "/version") response.end(version(api, api))
          else if (request.url?.startsWith(`/v${api}/`)) response.end("[]")
          else {
            response.statusCode = 400
            const asked = /^\/v([\d.]+)\//u.exec(request.url ?? "")?.[1]
            response.end(
              JSON.stringify({ message: `client version ${asked} is too old. Minimum supported API version is ${api}` })
            )
          }
        })
      for (const api of ["1.41", "1.44", "1.43"]) {
        const scope = yield* Scope.make()
        yield* engine(api).pipe(Scope.provide(scope))
        assert.deepStrictEqual(yield* docker.listContainers([]), [])
        yield* Scope.close(scope, Exit.void)
      }
    })
  )

  it.effect("an answer that is not the API's is unexpected, and one that breaks off is a broken connection", () =>
    Effect.gen(function* () {
      const path = yield* socketPath
      yield* answering(path, (request, response) => {
        if (request.url === "/version") response.end(version("1.41"))
        else if (request.url?.includes("/images/")) response.end("<html>")
        else {
          response.writeHead(200, { "Content-Length": 100 })
          response.write("[", () => response.destroy())
        }
      })
      const docker = yield* dockerAt({ host: `unix://${path}` })
      assert.strictEqual((yield* Effect.flip(docker.inspectImage("x:1"))).reason._tag, "UnexpectedAnswer")
      assert.strictEqual((yield* Effect.flip(docker.listContainers([]))).reason._tag, "Unreachable")
    })
  )

  it.effect("reads progress as it comes, cut anywhere, and gives a pull up when nobody reads on", () =>
    Effect.gen(function* () {
      const path = yield* socketPath
      let closed = false
      let query = ""
      yield* answering(path, (request, response) => {
        if (request.url === "/version") return response.end(version("1.41"))
        query = request.url ?? ""
        response.once("close", () => {
          closed = true
        })
        const line = '{"status":"Downloading","progressDetail":{"current":5,"total":9},"id":"abc"}\r\n{"sta'
        return response.write('{"status":"Pulling fr', () => response.write(`om x","id":"1"}\r\n${line}`))
      })
      const docker = yield* dockerAt({ host: `unix://${path}` })
      const pull = docker.pullImage("registry:5000/x", { platform: { os: "linux", architecture: "arm64" } })
      assert.deepStrictEqual(yield* Stream.runCollect(Stream.take(pull, 2)), [
        { status: "Pulling from x" },
        { status: "Downloading", layer: "abc", current: 5, total: 9 }
      ])
      assert.include(query, "fromImage=registry%3A5000%2Fx&tag=latest&platform=linux%2Farm64")
      yield* Effect.callback<void>((resume) => {
        const timer = setInterval(() => closed && resume(Effect.sync(() => clearInterval(timer))), 5)
        return Effect.sync(() => clearInterval(timer))
      })
    })
  )

  it.effect("tells a refused start in the same place for engines that answer before they open a stream", () =>
    Effect.gen(function* () {
      const path = yield* socketPath
      let body = ""
      yield* answering(path, (request, response) => {
        if (request.url === "/version") return response.end(version("1.44"))
        request.on("data", (chunk: Buffer) => {
          body += chunk.toString()
        })
        return request.on("end", () => {
          response.statusCode = 400
          response.end(
            JSON.stringify({ message: 'OCI runtime exec failed: exec failed: exec: "nope": executable file not found' })
          )
        })
      })
      const docker = yield* dockerAt({ host: `unix://${path}` })
      const streams = yield* docker.startExec(ExecId.make("0123"), {
        tty: true,
        size: { columns: 80, rows: 24 },
        output: { stdout: discard, stderr: discard }
      })
      const { reason } = yield* Effect.flip(streams.ended)
      assert.strictEqual(reason._tag === "ProgramNotStarted" ? reason.exitCode : 0, 127)
      assert.isTrue(streams.stdin.write(Buffer.from("dropped")))
      // From API 1.42 on the size goes with the start: rows first.
      assert.deepStrictEqual(JSON.parse(body), { Detach: false, Tty: true, ConsoleSize: [24, 80] })
    })
  )

  it.effect("refuses TLS material that cannot be used, without showing it", () =>
    Effect.gen(function* () {
      const tls = { ca: "not a certificate", cert: "neither", key: Redacted.make("top secret") }
      const error = yield* Effect.flip(dockerAt({ host: "tcp://127.0.0.1:1", tls }))
      assert.strictEqual(error.reason._tag, "BadRequest")
      assert.notInclude(JSON.stringify(error), "secret")
    })
  )

  it.effect("speaks mutual TLS", () =>
    Effect.gen(function* () {
      const directory = yield* temporaryDirectory
      const file = (name: string) => join(directory, name)
      const openssl = (...args: ReadonlyArray<string>) => output("openssl", args)
      const request = (name: string) =>
        ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", file(`${name}.key`)] as const
      yield* openssl("req", "-x509", ...request("ca"), "-out", file("ca.pem"), "-subj", "/CN=test ca", "-days", "2")
      yield* Effect.promise(() => writeFile(file("san"), "subjectAltName=IP:127.0.0.1"))
      for (const name of ["engine", "client"]) {
        yield* openssl("req", ...request(name), "-out", file(`${name}.csr`), "-subj", `/CN=${name}`)
        const by = ["-CA", file("ca.pem"), "-CAkey", file("ca.key"), "-CAcreateserial", "-days", "2"]
        yield* openssl(
          "x509",
          "-req",
          "-in",
          file(`${name}.csr`),
          "-out",
          file(`${name}.pem`),
          "-extfile",
          file("san"),
          ...by
        )
      }
      const read = (name: string) => output("cat", [file(name)])
      const [ca, cert, key] = yield* Effect.all([read("ca.pem"), read("client.pem"), read("client.key")])
      const [engineCert, engineKey] = yield* Effect.all([read("engine.pem"), read("engine.key")])
      const server = createTlsServer(
        { ca, cert: engineCert, key: engineKey, requestCert: true, rejectUnauthorized: true },
        (asked, response) => response.end(asked.url === "/version" ? version("1.47") : "[]")
      )
      const port = yield* Effect.acquireRelease(
        Effect.callback<number>((resume) => {
          server.listen(0, "127.0.0.1", () => {
            const address = server.address()
            resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
          })
        }),
        () =>
          Effect.callback<void>((resume) => {
            server.close(() => resume(Effect.void))
            server.closeAllConnections()
          })
      )
      const host = `tcp://127.0.0.1:${port}`
      const docker = yield* dockerAt({ host, tls: { ca, cert, key: Redacted.make(key) } })
      assert.strictEqual((yield* docker.info).apiVersion, "1.47")
      const stranger = yield* dockerAt({ host: `https://127.0.0.1:${port}` })
      assert.strictEqual((yield* Effect.flip(stranger.info)).reason._tag, "Unreachable")
    })
  )
})
