import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { afterAll, assert, inject, it } from "vitest"
import * as DockerodeDocker from "../../src/layers/DockerodeDocker.ts"
import { Docker } from "../../src/services/Docker.ts"
import { conformanceCases, type ConformanceOptions } from "../../src/testing/index.ts"
import { describePodman, podman } from "../support/Podman.ts"

/** What Podman 4.3 does not do; docs/engines.md tells what follows from each. */
const unclaimed = [
  // No "kill" for a forced removal, "remove" for "destroy", an "init" before the "start".
  "events: tell of a container's life in its order, to those who asked for its labels",
  // The exit status of a removed container is 0.
  "waiting: begun before the start gives the next exit; for the removal, the last",
  // The first client's end is the end of the input.
  "attachment: without StdinOnce keeps the input open for the next",
  // They have no labels.
  "volumes: without a name have the labels that they are asked for with, go with their container, and not before"
]

/** Longer than any case may take. Milliseconds. */
const timeout = 30_000

describePodman("DockerodeDocker with Podman is an engine", () => {
  const runtime = ManagedRuntime.make(Layer.unwrap(Effect.map(podman, (host) => DockerodeDocker.layerHost({ host }))))
  const registry = inject("engine")?.registry ?? ""
  const options: ConformanceOptions = {
    host: { NetworkMode: "none" },
    images: {
      shell: "dockerrun-test/tiny:1",
      withoutShell: "dockerrun-test/noshell:1",
      notExecutable: "/opt/not-executable",
      ...(registry === ""
        ? {}
        : {
            pull: {
              present: `${registry}/dockerrun-test/sftp:1`,
              missing: `${registry}/no/such:1`,
              // The port of a service that nobody runs: discard.
              unreachable: "127.0.0.1:9/x/y:1"
            }
          })
    }
  }

  const claimed = conformanceCases({ ...options, unclaimed })
  for (const { check, group, name } of claimed) it(`${group} ${name}`, () => runtime.runPromise(check), timeout)

  it(
    "that it does not do what it does not claim is still so",
    async () => {
      const names = new Set(claimed.map(({ name }) => name))
      const others = conformanceCases(options).filter(({ name }) => !names.has(name))
      const outcomes = await runtime.runPromise(
        Effect.forEach(others, ({ check, name }) => Effect.map(Effect.result(check), ({ _tag }) => [name, _tag]), {
          concurrency: "unbounded"
        })
      )
      assert.deepStrictEqual(
        outcomes,
        others.map(({ name }) => [name, "Failure"])
      )
    },
    timeout
  )

  it("nothing is left on it", async () => {
    assert.deepStrictEqual(await runtime.runPromise(Docker.use((docker) => docker.listContainers([]))), [])
  })

  afterAll(() => runtime.dispose())
})
