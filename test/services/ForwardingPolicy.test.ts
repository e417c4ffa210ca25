import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { ForwardingSettings } from "../../src/schema/ForwardingConfig.ts"
import type { Permissions } from "../../src/schema/Permissions.ts"
import * as ForwardingPolicy from "../../src/services/ForwardingPolicy.ts"
import * as RelayTool from "../../src/services/RelayTool.ts"

const decode = Schema.decodeSync(ForwardingSettings)

const rule = (
  settings: typeof ForwardingSettings.Encoded,
  request: ForwardingPolicy.ForwardingRequest,
  permissions?: Permissions
) =>
  ForwardingPolicy.forbids(
    decode(settings),
    { username: "alice", ...(permissions === undefined ? {} : { permissions }) },
    request
  )

const tcp = (host: string, port: number) => ({ kind: "tcp", target: { host, port } }) as const

describe("what may be forwarded", () => {
  it("is nothing, unless the mode of its kind says so", () => {
    assert.strictEqual(rule({}, tcp("a", 1)), "security.forwarding.forwardingMode: disable")
    assert.strictEqual(rule({}, { kind: "agent" }), "security.forwarding.agentForwardingMode: disable")
    assert.isUndefined(rule({ forwardingMode: "enable" }, tcp("a", 1)))
    assert.isDefined(rule({ forwardingMode: "enable" }, { kind: "tcp-listen", target: { host: "", port: 0 } }))
    assert.isDefined(rule({ forwardingMode: "enable" }, { kind: "x11" }))
  })

  it("is what a list names, by user, host and port together", () => {
    const allowed = (entry: (typeof ForwardingSettings.Encoded)["forwardingAllow"], host: string, port: number) =>
      rule({ forwardingMode: "filter", forwardingAllow: entry ?? [] }, tcp(host, port)) === undefined
    assert.isFalse(allowed([], "db", 5432))
    assert.isTrue(allowed([{ hosts: ["DB"], ports: ["5432"] }], "db", 5432))
    assert.isFalse(allowed([{ hosts: ["db"], ports: ["5432"] }], "db", 22))
    assert.isTrue(allowed([{ hosts: ["*.internal"] }], "a.b.internal", 1))
    assert.isFalse(allowed([{ hosts: ["*.internal"] }], "internal.example", 1))
    assert.isTrue(allowed([{ hosts: ["10.0.0.0/8"] }], "10.200.3.4", 1))
    assert.isFalse(allowed([{ hosts: ["10.0.0.0/8"] }], "11.0.0.1", 1))
    assert.isTrue(allowed([{ hosts: ["127.0.0.1"] }], "::ffff:127.0.0.1", 1))
    assert.isTrue(allowed([{ ports: ["80", "8000-8010"] }], "x", 8010))
    assert.isFalse(allowed([{ ports: ["80", "8000-8010"] }], "x", 8011))
    assert.isTrue(allowed([{ users: ["al*"] }], "x", 1))
    assert.isFalse(allowed([{ users: ["bob"], hosts: ["x"] }], "x", 1))
  })

  it("is less with a key that takes something away", () => {
    const settings = { forwardingMode: "enable", agentForwardingMode: "enable" } as const
    assert.strictEqual(rule(settings, tcp("a", 1), { portForwarding: false }), "no-port-forwarding of the key")
    assert.isDefined(rule(settings, { kind: "agent" }, { agentForwarding: false }))
    const permitOpen = ["a:80", "[::1]:*"]
    assert.isUndefined(rule(settings, tcp("a", 80), { permitOpen }))
    assert.isUndefined(rule(settings, tcp("::1", 22), { permitOpen }))
    assert.strictEqual(rule(settings, tcp("a", 81), { permitOpen }), "permitopen of the key")
    assert.isDefined(rule({}, tcp("a", 80), { permitOpen }))
  })

  it("a pattern of many stars takes no time", () => {
    const hosts = [`${"*a".repeat(120)}b`]
    assert.isDefined(rule({ forwardingMode: "filter", forwardingAllow: [{ hosts }] }, tcp("a".repeat(255), 1)))
  })

  it("only what is a host goes to a program", () => {
    for (const host of ["localhost", "a-b.example", "10.0.0.1", "::1", "fe80::1%eth0", "a_b"]) {
      assert.isTrue(RelayTool.isHost(host), host)
    }
    for (const host of ["", "-e", "a b", "a;b", "$(id)", "a,b", "a\nb", "`id`", "x".repeat(256)]) {
      assert.isFalse(RelayTool.isHost(host), host)
    }
    assert.isFalse(RelayTool.isSocketPath("relative"))
    assert.isFalse(RelayTool.isSocketPath("/a\nb"))
  })
})
