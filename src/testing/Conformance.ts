/**
 * What the cases of the conformance suite are made of.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { DockerError } from "../schema/DockerError.ts"
import type { HostConfig } from "../schema/HostConfig.ts"
import type { Docker } from "../services/Docker.ts"

/**
 * An engine, or the layer before it, does not do what this product needs.
 *
 * @since 0.1.0
 * @category errors
 */
export class ConformanceError extends Schema.TaggedError<ConformanceError>("dockerrun/ConformanceError")(
  "ConformanceError",
  { claim: Schema.String, expected: Schema.Unknown, actual: Schema.Unknown }
) {
  override get message(): string {
    return `${this.claim}: expected ${JSON.stringify(this.expected)}, got ${JSON.stringify(this.actual)}`
  }
}

/**
 * What the suite finds on the engine and in a registry.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConformanceImages {
  /** On the engine: has `/bin/sh`, and `cat`, `echo`, `env`, `pwd`, `seq`, `sleep`, `stty`, `true` of POSIX. */
  readonly shell: string
  /** On the engine: has `/bin/sleep`, `/bin/cat` and `/bin/echo`, and no `/bin/sh`. */
  readonly withoutShell: string
  /** A path in `shell` that is there and cannot be executed. */
  readonly notExecutable: string
  /** What a registry offers, if the suite is to pull. */
  readonly pull?: {
    /** Can be pulled. It need not be on the engine. */
    readonly present: string
    /** The registry answers that it has no such image. */
    readonly missing: string
    /** Nobody listens at the registry. */
    readonly unreachable: string
  }
}

/**
 * One claim about an engine.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConformanceCase {
  readonly group: string
  readonly name: string
  /** Succeeds when the claim holds. It cleans up after itself. It runs on a clock that goes. */
  readonly check: Effect.Effect<void, ConformanceError | DockerError, Docker>
}

/**
 * What the cases need to know.
 *
 * @internal
 */
export interface Setting {
  readonly images: ConformanceImages
  readonly host: HostConfig
}

/** A case that takes longer than this has failed. */
const caseTimeout = Duration.seconds(20)

/**
 * @internal
 */
export const makeCase = (
  group: string,
  name: string,
  check: Effect.Effect<void, ConformanceError | DockerError, Docker | Scope.Scope>
): ConformanceCase => ({
  group,
  name,
  check: check.pipe(
    Effect.timeoutOrElse({
      duration: caseTimeout,
      orElse: () =>
        Effect.fail(
          new ConformanceError({ claim: "it ends in time", expected: Duration.format(caseTimeout), actual: "longer" })
        )
    }),
    Effect.scoped
  )
})

/**
 * @internal
 */
export const expectEqual = <A>(claim: string, actual: A, expected: A): Effect.Effect<void, ConformanceError> =>
  Equal.equals(actual, expected) ? Effect.void : Effect.fail(new ConformanceError({ claim, expected, actual }))

/**
 * @internal
 */
export const expectReason = <A, R>(
  claim: string,
  effect: Effect.Effect<A, DockerError, R>,
  ...expected: ReadonlyArray<DockerError["reason"]["_tag"]>
): Effect.Effect<DockerError, ConformanceError, R> =>
  Effect.matchEffect(effect, {
    onSuccess: () => Effect.fail(new ConformanceError({ claim, expected, actual: "success" })),
    onFailure: (error) =>
      expected.includes(error.reason._tag)
        ? Effect.succeed(error)
        : Effect.fail(new ConformanceError({ claim, expected, actual: `${error.reason._tag}: ${error.message}` }))
  })

/**
 * Asks again until it is so; the case's own time limit ends it.
 *
 * @internal
 */
export const until = <A, E, R>(ask: Effect.Effect<A, E, R>, isSo: (value: A) => boolean): Effect.Effect<A, E, R> =>
  ask.pipe(
    Effect.tap(() => Effect.sleep("20 millis")),
    Effect.repeat({ until: isSo })
  )

/**
 * Runs in the background, begun at once.
 *
 * @internal
 */
export const begin = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.forkScoped(effect, { startImmediately: true }), Fiber.join)
