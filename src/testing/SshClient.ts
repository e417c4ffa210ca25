/**
 * A real SSH client, as far as the cases of the black-box suite need one.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import ssh2, { type ClientChannel, type PseudoTtyOptions } from "ssh2"

/**
 * Where the server is, and who gets in.
 *
 * @since 0.1.0
 * @category services
 */
export class SshTarget extends Context.Service<
  SshTarget,
  {
    readonly host: string
    readonly port: number
    readonly username: string
    /** At least one of the two, or nobody gets in. */
    readonly password?: string
    /** In PEM or in OpenSSH's own format, unencrypted. */
    readonly privateKey?: string
  }
>()("dockerrun/testing/SshTarget") {
  /** A server that runs already. */
  static readonly layer = (target: SshTarget["Service"]): Layer.Layer<SshTarget> => Layer.succeed(SshTarget, target)
}

/**
 * The client could not do what a case asked for.
 *
 * @since 0.1.0
 * @category errors
 */
export class SshClientError extends Schema.TaggedError<SshClientError>("dockerrun/SshClientError")("SshClientError", {
  /** Such as `connecting`, `exec "stty size"`. */
  operation: Schema.String,
  /** Whether it was the server that did not let the client in. */
  isRefusal: Schema.Boolean,
  cause: Schema.Defect()
}) {
  override get message(): string {
    return `${this.operation}: ${this.cause instanceof Error ? this.cause.message : String(this.cause)}`
  }
}

const errorOf = (operation: string, cause: unknown): SshClientError =>
  new SshClientError({
    operation,
    isRefusal: cause instanceof Error && "level" in cause && cause.level === "client-authentication",
    cause
  })

/** How a program ended, as the server tells it (RFC 4254, section 6.10). */
interface ProgramEnd {
  readonly status?: number
  readonly signal?: string
}

/**
 * A channel on which a program runs.
 *
 * @internal
 */
export interface SshChannel {
  readonly stdout: () => string
  readonly stderr: () => string
  readonly bytes: () => Uint8Array
  readonly write: (data: Uint8Array | string) => Effect.Effect<void>
  /** No more input: a half-close. */
  readonly end: Effect.Effect<void>
  readonly signal: (name: string) => Effect.Effect<void>
  readonly setWindow: (columns: number, rows: number) => Effect.Effect<void>
  /** Waits until it is so of the standard output; fails when the channel closes before. */
  readonly awaitOutput: (what: string, isSo: (output: string) => boolean) => Effect.Effect<void, SshClientError>
  /** Waits until the server has closed the channel. */
  readonly closed: Effect.Effect<ProgramEnd>
}

interface ExecOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly terminal?: { readonly columns: number; readonly rows: number }
}

/**
 * @internal
 */
export interface SshConnection {
  readonly exec: (command: string, options?: ExecOptions) => Effect.Effect<SshChannel, SshClientError>
  readonly shell: (options?: ExecOptions) => Effect.Effect<SshChannel, SshClientError>
  readonly subsystem: (name: string) => Effect.Effect<SshChannel, SshClientError>
  /** Why the connection broke, if it did. */
  readonly failure: () => SshClientError | undefined
}

const watch = (channel: ClientChannel): SshChannel => {
  const chunks: Array<Buffer> = []
  const waiting = new Set<() => void>()
  let stderr = ""
  let end: ProgramEnd = {}
  let isClosed = false
  const wake = () => {
    for (const look of waiting) look()
  }
  channel.on("data", (chunk: Buffer) => {
    chunks.push(chunk)
    wake()
  })
  channel.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  channel.on("exit", (status: number | null, signal?: string) => {
    end = { ...(status === null ? {} : { status }), ...(signal === undefined ? {} : { signal }) }
  })
  channel.on("close", () => {
    isClosed = true
    wake()
  })
  const stdout = () => Buffer.concat(chunks).toString()
  /** Asks at once, and then at each change. */
  const whenever = <A, E>(ask: () => Effect.Effect<A, E> | undefined): Effect.Effect<A, E> =>
    Effect.callback((resume) => {
      const look = () => {
        const answer = ask()
        if (answer === undefined) return
        waiting.delete(look)
        resume(answer)
      }
      waiting.add(look)
      look()
      return Effect.sync(() => waiting.delete(look))
    })

  return {
    stdout,
    stderr: () => stderr,
    bytes: () => Buffer.concat(chunks),
    write: (data) => Effect.sync(() => void channel.write(data)),
    end: Effect.sync(() => void channel.end()),
    signal: (name) => Effect.sync(() => channel.signal(name)),
    // The size in pixels is not known.
    setWindow: (columns, rows) => Effect.sync(() => channel.setWindow(rows, columns, 0, 0)),
    awaitOutput: (what, isSo) =>
      whenever(() => {
        if (isSo(stdout())) return Effect.void
        return isClosed
          ? Effect.fail(
              errorOf(what, `the channel closed after ${JSON.stringify(stdout())}, ${JSON.stringify(stderr)}`)
            )
          : undefined
      }),
    closed: whenever(() => (isClosed ? Effect.succeed(end) : undefined))
  }
}

const terminalOf = ({ terminal }: ExecOptions): PseudoTtyOptions | false =>
  terminal === undefined ? false : { cols: terminal.columns, rows: terminal.rows, term: "xterm" }

/**
 * Connects; the connection ends with the Scope.
 *
 * @internal
 */
export const connect = Effect.fnUntraced(function* (
  options: {
    /** Instead of the target's own credentials. */
    readonly credentials?: { readonly username: string; readonly password?: string; readonly privateKey?: string }
    /** Asks whether the server is there, so often (milliseconds), and gives up after so many questions. */
    readonly keepalive?: { readonly interval: number; readonly countMax: number }
  } = {}
): Effect.fn.Return<SshConnection, SshClientError, SshTarget | Scope.Scope> {
  const { host, password, port, privateKey, username } = yield* SshTarget
  const client = new ssh2.Client()
  let failure: SshClientError | undefined
  yield* Effect.addFinalizer(() => Effect.sync(() => client.destroy()))
  yield* Effect.callback<void, SshClientError>((resume) => {
    // Also after the login: an error that nobody hears ends the process.
    client.on("error", (cause) => {
      failure = errorOf("connecting", cause)
      resume(Effect.fail(failure))
    })
    client.on("ready", () => resume(Effect.void))
    client.connect({
      host,
      port,
      username,
      readyTimeout: 20_000,
      ...(options.keepalive === undefined
        ? {}
        : { keepaliveInterval: options.keepalive.interval, keepaliveCountMax: options.keepalive.countMax }),
      ...(options.credentials ?? {
        ...(password === undefined ? {} : { password }),
        ...(privateKey === undefined ? {} : { privateKey })
      })
    })
  })

  const open = (
    operation: string,
    ask: (callback: (error: Error | undefined, channel: ClientChannel) => void) => void
  ): Effect.Effect<SshChannel, SshClientError> =>
    Effect.callback((resume) => {
      // ssh2 throws when the connection is gone already.
      try {
        ask((error, channel) => {
          resume(error === undefined ? Effect.succeed(watch(channel)) : Effect.fail(errorOf(operation, error)))
        })
      } catch (cause) {
        resume(Effect.fail(errorOf(operation, cause)))
      }
    })

  return {
    exec: (command, execOptions = {}) =>
      open(`exec ${JSON.stringify(command)}`, (callback) => {
        const pty = terminalOf(execOptions)
        client.exec(command, { ...(pty === false ? {} : { pty }), env: { ...execOptions.env } }, callback)
      }),
    shell: (shellOptions = {}) =>
      open("shell", (callback) => {
        client.shell(terminalOf(shellOptions), { env: { ...shellOptions.env } }, callback)
      }),
    subsystem: (name) => open(`subsystem ${name}`, (callback) => client.subsys(name, callback)),
    failure: () => failure
  }
})
