/** The program itself, as an operator runs it: a child process with a configuration file, watched through its log. */
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { hash } from "bcrypt"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { waitFor, within } from "./Deadline.ts"
import { engine, engineSockets } from "./Engine.ts"
import { HarnessError, harnessError } from "./HarnessError.ts"
import { generateKey, type SshTarget } from "./OpenSsh.ts"
import { childProcesses, openFiles, residentMemory } from "./ProcessTable.ts"
import { type ProgramExit, type RunningProgram, start } from "./Program.ts"
import { temporaryDirectory } from "./TemporaryDirectory.ts"

const projectRoot = join(import.meta.dirname, "../..")
const mainFile = join(projectRoot, "src/main.ts")

type Section = Readonly<Record<string, unknown>>

interface User {
  readonly authorizedKeys?: ReadonlyArray<string>
  /** In clear; the harness hashes it. */
  readonly password?: string
  readonly container?: Section
}

export interface ServerOptions {
  /** The name of the user whose key {@link TestServer.target} has; `alice` unless told. Test files use a name each. */
  readonly user?: string
  /** That user alone, with a key made for the server, unless told. */
  readonly users?: Readonly<Record<string, User>>
  /** dockerrun-test/tiny:1 unless told. */
  readonly image?: string
  /** Merged over the harness's `ssh` section, key by key. */
  readonly ssh?: Section
  /** Merged over the harness's `auth` section, key by key. */
  readonly auth?: Section
  /** Merged over the harness's `dockerrun` section, key by key: `host` and the TLS keys. */
  readonly dockerrun?: Section
  /** Merged over the harness's `dockerrun.config`, key by key: `container`, `imagePullPolicy`, `timeout` and so on. */
  readonly backend?: Section
  /** Merged over the harness's `log` section: debug, in JSON. */
  readonly log?: Section
  /** Further top-level sections. */
  readonly sections?: Section
  readonly env?: Readonly<Record<string, string>>
  /** Further arguments of `serve`. */
  readonly args?: ReadonlyArray<string>
  /** The program and its first arguments; `node src/main.ts` unless told. */
  readonly command?: readonly [string, ...ReadonlyArray<string>]
}

/** One line of the log in JSON. */
type LogEvent = Readonly<Record<string, unknown>>

export interface TestServer {
  readonly pid: number
  readonly port: number
  /** Logs in as {@link ServerOptions.user} with a key made for this server. */
  readonly target: SshTarget
  /** The public half of that key, as it stands in the configuration. */
  readonly publicKey: string
  /** Events so far, oldest first. */
  readonly events: ReadonlyArray<LogEvent>
  /** Everything that was written to stdout and stderr, in the order of arrival. */
  readonly text: () => string
  /** The first event, past or to come, with that code for which the predicate holds. */
  readonly waitForEvent: (
    code: string,
    predicate?: (event: LogEvent) => boolean,
    deadline?: number
  ) => Effect.Effect<LogEvent, HarnessError>
  readonly kill: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** Waits for the process to end; fails with the log when it does not. Deadline in milliseconds, 20 000 unless told. */
  readonly exit: (deadline?: number) => Effect.Effect<ProgramExit, HarnessError>
  readonly hasExited: () => boolean
  /** Resident memory in bytes. */
  readonly rss: () => number
  /** What its open file descriptors are: `socket:[…]`, `/dev/null` and so on. */
  readonly openFiles: () => ReadonlyArray<string>
  /** The pids of its child processes. */
  readonly children: () => ReadonlyArray<number>
  /** How many sockets it has open to the engine. */
  readonly engineSockets: Effect.Effect<number, HarnessError>
}

/** The configuration file's content; JSON is YAML. */
const serverConfig = (
  options: ServerOptions & { readonly directory: string; readonly users: Readonly<Record<string, User>> }
): Effect.Effect<string, HarnessError> =>
  Effect.tryPromise({
    try: async () => {
      const users: Record<string, unknown> = {}
      for (const [name, user] of Object.entries(options.users)) {
        users[name] = {
          ...(user.authorizedKeys === undefined ? {} : { authorizedKeys: user.authorizedKeys }),
          ...(user.container === undefined ? {} : { container: user.container }),
          ...(user.password === undefined ? {} : { passwordHash: await hash(user.password, 10) })
        }
      }
      return JSON.stringify(
        {
          ssh: {
            listen: "127.0.0.1:0",
            hostkeyDirectory: join(options.directory, "hostkeys"),
            // All clients of a test are on one machine, and come at once.
            maxStartups: 1_000,
            maxStartupsPerAddress: 0,
            // Programs that a test leaves running are not waited for.
            shutdownGracePeriod: "500ms",
            ...options.ssh
          },
          auth: { users, ...options.auth },
          dockerrun: {
            ...(options.dockerrun?.["host"] === undefined ? { host: engine().host } : {}),
            ...options.dockerrun,
            config: {
              container: { Image: options.image ?? "dockerrun-test/tiny:1" },
              host: { NetworkMode: "none" },
              shellCommand: ["/bin/sh"],
              imagePullPolicy: "Never",
              ...options.backend
            }
          },
          log: { level: "debug", format: "json", ...options.log },
          ...options.sections
        },
        undefined,
        2
      )
    },
    catch: harnessError("making the configuration")
  })

/** The server reads DOCKERRUN_* and DOCKER_*: what is set for the tests is not meant for it. */
const withoutOwnVariables: Readonly<Record<string, undefined>> = Object.fromEntries(
  Object.keys(process.env).flatMap((name) => (/^(?:DOCKERRUN|DOCKER|VITEST)/u.test(name) ? [[name, undefined]] : []))
)

const parseEvent = (line: string): LogEvent | undefined => {
  if (!line.startsWith("{")) return undefined
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === "object" && value !== null ? { ...value } : undefined
  } catch (cause) {
    // Not every line that begins with a brace is an event; the text keeps it.
    if (cause instanceof SyntaxError) return undefined
    throw cause
  }
}

const watch = (program: RunningProgram) => {
  const events: Array<LogEvent> = []
  let text = ""
  for (const stream of [program.stdout, program.stderr]) {
    let rest = ""
    stream.setEncoding("utf8")
    stream.on("data", (chunk: string) => {
      text += chunk
      const lines = (rest + chunk).split("\n")
      rest = lines.pop() ?? ""
      for (const line of lines) {
        const event = parseEvent(line)
        if (event !== undefined) events.push(event)
      }
    })
  }
  const find = (code: string, predicate: (event: LogEvent) => boolean) =>
    events.find((event) => event["code"] === code && predicate(event))
  return { events, text: () => text, find }
}

const endServer = (program: RunningProgram, log: () => string): Effect.Effect<void> =>
  Effect.gen(function* () {
    yield* program.kill("SIGTERM")
    // The failure is for the test to fail with: a server that ignores TERM is a fault, wherever it is noticed.
    yield* Effect.orDie(
      within(program.exit, 20_000, () => `waiting for the server to end on TERM; its log:\n${log()}\n`)
    )
  })

/**
 * Starts `dockerrun serve` and waits until it listens. When the Scope closes it gets TERM; a server that does not end
 * within 20 seconds of that is killed, and the test fails.
 */
export const startServer = (options: ServerOptions = {}): Effect.Effect<TestServer, HarnessError, Scope.Scope> =>
  Effect.gen(function* () {
    const directory = yield* temporaryDirectory
    const user = options.user ?? "alice"
    const key = yield* generateKey("ed25519", { comment: user })
    const users = options.users ?? { [user]: { authorizedKeys: [key.publicKey] } }
    const config = yield* serverConfig({ ...options, users, directory })
    const file = join(directory, "dockerrun.yaml")
    yield* Effect.tryPromise({ try: () => writeFile(file, config), catch: harnessError("writing the configuration") })

    const [command, ...first] = options.command ?? [process.execPath, mainFile]
    const program = yield* start(command, [...first, "serve", "--config", file, ...(options.args ?? [])], {
      cwd: projectRoot,
      env: { ...withoutOwnVariables, HOME: directory, ...options.env }
    })
    const log = watch(program)
    yield* Effect.addFinalizer(() => endServer(program, log.text))

    const waitForEvent: TestServer["waitForEvent"] = (code, predicate = () => true, deadline = 15_000) =>
      waitFor(
        `the event ${code}`,
        Effect.suspend(() => {
          const event = log.find(code, predicate)
          return event === undefined && program.hasExited()
            ? Effect.fail(
                new HarnessError({ operation: `waiting for the event ${code}`, detail: "the server has ended" })
              )
            : Effect.succeed(event)
        }),
        deadline
      ).pipe(Effect.mapError((error) => harnessError(error.operation)(`${error.detail}; its log:\n${log.text()}`)))

    const listening = yield* waitForEvent("SSH_LISTENING", (event) => typeof event["port"] === "number", 30_000)
    const port = Number(listening["port"])
    return {
      pid: program.pid,
      port,
      target: { port, user, identityFile: key.privateFile },
      publicKey: key.publicKey,
      events: log.events,
      text: log.text,
      waitForEvent,
      kill: program.kill,
      exit: (deadline = 20_000) =>
        within(program.exit, deadline, () => `waiting for the server to end; its log:\n${log.text()}\n`),
      hasExited: program.hasExited,
      rss: () => residentMemory(program.pid),
      openFiles: () => openFiles(program.pid),
      children: () => childProcesses(program.pid),
      engineSockets: Effect.suspend(() => engineSockets(program.pid))
    }
  })

/** One server for a group of tests. */
export class SharedServer extends Context.Service<SharedServer, TestServer>()("test/SharedServer") {
  static readonly start = (options: ServerOptions) => Layer.effect(SharedServer, startServer(options))
}
