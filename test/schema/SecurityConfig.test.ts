import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { layer, SecurityConfig } from "../../src/services/SecurityConfig.ts"

const sectionOf = (section: Parameters<typeof layer>[0]) => Effect.provide(SecurityConfig, layer(section))

const problemsOf = (section: Parameters<typeof layer>[0]) =>
  Effect.map(Effect.flip(Layer.build(layer(section))), ({ problems }) =>
    problems.map(({ message, path }) => `${path}: ${message}`)
  )

describe("the section security", () => {
  it.effect("allows everything to whoever says nothing", () =>
    Effect.gen(function* () {
      const { env, forceCommand, maxSessions, ...others } = yield* SecurityConfig
      assert.deepStrictEqual(
        { env, forceCommand, maxSessions },
        { env: { allow: [], deny: [] }, forceCommand: "", maxSessions: -1 }
      )
      assert.isUndefined(others.defaultMode)
    })
  )

  it.effect("takes what a file for ContainerSSH says, an empty mode included", () =>
    Effect.gen(function* () {
      const section = yield* sectionOf({
        defaultMode: "filter",
        env: { mode: "enable", deny: ["LD_PRELOAD"] },
        signal: { mode: "filter", allow: ["TERM"] },
        forceCommand: "/usr/bin/menu",
        maxSessions: 10
      })
      assert.strictEqual(section.defaultMode, "filter")
      assert.deepStrictEqual(section.env, { mode: "enable", allow: [], deny: ["LD_PRELOAD"] })
      assert.deepStrictEqual(section.signal, { mode: "filter", allow: ["TERM"], deny: [] })
      assert.deepStrictEqual([section.forceCommand, section.maxSessions], ["/usr/bin/menu", 10])
    })
  )

  it.effect("names what it does not know", () =>
    Effect.gen(function* () {
      const unknown: object = { defaultMode: "deny", signal: { allow: ["SIGTERM"] }, maxSessions: -2, shel: {} }
      assert.deepStrictEqual(yield* problemsOf(unknown), [
        "security.shel: unknown key; did you mean shell?",
        'security.defaultMode: "deny" is not one of enable, filter, disable',
        'security.signal.allow[0]: "SIGTERM" is not one of ABRT, ALRM, FPE, HUP, ILL, INT, KILL, PIPE, QUIT, SEGV, TERM, USR1, USR2',
        "security.maxSessions: must be -1 or more"
      ])
    })
  )
})
