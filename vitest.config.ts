import { existsSync } from "node:fs"
import { defineConfig } from "vitest/config"

// The engine, the registry and the test images are prepared once per run, before any test file is loaded.
const engine = "test/support/globalSetup.ts"

export default defineConfig({
  test: {
    environment: "node",
    include: ["test/**/*.test.ts", "examples/**/*.test.ts"],
    globalSetup: existsSync(engine) ? [engine] : [],
    // Tests talk to a real container engine: more files at once only queue there and make every deadline less true.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 120_000,
    teardownTimeout: 60_000,
    restoreMocks: true,
    passWithNoTests: false
  }
})
