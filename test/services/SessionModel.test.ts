import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { discard } from "../../src/services/ByteSink.ts"
import * as CommandLine from "../../src/services/CommandLine.ts"
import type { TerminalSize } from "../../src/services/Docker.ts"
import { DockerRunConfig } from "../../src/services/DockerRunConfig.ts"
import type { Program } from "../../src/services/Program.ts"
import { SecurityConfig } from "../../src/services/SecurityConfig.ts"
import * as Session from "../../src/services/Session.ts"
import * as Signal from "../../src/services/Signal.ts"
import { channelId, client } from "../support/Backend.ts"

const size = { columns: Schema.Literals([80, 120]), rows: Schema.Literals([25, 40]) }

/** What a client, and the server on its behalf, may do with a session, in any order. */
const Step = Schema.TaggedUnion({
  Env: { name: Schema.Literals(["A", "B", "TERM"]), value: Schema.Literals(["1", "2"]) },
  Pty: { term: Schema.Literals(["xterm", "vt100"]), ...size },
  Shell: {},
  Exec: { line: Schema.Literals(["", "id", "/bin/echo a; /bin/echo b", "/bin/echo 'a b'"]) },
  Subsystem: { name: Schema.Literals(["sftp", "unknown", "toString"]) },
  /** The container is there, and the admitted program starts. */
  Start: {},
  Signal: { name: Schema.Literals(["TERM", "INT", "SIGTERM", "toString"]) },
  Window: size
})
type Step = typeof Step.Type

const Disabled = Schema.Struct({ shell: Schema.Boolean, command: Schema.Boolean, subsystem: Schema.Boolean })

interface Started {
  readonly command: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
  readonly terminal: TerminalSize | undefined
}

/** The contract, as plainly as it can be put. */
class Model {
  readonly env = new Map<string, string>()
  terminal: { readonly term: string; readonly columns: number; readonly rows: number } | undefined
  admitted: ReadonlyArray<string> | undefined
  started: Started | undefined
  readonly signals: Array<string> = []
  readonly resizes: Array<TerminalSize> = []

  readonly disabled: typeof Disabled.Type

  constructor(disabled: typeof Disabled.Type) {
    this.disabled = disabled
  }

  /** The reason of the refusal, or `ok`. */
  take(step: Step): string {
    switch (step._tag) {
      case "Env":
        if (this.admitted !== undefined) return "ProgramAlreadyRunning"
        this.env.set(step.name, step.value)
        return "ok"
      case "Pty":
        if (this.admitted !== undefined) return "ProgramAlreadyRunning"
        this.terminal = { term: step.term, columns: step.columns, rows: step.rows }
        return "ok"
      case "Shell":
        return this.admit(this.disabled.shell, ["/bin/bash", "-l"])
      case "Exec":
        return this.admit(this.disabled.command, CommandLine.toArguments(step.line))
      case "Subsystem":
        return this.admit(this.disabled.subsystem, step.name === "sftp" ? ["/usr/lib/sftp"] : "SubsystemUnknown")
      case "Start":
        if (this.admitted === undefined || this.started !== undefined) return "nothing to start"
        this.started = {
          command: this.admitted,
          env: { ...Object.fromEntries(this.env), ...(this.terminal && { TERM: this.terminal.term }) },
          terminal: this.terminal && { columns: this.terminal.columns, rows: this.terminal.rows }
        }
        return "ok"
      case "Signal":
        if (!Signal.isName(step.name)) return "SignalUnknown"
        if (this.started === undefined) return "NoProgramRunning"
        this.signals.push(step.name)
        return "ok"
      case "Window":
        if (this.admitted === undefined) return "NoProgramRunning"
        if (this.terminal === undefined) return "ok"
        this.terminal = { ...this.terminal, columns: step.columns, rows: step.rows }
        if (this.started !== undefined) this.resizes.push({ columns: step.columns, rows: step.rows })
        return "ok"
    }
  }

  private admit(isDisabled: boolean, command: ReadonlyArray<string> | string): string {
    if (this.admitted !== undefined) return "ProgramAlreadyRunning"
    if (isDisabled) return "KindDisabled"
    if (typeof command === "string") return command
    this.admitted = command
    return "ok"
  }
}

/** The real session, over a container that only writes down what reaches it. */
const makeReal = Effect.fnUntraced(function* (disabled: typeof Disabled.Type) {
  const { config } = yield* DockerRunConfig.pipe(
    Effect.provide(
      DockerRunConfig.layer({
        config: {
          shellCommand: ["/bin/bash", "-l"],
          subsystems: { sftp: "/usr/lib/sftp" },
          disableShell: disabled.shell,
          disableCommand: disabled.command,
          disableSubsystem: disabled.subsystem
        }
      })
    )
  )
  const seen: { started: Started | undefined; readonly signals: Array<string>; readonly resizes: Array<TerminalSize> } =
    {
      started: undefined,
      signals: [],
      resizes: []
    }
  const program: Program = {
    stdin: discard,
    exit: Effect.never,
    resize: ({ columns, rows }) => Effect.sync(() => void seen.resizes.push({ columns, rows })),
    signal: (name) => Effect.sync(() => void seen.signals.push(name))
  }
  const session = Session.make({
    connectionId: client().connectionId,
    channelId: channelId(),
    config,
    security: yield* SecurityConfig,
    start: ({ command, env, terminal }) =>
      Effect.sync(() => {
        const size = terminal()
        seen.started = { command, env, terminal: size && { columns: size.columns, rows: size.rows } }
        return program
      })
  })
  return { seen, session }
})

const perform = (session: Session.Session) => {
  let admitted: Session.AdmittedProgram | undefined
  let isStarted = false
  const admit = (request: Session.Session["shell"]) =>
    Effect.map(request, (program) => {
      admitted = program
    })
  return (step: Step) => {
    switch (step._tag) {
      case "Env":
        return session.env(step.name, step.value)
      case "Pty":
        return session.pty(step)
      case "Shell":
        return admit(session.shell)
      case "Exec":
        return admit(session.exec(step.line))
      case "Subsystem":
        return admit(session.subsystem(step.name))
      case "Start":
        if (admitted === undefined || isStarted) return Effect.succeed("nothing to start")
        isStarted = true
        return Effect.asVoid(admitted.start({ stdout: discard, stderr: discard }))
      case "Signal":
        return session.signal(step.name)
      case "Window":
        return session.window(step)
    }
  }
}

describe("a session, against a model of its contract", () => {
  it.effect.prop(
    "answers every sequence of requests as the contract says, and its program gets what was asked for",
    { steps: Schema.Array(Step).check(Schema.isMinLength(8)), disabled: Disabled },
    ({ disabled, steps }) =>
      Effect.gen(function* () {
        const model = new Model(disabled)
        const { seen, session } = yield* makeReal(disabled)
        const take = perform(session)
        for (const [index, step] of steps.entries()) {
          const expected = model.take(step)
          const actual = yield* take(step).pipe(
            Effect.map((result) => (typeof result === "string" ? result : "ok")),
            Effect.catch((error) => Effect.succeed<string>(error.reason._tag))
          )
          assert.strictEqual(actual, expected, `step ${index}: ${JSON.stringify(step)}`)
        }
        assert.deepStrictEqual(seen, {
          started: model.started,
          signals: model.signals,
          resizes: model.resizes
        })
      }),
    { arbitrary: { runs: 500 } }
  )
})
