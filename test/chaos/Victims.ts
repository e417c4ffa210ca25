/** The clients of a round: each has a user of its own, by which the server's log and its container are known. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { pause, waitFor, within } from "../support/Deadline.ts"
import { listContainers } from "../support/EngineApi.ts"
import type { HarnessError } from "../support/HarnessError.ts"
import { sshArguments } from "../support/OpenSsh.ts"
import { type RunningProgram, start } from "../support/Program.ts"
import type { TestServer } from "../support/Server.ts"
import type { Wire } from "../support/Wire.ts"
import type { Kind, Step } from "./Plan.ts"
import type { PrivateEngine } from "./PrivateEngine.ts"

/** How a client ended, as it and its user saw it. */
export interface Ended {
  readonly user: string
  /** None for one that was killed by the round itself. */
  readonly status: number | undefined
  readonly output: string
  readonly complaints: string
  /** Whether it ended as it would have with nobody doing anything. */
  readonly isAsMeant: boolean
}

/** What a program prints that nobody harms. */
const meant = { output: "begin\nend\n", status: 7 }
const unharmed = "echo begin; sleep 0.2; echo end; exit 7"
const input = "what is typed comes back\n".repeat(200)

const commands: Readonly<Record<Kind, { readonly command?: string; readonly args?: ReadonlyArray<string> }>> = {
  echo: { command: "cat" },
  sleep: { command: "sleep 300" },
  flood: { command: "while :; do echo output; done" },
  stubborn: { command: "trap '' HUP INT TERM; while :; do sleep 1; done" },
  shell: {},
  idle: { args: ["-N"] }
}

const open = (server: TestServer, user: string, kind: Kind | undefined, wire: Wire | undefined) => {
  const request = { ...server.target, user, ...(kind === undefined ? { command: unharmed } : commands[kind]) }
  const line = ["ssh", ...sshArguments(wire === undefined ? request : { ...request, host: wire.address })]
  const [program = "", ...args] = [...(wire?.prefix ?? []), ...line]
  return start(program, args, { stdin: "open" })
}

/** The container of a user, as soon as the engine has one for it, or the log says that one of the pool was taken. */
const containerOf = ({ engine, server }: Surroundings, user: string) =>
  Effect.gen(function* () {
    const taken = server.events.find((event) => event["username"] === user && typeof event["containerId"] === "string")
    if (taken !== undefined) return String(taken["containerId"])
    const [made] = yield* listContainers(engine.host, `containerssh_username=${user}`)
    return made?.Id
  })

const watch = (client: RunningProgram) => {
  let output = ""
  let complaints = ""
  // A flood is read, and not kept.
  client.stdout.on("data", (chunk: Buffer) => {
    if (output.length < 100_000) output += chunk.toString("latin1")
  })
  client.stderr.on("data", (chunk: Buffer) => (complaints += chunk.toString()))
  return { output: () => output, complaints: () => complaints }
}

export interface Surroundings {
  readonly server: TestServer
  readonly engine: PrivateEngine
  readonly wire: Wire | undefined
}

/** Comes, is hit, and has ended when this ends. */
export const victim = Effect.fnUntraced(function* (
  surroundings: Surroundings,
  user: string,
  step: Extract<Step, { readonly _tag: "Client" }>
): Effect.fn.Return<Ended, HarnessError, Scope.Scope> {
  const { engine, server, wire } = surroundings
  yield* pause(step.at)
  const isEcho = step.fault === "closeStdin"
  const kind = isEcho ? "echo" : step.fault === "none" ? undefined : step.kind
  const client = yield* open(server, user, kind, step.fault === "cutNetwork" ? wire : undefined)
  const seen = watch(client)
  if (isEcho) client.stdin.write(input)
  const isAtContainer = step.fault === "killContainer" || step.fault === "removeContainer"
  if (!isAtContainer) yield* pause(step.after)
  const ended = (status: number | undefined, isAsMeant: boolean): Ended => ({
    user,
    status,
    isAsMeant,
    output: seen.output(),
    complaints: seen.complaints()
  })
  const kill = Effect.gen(function* () {
    yield* client.kill("SIGKILL")
    yield* client.exit
    return ended(undefined, true)
  })
  const byItself = Effect.map(
    within(client.closed, 60_000, () => `the end of ${user} (${step.kind}, ${step.fault}): ${seen.complaints()}`),
    ({ status }) => status ?? undefined
  )
  switch (step.fault) {
    case "none": {
      const status = yield* byItself
      return ended(status, status === meant.status && seen.output() === meant.output)
    }
    case "closeStdin": {
      client.stdin.end()
      const status = yield* byItself
      return ended(status, status === 0 && seen.output() === input)
    }
    case "killClient":
      return yield* kill
    case "cutNetwork":
      yield* wire?.cut ?? Effect.void
      return yield* kill
    case "killContainer":
    case "removeContainer": {
      // The engine, or the server, may be gone before there is one.
      const container = yield* Effect.option(
        waitFor(
          "a container to hit",
          Effect.orElseSucceed(containerOf(surroundings, user), () => undefined),
          20_000
        )
      )
      if (Option.isNone(container)) return yield* kill
      yield* pause(step.after)
      const hit =
        step.fault === "killContainer" ? ["kill", container.value] : ["rm", "--force", "--volumes", container.value]
      // It, or the engine, may be gone already: then Docker's client fails, or does not say which it has hit.
      const isHit = yield* Effect.orElseSucceed(
        Effect.map(engine.docker(...hit), (said) => said.includes(container.value)),
        () => false
      )
      return isHit ? ended(yield* byItself, false) : yield* kill
    }
  }
})

/** Many at once, while the registry hangs; every other one is killed meanwhile. */
export const pulls = Effect.fnUntraced(function* (
  { engine, server }: Surroundings,
  user: string,
  step: Extract<Step, { readonly _tag: "Pulls" }>
): Effect.fn.Return<ReadonlyArray<Ended>, HarnessError, Scope.Scope> {
  yield* pause(step.at)
  yield* Effect.acquireRelease(engine.signalRegistry("SIGSTOP"), () => engine.signalRegistry("SIGCONT"))
  const clients = yield* Effect.forEach(Array.from({ length: step.clients }), () =>
    Effect.map(open(server, user, undefined, undefined), (client) => ({ client, seen: watch(client) }))
  )
  yield* pause(step.hangs)
  yield* Effect.forEach(clients, ({ client }, index) => (index % 2 === 0 ? client.kill("SIGKILL") : Effect.void))
  yield* engine.signalRegistry("SIGCONT")
  return yield* Effect.forEach(clients, ({ client, seen }, index) =>
    Effect.gen(function* () {
      const { status } = yield* within(client.closed, 90_000, () => `the end of ${user}: ${seen.complaints()}`)
      const [output, complaints] = [seen.output(), seen.complaints()]
      const wasKilled = index % 2 === 0
      const isAsMeant = wasKilled || (status === meant.status && output === meant.output)
      return { user, status: wasKilled ? undefined : (status ?? undefined), output, complaints, isAsMeant }
    })
  )
})
