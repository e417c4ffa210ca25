/**
 * The engine's own API and nothing else: the floor that nothing on top of the engine can be faster than, and how the
 * world looks after what it started.
 */
import { Agent, type ClientRequest, type IncomingMessage, request } from "node:http"
import type { Socket } from "node:net"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { waitFor } from "../test/support/Deadline.ts"
import { HarnessError, harnessError } from "../test/support/HarnessError.ts"
import { decodeJson } from "./Json.ts"
import { isFound, type Until } from "./Timing.ts"

export interface ExecTimes {
  /** Milliseconds from the request for the exec until its first byte, or the output that was waited for. */
  readonly firstByte: number
  /** Milliseconds from the last byte until the engine knows the exit status. */
  readonly exit: number
  /** Milliseconds from the first byte to the last. */
  readonly flow: number
  readonly bytes: number
}

export interface RawEngine {
  readonly host: string
  readonly version: Effect.Effect<string, HarnessError>
  /** Creates and starts a container that does nothing; answers with its id. */
  readonly startContainer: (image: string, label: string) => Effect.Effect<string, HarnessError>
  /** Kills and removes a container. */
  readonly removeContainer: (id: string) => Effect.Effect<void, HarnessError>
  readonly removeLabelled: (label: string) => Effect.Effect<void, HarnessError>
  /** How many containers with that label run. */
  readonly count: (label: string) => Effect.Effect<number, HarnessError>
  /** All containers that run. */
  readonly containers: Effect.Effect<ReadonlySet<string>, HarnessError>
  /** Waits until a container is gone. */
  readonly gone: (id: string) => Effect.Effect<void, HarnessError>
  /** Runs a program in a container, with so many bytes as its input, and reads its output to the end. */
  readonly exec: (
    container: string,
    command: ReadonlyArray<string>,
    options?: { readonly tty?: boolean; readonly input?: number; readonly until?: Until | undefined }
  ) => Effect.Effect<ExecTimes, HarnessError>
}

const Created = Schema.Struct({ Id: Schema.String })
const Listed = Schema.Array(Created)
const Running = Schema.Struct({ Running: Schema.Boolean })
const Version = Schema.Struct({ Version: Schema.String })

const reading = "reading the engine's answer"
const created = decodeJson(Created, reading)
const listed = decodeJson(Listed, reading)
const running = decodeJson(Running, reading)
const versioned = decodeJson(Version, reading)

const block = new Uint8Array(256 * 1024)

/** Writes so many bytes as fast as the socket takes them, and then ends the input. */
const feed = (socket: Socket, bytes: number) => {
  let left = bytes
  const write = () => {
    while (left > 0) {
      const size = Math.min(left, block.length)
      left -= size
      if (!socket.write(size === block.length ? block : block.subarray(0, size))) return
    }
    socket.end()
    socket.off("drain", write)
  }
  socket.on("drain", write)
  write()
}

export const make = (host: string): RawEngine => {
  const socketPath = host.replace(/^unix:\/\//u, "")
  const agent = new Agent({ keepAlive: true })

  const send = <A>(
    method: string,
    path: string,
    body: object | undefined,
    headers: Readonly<Record<string, string>>,
    listen: (sent: ClientRequest, resume: (result: Effect.Effect<A, HarnessError>) => void) => void
  ) =>
    Effect.callback<A, HarnessError>((resume) => {
      const text = body === undefined ? "" : JSON.stringify(body)
      const sent = request({
        socketPath,
        agent,
        method,
        path,
        headers: { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(text), ...headers }
      })
      sent.once("error", (cause) => resume(Effect.fail(harnessError(`${method} ${path}`)(cause))))
      listen(sent, resume)
      sent.end(text)
      return Effect.sync(() => sent.destroy())
    })

  const ask = (method: string, path: string, body?: object) =>
    send<string>(method, path, body, {}, (sent, resume) => {
      sent.once("response", (response: IncomingMessage) => {
        let text = ""
        response.setEncoding("utf8")
        response.on("data", (chunk: string) => (text += chunk))
        response.once("error", (cause) => resume(Effect.fail(harnessError(`${method} ${path}`)(cause))))
        response.once("end", () => {
          const status = response.statusCode ?? 0
          resume(
            status < 400
              ? Effect.succeed(text)
              : Effect.fail(new HarnessError({ operation: `${method} ${path}`, detail: `${status} ${text.trim()}` }))
          )
        })
      })
    })

  const remove = (id: string) => Effect.asVoid(ask("DELETE", `/containers/${id}?force=1&v=1`))

  const list = (filters: object) =>
    Effect.flatMap(ask("GET", `/containers/json?all=1&filters=${encodeURIComponent(JSON.stringify(filters))}`), listed)

  const exec: RawEngine["exec"] = Effect.fnUntraced(function* (
    container,
    command,
    { input = 0, tty = false, until } = {}
  ) {
    const started = performance.now()
    const { Id } = yield* Effect.flatMap(
      ask("POST", `/containers/${container}/exec`, {
        AttachStdin: true,
        AttachStdout: true,
        AttachStderr: true,
        Tty: tty,
        Cmd: command
      }),
      created
    )
    const path = `/exec/${Id}/start`
    const upgrade = { Connection: "Upgrade", Upgrade: "tcp" }
    const times = yield* send<Omit<ExecTimes, "exit"> & { readonly last: number }>(
      "POST",
      path,
      { Detach: false, Tty: tty },
      upgrade,
      (sent, resume) => {
        sent.once("response", (response: IncomingMessage) =>
          resume(Effect.fail(new HarnessError({ operation: `POST ${path}`, detail: String(response.statusCode) })))
        )
        sent.once("upgrade", (_response: IncomingMessage, socket: Socket, head: Buffer) => {
          let first: number | undefined
          let bytes = 0
          let text = ""
          const receive = (chunk: Buffer) => {
            bytes += chunk.length
            if (first !== undefined) return
            if (until !== undefined) {
              text += chunk.toString()
              if (!isFound(until, text)) return
              socket.write(until.answer)
            }
            first = performance.now()
          }
          if (head.length > 0) receive(head)
          socket.on("data", receive)
          socket.once("error", (cause) => resume(Effect.fail(harnessError(`POST ${path}`)(cause))))
          socket.once("end", () => {
            const last = performance.now()
            socket.destroy()
            resume(Effect.succeed({ firstByte: (first ?? last) - started, flow: last - (first ?? last), bytes, last }))
          })
          if (until === undefined) feed(socket, input)
        })
      }
    )
    const isOver = Effect.map(Effect.flatMap(ask("GET", `/exec/${Id}/json`), running), (state) => !state.Running)
    yield* Effect.repeat(isOver, { until: (over) => over })
    const { bytes, firstByte, flow, last } = times
    return { firstByte, flow, bytes, exit: performance.now() - last + flow }
  })

  return {
    host,
    version: Effect.map(Effect.flatMap(ask("GET", "/version"), versioned), (answer) => answer.Version),
    startContainer: Effect.fnUntraced(function* (image, label) {
      const [name = "", value = ""] = label.split("=")
      const { Id } = yield* Effect.flatMap(
        ask("POST", "/containers/create", {
          Image: image,
          Cmd: ["/bin/sleep", "100000"],
          Labels: { [name]: value },
          HostConfig: { NetworkMode: "none" }
        }),
        created
      )
      yield* ask("POST", `/containers/${Id}/start`)
      return Id
    }),
    removeContainer: remove,
    removeLabelled: (label) =>
      Effect.flatMap(list({ label: [label] }), (found) =>
        Effect.forEach(found, ({ Id }) => Effect.ignore(remove(Id)), { discard: true })
      ),
    count: (label) => Effect.map(list({ label: [label], status: ["running"] }), (found) => found.length),
    containers: Effect.map(list({ status: ["running"] }), (found) => new Set(found.map(({ Id }) => Id))),
    gone: (id) =>
      waitFor(
        "the container to go",
        Effect.map(list({ id: [id] }), (found) => found.length === 0),
        30_000
      ),
    exec
  }
}
