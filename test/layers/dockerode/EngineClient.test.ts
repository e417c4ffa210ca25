import { inspect } from "node:util"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as EngineAddress from "../../../src/layers/dockerode/EngineAddress.ts"
import * as EngineClient from "../../../src/layers/dockerode/EngineClient.ts"

it.effect("a request costs the same however many connections the pool holds", () =>
  Effect.gen(function* () {
    const address = yield* EngineAddress.parse({ url: "unix:///nowhere/docker.sock", origin: "config" })
    const { agent } = yield* EngineClient.make(address)
    // docker-modem renders the options of each request to this depth.
    const rendered = inspect({ agent }, { showHidden: true, depth: null })
    assert.isBelow(rendered.length, 100, rendered)
  })
)
