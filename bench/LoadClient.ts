/**
 * Many connections from one process, which OpenSSH's client could only make by being started as often:
 * `node bench/LoadClient.ts JSON`. Its answer is one line of JSON; with `hold` it then keeps the connections until its
 * input ends.
 */
import { readFileSync } from "node:fs"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Client } from "ssh2"

export const Load = Schema.Struct({
  port: Schema.Int,
  username: Schema.String,
  keyFile: Schema.String,
  connections: Schema.Int,
  atOnce: Schema.Int,
  /** What each connection runs, and waits for, before it counts; with none it counts when it is authenticated. */
  command: Schema.optionalKey(Schema.String),
  /** How often the command is run on each connection, one after the other; once unless told. */
  channels: Schema.optionalKey(Schema.Int),
  hold: Schema.Boolean
})
export type Load = typeof Load.Type

export const LoadResult = Schema.Struct({
  /** Milliseconds of each connection that succeeded, from its start. */
  times: Schema.Array(Schema.Finite),
  /** What went wrong with the others. */
  failures: Schema.Array(Schema.String),
  elapsed: Schema.Finite,
  cpuMilliseconds: Schema.Finite
})
export type LoadResult = typeof LoadResult.Type

const load = Schema.decodeUnknownOption(Schema.fromJsonString(Load))(process.argv[2])

const runCommand = (client: Client, command: string) =>
  Effect.callback<void, string>((resume) => {
    client.exec(command, (error, channel) => {
      if (error !== undefined) {
        resume(Effect.fail(error.message))
        return
      }
      channel.resume()
      channel.stderr.resume()
      channel.on("close", () => resume(Effect.void))
    })
  })

const connect = ({ channels = 1, command, port, username }: Load, privateKey: Buffer, held: Array<Client>) =>
  Effect.gen(function* () {
    const started = performance.now()
    const client = yield* Effect.callback<Client, string>((resume) => {
      const client = new Client()
      client.on("error", (error) => resume(Effect.fail(error.message)))
      client.on("ready", () => resume(Effect.succeed(client)))
      client.on("close", () => resume(Effect.fail("closed")))
      client.connect({ host: "127.0.0.1", port, username, privateKey, readyTimeout: 120_000 })
    })
    held.push(client)
    if (command !== undefined) yield* Effect.repeat(runCommand(client, command), { times: channels - 1 })
    return performance.now() - started
  }).pipe(Effect.result)

const run = (load: Load) =>
  Effect.gen(function* () {
    const privateKey = readFileSync(load.keyFile)
    const held: Array<Client> = []
    const started = performance.now()
    const cpu = process.cpuUsage()
    const results = yield* Effect.forEach(
      Array.from({ length: load.connections }),
      () => connect(load, privateKey, held),
      {
        concurrency: load.atOnce
      }
    )
    const { system, user } = process.cpuUsage(cpu)
    const result: LoadResult = {
      times: results.flatMap((result) => (result._tag === "Success" ? [result.success] : [])),
      failures: results.flatMap((result) => (result._tag === "Failure" ? [result.failure] : [])),
      elapsed: performance.now() - started,
      cpuMilliseconds: (system + user) / 1000
    }
    process.stdout.write(`${JSON.stringify(result)}\n`)
    if (load.hold) {
      yield* Effect.callback<void>((resume) => {
        process.stdin.once("end", () => resume(Effect.void))
        process.stdin.resume()
      })
    }
    for (const client of held) client.destroy()
  })

if (Option.isSome(load)) Effect.runFork(run(load.value))
