/** Runs the load client as a process of its own, and reads its answer. */
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { within } from "../test/support/Deadline.ts"
import { HarnessError } from "../test/support/HarnessError.ts"
import type { SshTarget } from "../test/support/OpenSsh.ts"
import { start } from "../test/support/Program.ts"
import { type Load, LoadResult } from "./LoadClient.ts"
import { decodeJson } from "./Json.ts"

const decode = decodeJson(LoadResult, "reading the load client's answer")

/** Connections that are to be held stay open until the Scope closes. */
export const runLoad = Effect.fnUntraced(function* (
  target: SshTarget,
  options: Pick<Load, "connections" | "atOnce"> & Partial<Pick<Load, "command" | "channels" | "hold">>,
  deadline: number = 120_000
): Effect.fn.Return<LoadResult, HarnessError, Scope.Scope> {
  const load: Load = {
    hold: false,
    ...options,
    port: target.port,
    username: target.user,
    keyFile: target.identityFile ?? ""
  }
  const client = yield* start(process.execPath, [join(import.meta.dirname, "LoadClient.ts"), JSON.stringify(load)], {
    stdin: "open"
  })
  let complaints = ""
  client.stderr.on("data", (chunk: Buffer) => (complaints += chunk.toString()))
  const line = yield* within(
    Effect.callback<string, HarnessError>((resume) => {
      let text = ""
      client.stdout.on("data", (chunk: Buffer) => {
        text += chunk.toString()
        if (text.endsWith("\n")) resume(Effect.succeed(text))
      })
      client.stdout.on("end", () =>
        resume(Effect.fail(new HarnessError({ operation: "the load client", detail: complaints })))
      )
    }),
    deadline,
    () => `${options.connections} connections, ${options.atOnce} at once`
  )
  return yield* decode(line)
})
