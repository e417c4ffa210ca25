import { afterAll, describe, it } from "vitest"
import * as InMemoryDocker from "../../src/layers/InMemoryDocker.ts"
import { describeConformance } from "../../src/testing/index.ts"

const { cat, echo, sleep } = InMemoryDocker.standardPrograms

const engine = InMemoryDocker.layer({
  images: {
    "dockerrun-test/tiny:1": { notExecutable: ["/opt/not-executable"] },
    "dockerrun-test/noshell:1": {
      shell: false,
      programs: { ...(cat && { cat }), ...(echo && { echo }), ...(sleep && { sleep }) }
    }
  },
  registry: { "registry.test/dockerrun-test/tiny:1": { downloadTime: "200 millis" } },
  registriesDown: ["down.test"]
})

describe("InMemoryDocker is an engine", () => {
  describeConformance({ afterAll, describe, it }, engine, {
    images: {
      shell: "dockerrun-test/tiny:1",
      withoutShell: "dockerrun-test/noshell:1",
      notExecutable: "/opt/not-executable",
      pull: {
        present: "registry.test/dockerrun-test/tiny:1",
        missing: "registry.test/no/such:1",
        unreachable: "down.test/x/y:1"
      }
    }
  })
})
