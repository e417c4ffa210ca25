import { createHash } from "node:crypto"
import { mkdir, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { Surroundings } from "../../../src/layers/dockerode/DockerContext.ts"
import * as EngineDiscovery from "../../../src/layers/dockerode/EngineDiscovery.ts"
import { temporaryDirectory } from "../../support/TemporaryDirectory.ts"

/** A home with these files in it. */
const homeWith = Effect.fnUntraced(function* (files: Record<string, string>) {
  const home = yield* temporaryDirectory
  for (const [name, text] of Object.entries(files)) {
    yield* Effect.promise(async () => {
      await mkdir(dirname(join(home, name)), { recursive: true })
      await writeFile(join(home, name), text)
    })
  }
  return home
})

const surroundings = (home: string, env: Surroundings["env"] = {}): Surroundings => ({
  env,
  home,
  platform: "linux",
  uid: 1000
})

const id = (context: string) => createHash("sha256").update(context).digest("hex")
const meta = (context: string) => `.docker/contexts/meta/${id(context)}/meta.json`
const metadata = (host: string) => JSON.stringify({ Name: "far", Metadata: {}, Endpoints: { docker: { Host: host } } })

const found = (from: Surroundings, configured: Parameters<typeof EngineDiscovery.discover>[0] = {}) =>
  EngineDiscovery.discover(configured, from)

describe("EngineDiscovery", () => {
  it.effect("the configuration comes first, then DOCKER_HOST, then the context", () =>
    Effect.gen(function* () {
      const home = yield* homeWith({
        ".docker/config.json": JSON.stringify({ currentContext: "far", auths: {} }),
        [meta("far")]: metadata("tcp://far:1")
      })
      const env = { DOCKER_HOST: "unix:///tmp/env.sock", DOCKER_CONTEXT: "far" }
      const configured = yield* found(surroundings(home, env), { host: "unix:///tmp/own.sock" })
      assert.deepStrictEqual([configured.url, configured.origin], ["unix:///tmp/own.sock", "config"])
      const environment = yield* found(surroundings(home, env))
      assert.deepStrictEqual([environment.url, environment.origin], ["unix:///tmp/env.sock", "DOCKER_HOST"])
      const context = yield* found(surroundings(home))
      assert.deepStrictEqual([context.url, context.origin], ["tcp://far:1", 'docker context "far"'])
      assert.strictEqual((yield* found(surroundings(home, { DOCKER_HOST: "engine:7" }))).url, "tcp://engine:7")
    })
  )

  it.effect("DOCKER_TLS_VERIFY takes the three files of DOCKER_CERT_PATH", () =>
    Effect.gen(function* () {
      const home = yield* homeWith({ "certs/ca.pem": "CA", "certs/cert.pem": "CERT", "certs/key.pem": "KEY" })
      const env = { DOCKER_HOST: "tcp://engine", DOCKER_CERT_PATH: join(home, "certs") }
      const plain = yield* found(surroundings(home, env))
      assert.deepStrictEqual(plain.endpoint, { _tag: "Tcp", hostname: "engine", port: 2375 })
      const { endpoint } = yield* found(surroundings(home, { ...env, DOCKER_TLS_VERIFY: "1" }))
      const tls = endpoint._tag === "Tcp" ? endpoint.tls : undefined
      assert.deepStrictEqual([tls?.ca, tls?.cert, tls?.verify], ["CA", "CERT", true])
      assert.strictEqual(tls?.key === undefined ? undefined : Redacted.value(tls.key), "KEY")
      assert.notInclude(JSON.stringify(tls), "KEY")
    })
  )

  it.effect("a context brings its TLS material along, DOCKER_CONFIG says where contexts are", () =>
    Effect.gen(function* () {
      const home = yield* homeWith({
        [meta("far")]: JSON.stringify({ Endpoints: { docker: { Host: "tcp://far:2376", SkipTLSVerify: true } } }),
        [`.docker/contexts/tls/${id("far")}/docker/ca.pem`]: "CA"
      })
      const env = { DOCKER_CONTEXT: "far", DOCKER_CONFIG: join(home, ".docker") }
      const { endpoint } = yield* found(surroundings("/nowhere", env))
      assert.deepStrictEqual(endpoint._tag === "Tcp" ? endpoint.tls : undefined, { ca: "CA", verify: false })
    })
  )

  it.effect("a context that does not exist, or cannot be read, is an error that names it", () =>
    Effect.gen(function* () {
      const home = yield* homeWith({ [meta("broken")]: "{}", [meta("tunnel")]: metadata("ssh://me@far") })
      const failure = (context: string) =>
        Effect.map(Effect.flip(found(surroundings(home, { DOCKER_CONTEXT: context }))), ({ message }) => message)
      assert.include(yield* failure("gone"), '"gone" does not exist')
      assert.include(yield* failure("broken"), meta("broken"))
      assert.include(yield* failure("tunnel"), "ssh://")
    })
  )

  it.effect("the context default is none, and the first default socket that is there is taken", () =>
    Effect.gen(function* () {
      const home = yield* homeWith({
        ".docker/config.json": JSON.stringify({ currentContext: "default" }),
        "run/docker.sock": "",
        "run/podman/podman.sock": ""
      })
      const from = surroundings(home, { XDG_RUNTIME_DIR: join(home, "run") })
      const inHome = EngineDiscovery.defaultSockets(from).filter(({ url }) => url.includes(home))
      assert.deepStrictEqual(yield* EngineDiscovery.firstPresent(inHome), {
        url: `unix://${join(home, "run/docker.sock")}`,
        origin: "default socket of rootless Docker"
      })
      const address = yield* found(from)
      assert.match(address.origin, /^default socket of /u)
    })
  )

  it("looks for rootful Docker, rootless Docker, Docker Desktop and Podman, in this order", () => {
    const urls = EngineDiscovery.defaultSockets(surroundings("/home/me")).map(({ url }) => url)
    assert.deepStrictEqual(urls, [
      "unix:///var/run/docker.sock",
      "unix:///run/user/1000/docker.sock",
      "unix:///home/me/.docker/run/docker.sock",
      "unix:///home/me/.docker/desktop/docker.sock",
      "unix:///run/user/1000/podman/podman.sock",
      "unix:///run/podman/podman.sock"
    ])
    const windows = EngineDiscovery.defaultSockets({ ...surroundings("C:\\me"), platform: "win32" })
    assert.deepStrictEqual(
      windows.map(({ url }) => url),
      ["npipe:////./pipe/docker_engine"]
    )
  })

  it.effect("without any socket it is the first of the list: the engine may come up later", () =>
    Effect.gen(function* () {
      const sockets = [
        { url: "unix:///nowhere/a.sock", origin: "a" },
        { url: "unix:///nowhere/b.sock", origin: "b" }
      ]
      assert.deepStrictEqual(yield* EngineDiscovery.firstPresent(sockets), sockets[0])
    })
  )
})
