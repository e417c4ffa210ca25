import * as Layer from "effect/Layer"
import * as Effect from "effect/Effect"
import { afterAll, describe, it } from "vitest"
import * as DockerodeDocker from "../../src/layers/DockerodeDocker.ts"
import { describeConformance } from "../../src/testing/index.ts"
import { describeEngine, engine, hasEngine } from "../support/Engine.ts"

describeEngine("DockerodeDocker with a real engine is an engine", () => {
  // The cases are made also where they are skipped.
  const { registry } = hasEngine ? engine() : { registry: "" }
  const ours = Layer.unwrap(Effect.sync(() => DockerodeDocker.layerHost({ host: engine().host })))
  describeConformance({ afterAll, describe, it }, ours, {
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
  })
})
