import * as ManagedRuntime from "effect/ManagedRuntime"
import { afterAll, describe, it } from "vitest"
import * as EmbeddedDocker from "../../src/layers/EmbeddedDocker.ts"
import { conformanceCases } from "../../src/testing/index.ts"

/** What this engine does not claim: on it every image is there, all are the same, and all have a shell; files are those of the shell alone. */
const unclaimed = new Set([
  "images: are found, or not, or are no reference",
  "containers: of an image that is not there are not created",
  "signals: cannot be delivered without a shell",
  "files: say what is at a path, or that nothing is",
  "files: come out of an archive as they went into one"
])

/** Longer than any case may take. Milliseconds. */
const timeout = 30_000

describe("EmbeddedDocker is an engine", () => {
  const runtime = ManagedRuntime.make(EmbeddedDocker.layer())
  const cases = conformanceCases({
    images: { shell: "demo:1", withoutShell: "demo:1", notExecutable: "/etc/passwd" }
  }).filter(({ group, name }) => !unclaimed.has(`${group}: ${name}`))
  for (const { check, group, name } of cases) {
    it(`${group} ${name}`, () => runtime.runPromise(check), timeout)
  }
  afterAll(() => runtime.dispose())
})
