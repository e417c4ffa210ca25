/**
 * The conformance suite: what this product needs of an engine and of the layer in front of it.
 *
 * @since 0.1.0
 */
import type * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import type { HostConfig } from "../schema/HostConfig.ts"
import type { Docker } from "../services/Docker.ts"
import type { ConformanceCase, ConformanceImages, Setting } from "./Conformance.ts"
import * as ArchiveConformance from "./ArchiveConformance.ts"
import * as ContainerConformance from "./ContainerConformance.ts"
import * as EngineConformance from "./EngineConformance.ts"
import * as ExecConformance from "./ExecConformance.ts"
import * as TerminalConformance from "./TerminalConformance.ts"

/**
 * What the suite works with.
 *
 * @since 0.1.0
 * @category models
 */
export interface ConformanceOptions {
  readonly images: ConformanceImages
  /** For all containers of the suite, such as `{ NetworkMode: "none" }`. Default: `{}`. */
  readonly host?: HostConfig
  /**
   * What the engine does not claim: the names of cases, with their group in front, such as `"terminals: make a signal of
   * ctrl-C"`. They are left out. A name that no case has is an error. Default: none.
   */
  readonly unclaimed?: ReadonlyArray<string>
}

const nameOf = ({ group, name }: ConformanceCase) => `${group}: ${name}`

/**
 * Every claim of the suite but those that are unclaimed. Run each `check` with a `Docker` and a clock that goes. Throws
 * a `RangeError` when `unclaimed` names a case that there is not.
 *
 * @since 0.1.0
 * @category suites
 */
export const conformanceCases = (options: ConformanceOptions): ReadonlyArray<ConformanceCase> => {
  const setting: Setting = { images: options.images, host: options.host ?? {} }
  const cases = [
    ...EngineConformance.cases(setting),
    ...ContainerConformance.cases(setting),
    ...ExecConformance.cases(setting),
    ...ArchiveConformance.cases(setting),
    ...TerminalConformance.cases(setting)
  ]
  const unclaimed = new Set(options.unclaimed)
  const claimed = cases.filter((one) => !unclaimed.has(nameOf(one)))
  const unknown = unclaimed.difference(new Set(cases.map(nameOf)))
  if (unknown.size > 0) throw new RangeError(`no case of the suite is called ${[...unknown].join(", nor ")}`)
  return claimed
}

/** Longer than any case may take, so that it is the case that says what was late. Milliseconds. */
const testTimeout = 30_000

/**
 * What the suite needs of a test runner: the functions of these names of vitest or jest. `timeout` is in milliseconds.
 *
 * @since 0.1.0
 * @category models
 */
export interface TestRunner {
  readonly describe: (name: string, body: () => void) => void
  readonly it: (name: string, body: () => Promise<void>, timeout: number) => void
  readonly afterAll: (body: () => Promise<void>) => void
}

/**
 * Registers the whole suite with a test runner. The layer is built once for all of it.
 *
 * @example
 * ```ts
 * import { afterAll, describe, it } from "vitest"
 *
 * describeConformance({ afterAll, describe, it }, MyDocker.layer, {
 *   images: { shell: "busybox:1", withoutShell: "hello:1", notExecutable: "/etc/passwd" }
 * })
 * ```
 *
 * @since 0.1.0
 * @category suites
 */
export const describeConformance = <E>(
  { afterAll, describe, it }: TestRunner,
  layer: Layer.Layer<Docker, E>,
  options: ConformanceOptions
): void => {
  const runtime = ManagedRuntime.make(layer)
  const groups = Map.groupBy(conformanceCases(options), ({ group }) => group)
  for (const [group, cases] of groups) {
    describe(group, () => {
      for (const { check, name } of cases) it(name, () => runtime.runPromise(check), testTimeout)
    })
  }
  afterAll(() => runtime.dispose())
}
