/**
 * The waiting programs of one container: one without a terminal, and one with. Whoever starts a program takes the one
 * that waits, if it suits, and the next one is made in the background.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { ContainerId } from "../schema/Identifiers.ts"
import * as DeadMansSwitch from "./DeadMansSwitch.ts"
import { Docker, type TerminalSize } from "./Docker.ts"
import { DockerRunConfig } from "./DockerRunConfig.ts"
import { EnginePriority } from "./EnginePriority.ts"
import { ProvenPrograms } from "./ProvenPrograms.ts"
import * as WaitingProgram from "./WaitingProgram.ts"

/**
 * One that was taken: nobody else gets it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Taken {
  readonly program: WaitingProgram.WaitingProgram
  readonly line: string
}

/**
 * @since 0.1.0
 * @category models
 */
export interface WaitingPrograms {
  /** The waiting program that can become the wanted one, if there is one now. */
  readonly take: (wanted: WaitingProgram.WantedProgram) => Taken | undefined
  /** Makes both of them ready, one after the other, as far as they are not, and waits for that. */
  readonly prepare: Effect.Effect<void>
  /**
   * Makes ready what the next program may need, when there is likely to be a next one: a connection that runs one command
   * and leaves does not pay for it. To be run next to a program that has begun, in the Scope of its connection.
   */
  readonly replace: (program: {
    readonly wanted: WaitingProgram.WantedProgram
    /** Whether it was not the connection's first one. */
    readonly isRepeated: boolean
    /** Waits for its end; says whether it has run. */
    readonly ended: Effect.Effect<boolean>
  }) => Effect.Effect<void>
}

/** A program that still runs after this time is one that people work in. */
const settled = "500 millis"

/** A client that wanted nothing but one program has left this time after its end. */
const lingering = "50 millis"

/** So long after its end a program's status is on its way: an engine that starts a shell meanwhile would hold it up. */
const told = "10 millis"

/**
 * For a container in which nothing can wait: programs are started as ever.
 *
 * @since 0.1.0
 * @category constructors
 */
export const none: WaitingPrograms = { take: () => undefined, prepare: Effect.void, replace: () => Effect.void }

/**
 * The waiting programs of a container, none of them made yet. They end with the container's Scope.
 *
 * There are none where they are switched off, and where no shell is known to be in the image.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = Effect.fnUntraced(function* (container: {
  readonly id: ContainerId
  readonly scope: Scope.Scope
}): Effect.fn.Return<WaitingPrograms, never, Docker | DockerRunConfig> {
  const { config } = yield* DockerRunConfig
  const shell = DeadMansSwitch.knownShell(config)
  if (!config.waitingPrograms || shell === undefined) return none
  const context = yield* Effect.map(Effect.context<Docker>(), Context.pick(Docker))

  const waiting = new Map<boolean, WaitingProgram.WaitingProgram>()
  const unsuitable = new Set<boolean>()
  const workingDirectory = config.container.WorkingDir
  const image = config.container.Image
  const proven = yield* ProvenPrograms
  const configured = [...Object.values(config.subsystems), ...config.shellCommand.slice(0, 1)].filter((program) =>
    program.includes("/")
  )
  let hadTerminal = false
  let user: string | undefined
  let size: TerminalSize = { columns: 80, rows: 24 }
  const making = yield* Semaphore.make(1)

  const fill = (tty: boolean) =>
    Effect.gen(function* () {
      const present = waiting.get(tty)
      if (unsuitable.has(tty) || (present?.isWaiting() === true && present.user === user)) return
      waiting.delete(tty)
      if (present !== undefined) yield* Scope.close(present.scope, Exit.void)
      const made = yield* WaitingProgram.make({
        container: container.id,
        shell,
        tty,
        size,
        user,
        workingDirectory: workingDirectory === "" ? undefined : workingDirectory,
        programs: [...new Set([...configured, ...proven.of(image)])],
        isProven: (program) => proven.of(image).has(program)
      })
      if (Option.isNone(made)) unsuitable.add(tty)
      else waiting.set(tty, made.value)
    }).pipe(
      // The next program asks again.
      Effect.ignore({ log: "Debug", message: "a program that waits for its command could not be made" }),
      (made) => making.withPermit(made),
      Scope.provide(container.scope),
      Effect.provideService(EnginePriority, "background"),
      Effect.provideContext(context)
    )

  return {
    take: (wanted) => {
      const tty = wanted.terminal !== undefined
      const program = waiting.get(tty)
      const line = program?.isWaiting() === true ? Option.getOrUndefined(program.lineFor(wanted)) : undefined
      if (program === undefined || line === undefined) return undefined
      waiting.delete(tty)
      return { program, line }
    },
    prepare: Effect.andThen(fill(false), fill(true)),
    replace: ({ ended, isRepeated, wanted }) =>
      Effect.suspend(() => {
        const { command, terminal } = wanted
        // The programs of a connection have all the same.
        user = wanted.user
        hadTerminal ||= terminal !== undefined
        size = terminal ?? size
        const over = Effect.map(ended, (hasRun) => {
          if (hasRun) proven.add(image, command[0])
        })
        const isWorthIt = Effect.raceFirst(
          Effect.sleep(settled),
          Effect.andThen(over, Effect.sleep(isRepeated ? told : lingering))
        )
        const refill = isWorthIt.pipe(
          Effect.andThen(fill(terminal !== undefined)),
          Effect.andThen(fill(terminal === undefined && hadTerminal))
        )
        return Effect.all([over, refill], { concurrency: "unbounded", discard: true })
      })
  }
})
