/**
 * A terminal in a web page: the backend without SSH. Each WebSocket is a connection with a container of its own; binary
 * frames are bytes both ways, text frames from the page are its new size, `{"columns":120,"rows":40}`.
 */
import { randomBytes } from "node:crypto"
import { createServer } from "node:http"
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Effect, Layer, Option, Schema, Stream } from "effect"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "effect/http"
import { Socket } from "effect/socket"
import {
  ByteSink,
  ChannelId,
  ConnectionId,
  DockerodeDocker,
  DockerRun,
  DockerRunConfig,
  Logger,
  ProgramExit
} from "../src/index.ts"

const Size = Schema.fromJsonString(Schema.Struct({ columns: Schema.Int, rows: Schema.Int }))
const decodeSize = Schema.decodeEffect(Size)

/** Runs a shell for whoever is at the other end, until either ends; by then the container is gone. */
const serve = Effect.fn("terminal.serve")(function* (socket: Socket.Socket, address: string) {
  const page = yield* socket.reader
  const { write } = yield* socket.writer
  const { connect } = yield* DockerRun
  const connectionId = ConnectionId.make(randomBytes(16).toString("hex"))
  const connection = yield* connect({ connectionId, username: "web", address })
  const session = yield* connection.session(ChannelId.make(0))
  yield* session.pty({ term: "xterm-256color", columns: 80, rows: 24 })

  const resize = (frame: string) => Effect.flatMap(decodeSize(frame), session.window)

  const shell = Effect.gen(function* () {
    // With a terminal both outputs of a program come on the first.
    const screen = yield* ByteSink.makePipe()
    const program = yield* (yield* session.shell).start({ stdout: screen.sink, stderr: ByteSink.discard })
    const keyboard = Stream.fromEffectRepeat(page.pull).pipe(
      Stream.flattenIterable,
      Stream.tap((frame) => (typeof frame === "string" ? resize(frame) : Effect.void)),
      Stream.filter((frame) => typeof frame !== "string"),
      Stream.run(ByteSink.toSink(program.stdin))
    )
    // A slow page makes the program wait. A program that could not be started never ends its output: hence both at once.
    const show = Effect.all([program.exit, Stream.runForEach(screen.stream, write)], { concurrency: "unbounded" })
    // A page that is closed fails the keyboard, and with it the whole.
    const [exit] = yield* Effect.raceFirst(show, Effect.andThen(keyboard, Effect.never))
    return ProgramExit.status(exit)
  })
  const goodbye = yield* shell.pipe(
    Effect.map((status) => new Socket.CloseEvent(1000, `exit status ${status}`)),
    Effect.catchTag(["ContainerError", "ProgramError"], ({ clientMessage }) =>
      Effect.succeed(new Socket.CloseEvent(1011, clientMessage.slice(0, 120)))
    ),
    Effect.catchTag("SchemaError", () => Effect.succeed(new Socket.CloseEvent(1003, "not a size")))
  )
  yield* write(goodbye)
}, Effect.scoped)

/** `GET /terminal`. Who may ask for it is for the app's own middleware to say. */
export const routes = HttpRouter.add(
  "GET",
  "/terminal",
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const socket = yield* request.upgrade
    const address = Option.getOrElse(request.remoteAddress, () => "")
    yield* serve(socket, address).pipe(Effect.catchTag("SocketError", () => Effect.logDebug("the page was closed")))
    return HttpServerResponse.empty()
  })
)

if (import.meta.main) {
  const settings = DockerRunConfig.layer({
    config: { container: { Image: "busybox:1" }, host: { NetworkMode: "none" }, shellCommand: ["/bin/sh"] }
  })
  const backend = DockerRun.layer.pipe(Layer.provide([DockerodeDocker.layerHost(), settings, Logger.layer]))
  const server = HttpRouter.serve(routes).pipe(
    Layer.provide([backend, NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 8080 })])
  )
  NodeRuntime.runMain(Layer.launch(server))
}
