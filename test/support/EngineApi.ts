/** What the tests ask the engine itself, over its own HTTP API: not through the code under test, and with all labels. */
import { request } from "node:http"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { HarnessError, harnessError } from "./HarnessError.ts"

/** The label that the product puts on every container of its own. */
export const connectionLabel = "containerssh_connection_id"

const Containers = Schema.Array(
  Schema.Struct({
    Id: Schema.String,
    Names: Schema.Array(Schema.String),
    Image: Schema.String,
    Command: Schema.String,
    State: Schema.String,
    Labels: Schema.Record(Schema.String, Schema.String)
  })
)
export type EngineContainer = (typeof Containers.Type)[number]

const Volumes = Schema.Struct({
  Volumes: Schema.NullOr(Schema.Array(Schema.Struct({ Name: Schema.String })))
})
const Execs = Schema.Struct({ ExecIDs: Schema.NullOr(Schema.Array(Schema.String)) })
const Exec = Schema.Struct({ ID: Schema.String, Running: Schema.Boolean, Pid: Schema.Int })
const Top = Schema.Struct({ Titles: Schema.Array(Schema.String), Processes: Schema.Array(Schema.Array(Schema.String)) })

const target = (host: string): { readonly socketPath: string } | { readonly host: string; readonly port: string } => {
  if (host.startsWith("unix://")) return { socketPath: host.slice("unix://".length) }
  const url = new URL(host)
  return { host: url.hostname, port: url.port }
}

const get = <S extends Schema.Codec<unknown, unknown>>(
  host: string,
  path: string,
  schema: S
): Effect.Effect<S["Type"], HarnessError> =>
  Effect.callback<string, HarnessError>((resume) => {
    const operation = `engine: GET ${path}`
    // No agent: kept-alive connections of the tests would be sockets to the engine, which other tests count.
    const call = request({ ...target(host), path, agent: false, timeout: 20_000 }, (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.once("error", (cause) => resume(Effect.fail(harnessError(operation)(cause))))
      response.once("end", () => {
        const body = Buffer.concat(chunks).toString()
        resume(
          response.statusCode === 200
            ? Effect.succeed(body)
            : Effect.fail(new HarnessError({ operation, detail: `${response.statusCode} ${body.trim()}` }))
        )
      })
    })
    call.once("timeout", () => call.destroy(new Error("no answer within 20 s")))
    call.once("error", (cause) => resume(Effect.fail(harnessError(operation)(cause))))
    call.end()
    return Effect.sync(() => call.destroy())
  }).pipe(
    Effect.flatMap(Schema.decodeUnknownEffect(Schema.fromJsonString(schema))),
    Effect.mapError((cause) => (cause instanceof HarnessError ? cause : harnessError(`engine: GET ${path}`)(cause)))
  )

/** All containers, running or not, or those that carry the label (`name` or `name=value`). */
export const listContainers = (host: string, label?: string) => {
  const filters = label === undefined ? "" : `&filters=${encodeURIComponent(JSON.stringify({ label: [label] }))}`
  return get(host, `/containers/json?all=1${filters}`, Containers)
}

/** The names of all volumes. */
export const listVolumes = (host: string) =>
  Effect.map(get(host, "/volumes", Volumes), (answer) => (answer.Volumes ?? []).map((volume) => volume.Name))

/** The execs of a container that the engine still knows as running. */
export const listExecs = (host: string, container: string) =>
  get(host, `/containers/${container}/json`, Execs).pipe(
    Effect.flatMap((answer) => Effect.forEach(answer.ExecIDs ?? [], (id) => get(host, `/exec/${id}/json`, Exec))),
    Effect.map((execs) => execs.filter((exec) => exec.Running))
  )

/** The command lines of what runs in a container. */
export const listProcesses = (host: string, container: string) =>
  Effect.map(get(host, `/containers/${container}/top?ps_args=-eo%20pid,args`, Top), (top) => {
    const column = top.Titles.findIndex((title) => title === "COMMAND" || title === "CMD")
    return top.Processes.map((process) => process.slice(column).join(" "))
  })
