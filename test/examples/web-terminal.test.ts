import { createServer } from "node:http"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { HttpRouter, HttpServer } from "effect/http"
import { routes } from "../../examples/web-terminal.ts"
import { DockerodeDocker, DockerRun, DockerRunConfig, InMemoryDocker, InMemoryEngine, Logger } from "../../src/index.ts"
import { waitFor } from "../support/Deadline.ts"
import { describeEngine, engine, waitForContainers } from "../support/Engine.ts"

const image = "dockerrun-test/tiny:1"

const backend = DockerRun.layer.pipe(
  Layer.provide([
    DockerRunConfig.layer({
      config: { container: { Image: image }, host: { NetworkMode: "none" }, shellCommand: ["/bin/sh"] }
    }),
    Layer.succeed(Logger, { log: () => Effect.void })
  ])
)
const server = HttpRouter.serve(routes, { disableLogger: true }).pipe(
  Layer.provide(backend),
  Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 }))
)

/** A page with the terminal in it. */
const openPage = Effect.gen(function* () {
  const { address } = yield* HttpServer.HttpServer
  const port = address._tag === "InetAddressV4" ? address.port : 0
  let screen = ""
  let closed: string | undefined
  const socket = yield* Effect.acquireRelease(
    Effect.sync(() => new WebSocket(`ws://127.0.0.1:${port}/terminal`)),
    (webSocket) => Effect.sync(() => webSocket.close())
  )
  socket.binaryType = "arraybuffer"
  const decoder = new TextDecoder()
  socket.addEventListener("message", ({ data }) => {
    if (data instanceof ArrayBuffer) screen += decoder.decode(data, { stream: true })
  })
  socket.addEventListener("close", ({ code, reason }) => (closed = `${code} ${reason}`))
  return {
    type: (keys: string) => Effect.sync(() => socket.send(new TextEncoder().encode(keys))),
    resize: (columns: number, rows: number) => Effect.sync(() => socket.send(JSON.stringify({ columns, rows }))),
    close: Effect.sync(() => socket.close()),
    sees: (pattern: RegExp) =>
      waitFor(
        `${String(pattern)} on the screen`,
        Effect.sync(() => pattern.test(screen)),
        20_000
      ),
    closed: waitFor(
      "the end",
      Effect.sync(() => closed),
      20_000
    )
  }
})

/** A shell that is used, resized and left. */
const visit = Effect.gen(function* () {
  const page = yield* openPage
  yield* page.sees(/[$#] /u)
  yield* page.type("echo hello\r")
  yield* page.sees(/\nhello\r\n/u)
  yield* page.resize(120, 40)
  // The size and what is typed may take different ways to the program.
  yield* Effect.raceFirst(
    page.sees(/40 120/u),
    page.type("stty size\r").pipe(Effect.andThen(Effect.sleep("200 millis")), Effect.forever)
  )
  yield* page.type("exit 3\r")
  assert.strictEqual(yield* page.closed, "1000 exit status 3")
})

describe("examples/web-terminal.ts, on an engine in memory", () => {
  const app = server.pipe(Layer.provideMerge(InMemoryDocker.layer({ images: { [image]: {} } })))
  const waitForNoContainer = InMemoryEngine.use(({ containers }) =>
    waitFor(
      "the container to go",
      Effect.map(containers, (all) => all.length === 0)
    )
  )

  it.live("gives each page a shell, and leaves nothing", () =>
    Effect.gen(function* () {
      yield* visit
      yield* waitForNoContainer
    }).pipe(Effect.scoped, Effect.provide(app))
  )

  it.live("a page that is closed takes its container along", () =>
    Effect.gen(function* () {
      const page = yield* openPage
      yield* page.sees(/[$#] /u)
      yield* page.close
      yield* waitForNoContainer
    }).pipe(Effect.scoped, Effect.provide(app))
  )

  it.live("a page learns why there is no shell", () =>
    Effect.gen(function* () {
      const page = yield* openPage
      assert.match(yield* page.closed, /^1011 the image .* was not found in its registry/u)
    }).pipe(Effect.scoped, Effect.provide(server.pipe(Layer.provideMerge(InMemoryDocker.layer()))))
  )
})

describeEngine("examples/web-terminal.ts, on the real engine", () => {
  it.live("gives each page a shell, and leaves nothing", () =>
    Effect.gen(function* () {
      yield* visit
      yield* waitForContainers(0, "web")
    }).pipe(
      Effect.scoped,
      Effect.provide(
        Layer.unwrap(Effect.sync(() => server.pipe(Layer.provide(DockerodeDocker.layerHost({ host: engine().host })))))
      )
    )
  )
})
