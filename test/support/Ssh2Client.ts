/**
 * A client that asks for what OpenSSH's never does: an empty command line, signals, a channel that is closed while its
 * program runs, a request too many.
 */
import { generateKeyPairSync } from "node:crypto"
import { readFile } from "node:fs/promises"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Client, type ClientChannel, type ConnectConfig } from "ssh2"
import { waitFor } from "./Deadline.ts"
import { type HarnessError, harnessError } from "./HarnessError.ts"
import type { SshTarget } from "./OpenSsh.ts"

/** The key of a server in the same process. Of ssh2's own making one in many is none that it can read. */
export const makeHostKey = () =>
  generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ type: "sec1", format: "pem" })

export interface Channel {
  readonly channel: ClientChannel
  readonly stdout: () => string
  readonly stderr: () => string
  /** Waits until the server closed the channel, and gives the exit status if there was one. */
  readonly closed: (deadline?: number) => Effect.Effect<number | undefined, HarnessError>
  readonly isClosed: () => boolean
}

const watch = (channel: ClientChannel): Channel => {
  let stdout = ""
  let stderr = ""
  let status: number | undefined
  let isClosed = false
  channel.on("data", (chunk: Buffer) => (stdout += chunk.toString()))
  channel.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()))
  channel.on("exit", (code: number | null) => (status = code ?? undefined))
  channel.on("close", () => (isClosed = true))
  return {
    channel,
    stdout: () => stdout,
    stderr: () => stderr,
    isClosed: () => isClosed,
    closed: (deadline = 15_000) =>
      Effect.as(
        waitFor(
          "the channel to close",
          Effect.sync(() => isClosed),
          deadline
        ),
        undefined
      ).pipe(Effect.map(() => status))
  }
}

/** Logs in with the target's key; the connection ends with the Scope. */
export const connectClient = (
  target: SshTarget,
  options: ConnectConfig = {}
): Effect.Effect<Client, HarnessError, Scope.Scope> =>
  Effect.gen(function* () {
    const { identityFile } = target
    const privateKey =
      identityFile === undefined
        ? undefined
        : yield* Effect.tryPromise({ try: () => readFile(identityFile), catch: harnessError("reading the key") })
    return yield* Effect.acquireRelease(
      Effect.callback<Client, HarnessError>((resume) => {
        const client = new Client()
        client.on("error", (cause) => resume(Effect.fail(harnessError("connecting")(cause))))
        client.on("ready", () => resume(Effect.succeed(client)))
        client.connect({
          host: target.host ?? "127.0.0.1",
          port: target.port,
          username: target.user,
          readyTimeout: 20_000,
          ...(privateKey === undefined ? {} : { privateKey }),
          ...(target.password === undefined ? {} : { password: target.password }),
          ...options
        })
      }),
      (client) => Effect.sync(() => client.destroy())
    )
  })

type Callback = (error: Error | undefined, channel: ClientChannel) => void

const open = (operation: string, ask: (callback: Callback) => void): Effect.Effect<Channel, HarnessError> =>
  Effect.callback((resume) => {
    ask((error, channel) =>
      resume(error === undefined ? Effect.succeed(watch(channel)) : Effect.fail(harnessError(operation)(error)))
    )
  })

/** Opens a channel and runs a command line on it. */
export const execOn = (client: Client, command: string, options: { readonly pty?: boolean } = {}) =>
  open(`exec ${JSON.stringify(command)}`, (callback) => client.exec(command, options, callback))

/** Opens a channel and asks for a shell without a terminal. */
export const shellOn = (client: Client) => open("shell", (callback) => client.shell(false, callback))

/** Opens a channel and asks for a subsystem. */
export const subsystemOn = (client: Client, name: string) =>
  open(`subsystem ${name}`, (callback) => client.subsys(name, callback))
