/**
 * The black-box suite over SSH: what a person with an ordinary client sees of a server and of the engine behind it.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import type * as Scope from "effect/Scope"
import { ConformanceError } from "./Conformance.ts"
import type { TestRunner } from "./DockerConformance.ts"
import * as AuthenticationCases from "./SshAuthenticationConformance.ts"
import type { SshClientError, SshTarget } from "./SshClient.ts"
import * as ProgramCases from "./SshProgramConformance.ts"
import * as TerminalCases from "./SshTerminalConformance.ts"

/**
 * What a server, or the engine behind it, may be without: `pty` (terminals), `signals`, `env` (variables that a client
 * sets), `password` (logging in by password).
 *
 * @since 0.1.0
 * @category models
 */
export type SshClaim = "pty" | "signals" | "env" | "password"

/**
 * What the suite works with.
 *
 * @since 0.1.0
 * @category models
 */
export interface SshConformanceOptions {
  /** What the server claims beyond plain commands. Default: everything. */
  readonly claims?: ReadonlyArray<SshClaim>
}

/**
 * One claim about a server.
 *
 * @since 0.1.0
 * @category models
 */
export interface SshConformanceCase {
  readonly group: string
  readonly name: string
  /** Succeeds when the claim holds. It runs on a clock that goes. */
  readonly check: Effect.Effect<void, ConformanceError | SshClientError, SshTarget>
}

/**
 * What a program does on a signal, in the words of a shell: it says so, and ends with status 7. An engine whose shell
 * knows no traps may know this one text.
 *
 * @since 0.1.0
 * @category constants
 */
export const trapCommand: string = ProgramCases.trapCommand

/** A case that takes longer than this has failed. */
const caseTimeout = Duration.seconds(30)

/** Longer than any case may take, so that it is the case that says what was late. Milliseconds. */
const testTimeout = 45_000

const timed = (
  check: Effect.Effect<void, ConformanceError | SshClientError, Scope.Scope | SshTarget>
): Effect.Effect<void, ConformanceError | SshClientError, SshTarget> =>
  check.pipe(
    Effect.timeoutOrElse({
      duration: caseTimeout,
      orElse: () =>
        Effect.fail(
          new ConformanceError({ claim: "it ends in time", expected: Duration.format(caseTimeout), actual: "longer" })
        )
    }),
    Effect.scoped
  )

/**
 * Every claim of the suite. The container of whoever logs in needs a shell (at `shellCommand`, if it is the product
 * itself that serves), and `cat`, `echo`, `env`, `sleep` and `stty` of POSIX.
 *
 * @since 0.1.0
 * @category suites
 */
export const sshConformanceCases = (options: SshConformanceOptions = {}): ReadonlyArray<SshConformanceCase> =>
  [...AuthenticationCases.cases, ...ProgramCases.cases, ...TerminalCases.cases]
    .filter(({ claim }) => claim === undefined || options.claims === undefined || options.claims.includes(claim))
    .map(({ check, group, name }) => ({ group, name, check: timed(check) }))

/**
 * Registers the whole suite with a test runner. The layer, which may start the server, is built once for all of it.
 *
 * @example
 * ```ts
 * import { afterAll, describe, it } from "vitest"
 *
 * describeSshConformance(
 *   { afterAll, describe, it },
 *   SshTarget.layer({ host: "127.0.0.1", port: 2222, username: "alice", password: "correct horse" })
 * )
 * ```
 *
 * @since 0.1.0
 * @category suites
 */
export const describeSshConformance = <E>(
  { afterAll, describe, it }: TestRunner,
  target: Layer.Layer<SshTarget, E>,
  options: SshConformanceOptions = {}
): void => {
  const runtime = ManagedRuntime.make(target)
  const groups = Map.groupBy(sshConformanceCases(options), ({ group }) => group)
  for (const [group, cases] of groups) {
    describe(group, () => {
      for (const { check, name } of cases) it(name, () => runtime.runPromise(check), testTimeout)
    })
  }
  afterAll(() => runtime.dispose())
}
