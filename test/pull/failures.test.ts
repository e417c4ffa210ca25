import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { waitFor } from "../support/Deadline.ts"
import { connectionContainers, containers, describeEngine, engine } from "../support/Engine.ts"
import { ssh, startSsh } from "../support/OpenSsh.ts"
import { finish } from "../support/Program.ts"
import { closedAddress, hangingRegistry, scriptedRegistry, startRegistry } from "../support/Registry.ts"
import { type ServerOptions, startServer as startServerFor, type TestServer } from "../support/Server.ts"
import { imageAt, passOn } from "./ObservedRegistry.ts"

/** A name of its own: other test files count their own containers meanwhile. */
const user = "pull-failure"
const startServer = (options: ServerOptions = {}) => startServerFor({ user, ...options })

/** Far from the 60 s that a connection has, and from what a machine under load may need. */
const atOnce = 10_000

/** Runs a command for which there will be no container, and checks what all such failures have in common. */
const refused = Effect.fnUntraced(function* (server: TestServer, code: string, words: string) {
  const before = server.events.length
  const result = yield* ssh({ ...server.target, command: "echo ran" })
  const failed = yield* server.waitForEvent(code, (event) => server.events.indexOf(event) >= before)
  const { connectionId } = failed
  assert.strictEqual(result.stderr, `dockerrun: ${words} [${code}, connection ${String(connectionId)}]\n`)
  assert.strictEqual(result.stdout, "")
  assert.strictEqual(result.status, 125)

  assert.strictEqual(failed["level"], "error")
  assert.strictEqual(failed["message"], words)
  assert.strictEqual(failed["username"], user)
  assert.strictEqual(failed["remoteAddress"], "127.0.0.1")
  const errors = server.events.filter(
    (event) => event["connectionId"] === connectionId && (event["level"] === "error" || event["level"] === "warning")
  )
  assert.deepStrictEqual(
    errors.map((event) => event["code"]),
    [code],
    "a failure is logged once"
  )
  yield* server.waitForEvent("CONNECTION_CLOSED", (event) => event["connectionId"] === connectionId)

  const loggedIn = server.events.find(
    (event) => event["code"] === "AUTHENTICATION_SUCCEEDED" && event["connectionId"] === connectionId
  )
  const milliseconds = Date.parse(String(failed["time"])) - Date.parse(String(loggedIn?.["time"]))
  process.stdout.write(`${code}: ${milliseconds} ms from login to failure, ${Math.round(result.elapsed)} ms of ssh\n`)
  return { milliseconds, elapsed: result.elapsed, cause: String(failed["cause"]) }
})

/** A server whose first connection fails at once; `cause` is what the log says that the client does not. */
const permanent = Effect.fnUntraced(function* (options: ServerOptions, code: string, words: string, cause: RegExp) {
  const server = yield* startServer(options)
  const failure = yield* refused(server, code, words)
  assert.match(failure.cause, cause)
  assert.isBelow(failure.elapsed, atOnce)
  assert.deepStrictEqual(
    server.events.filter((event) => event["code"] === "CONTAINER_STARTED"),
    []
  )
  return server
})

const pulling = (image: string, config: Record<string, unknown> = {}): ServerOptions => ({
  image,
  backend: { imagePullPolicy: "IfNotPresent", ...config }
})

describeEngine("permanent failures end a connection at once", () => {
  it.effect("the image is missing, and may not be pulled", () =>
    Effect.gen(function* () {
      const server = yield* startServer({ image: "demo/missing:1" })
      const failure = yield* refused(
        server,
        "DOCKERRUN_IMAGE_MISSING",
        "the image demo/missing:1 is not on this engine and the pull policy is Never"
      )
      assert.isBelow(failure.elapsed, atOnce)
    })
  )

  it.effect("the registry has no such image", () =>
    Effect.gen(function* () {
      const image = `${engine().registry}/no/such:1`
      const words = `the image ${image} was not found in its registry`
      yield* permanent(pulling(image), "DOCKERRUN_IMAGE_NOT_FOUND", words, /manifest|name unknown|not found/u)
    })
  )

  it.effect("the registry has the image, but not the tag", () =>
    Effect.gen(function* () {
      const image = `${engine().registry}/dockerrun-test/tiny:never-pushed`
      const words = `the image ${image} was not found in its registry`
      yield* permanent(pulling(image), "DOCKERRUN_IMAGE_NOT_FOUND", words, /manifest/u)
    })
  )

  it.effect("the reference is none, whatever the policy", () =>
    Effect.gen(function* () {
      for (const imagePullPolicy of ["Always", "IfNotPresent", "Never"]) {
        yield* permanent(
          pulling("Demo:1", { imagePullPolicy }),
          "DOCKERRUN_IMAGE_REFERENCE_INVALID",
          '"Demo:1" is not a valid image reference',
          /must be in lower case/u
        )
      }
    })
  )

  it.effect("the engine takes the reference for none", () =>
    Effect.gen(function* () {
      // In capitals it is the name of a registry, but not to an engine of version 20.10.
      yield* permanent(
        pulling("UPPER/case:1", { imagePullPolicy: "Always" }),
        "DOCKERRUN_IMAGE_REFERENCE_INVALID",
        '"UPPER/case:1" is not a valid image reference',
        /repository name must be lowercase/u
      )
    })
  )

  it.effect("the registry wants credentials", () =>
    Effect.gen(function* () {
      const locked = yield* startRegistry({ credentials: { username: "somebody", password: "secret" } })
      const image = `${locked.address}/demo/private:1`
      const words = `the registry of the image ${image} denied access`
      yield* permanent(pulling(image), "DOCKERRUN_REGISTRY_DENIED", words, /no basic auth credentials|unauthorized/u)
    })
  )

  it.effect("the registry forbids", () =>
    Effect.gen(function* () {
      const forbidding = yield* scriptedRegistry((incoming, outgoing) => {
        if (incoming.url === "/v2/") return void outgoing.writeHead(200).end("{}")
        outgoing
          .writeHead(403, { "content-type": "application/json" })
          .end(JSON.stringify({ errors: [{ code: "DENIED", message: "requested access to the resource is denied" }] }))
      })
      const image = `${forbidding}/demo/forbidden:1`
      yield* permanent(
        pulling(image),
        "DOCKERRUN_REGISTRY_DENIED",
        `the registry of the image ${image} denied access`,
        /denied/u
      )
    })
  )

  it.effect("the engine refuses the HostConfig", () =>
    Effect.gen(function* () {
      yield* permanent(
        { backend: { host: { NetworkMode: "none", Memory: 4096 } } },
        "DOCKERRUN_CONTAINER_REJECTED",
        "the container engine refused the configuration of the container",
        /Minimum memory limit/u
      )
      assert.deepStrictEqual(yield* connectionContainers(user), [])
    })
  )

  it.effect("the engine calls its refusal of the HostConfig an internal error", () =>
    Effect.gen(function* () {
      yield* permanent(
        { backend: { host: { NetworkMode: "none", Binds: ["volume:not-absolute"] } } },
        "DOCKERRUN_ENGINE_FAILED",
        "the container engine reported an internal error",
        /mount path must be absolute/u
      )
      assert.deepStrictEqual(yield* connectionContainers(user), [])
    })
  )

  it.effect("the image has no such idle command, and the container that was made is removed", () =>
    Effect.gen(function* () {
      for (const idleCommand of [["/no/such/program"], ["/no/such/bash", "-c", "sleep 1000"]]) {
        const server = yield* permanent(
          { backend: { idleCommand } },
          "DOCKERRUN_CONTAINER_NOT_STARTED",
          "the container could not be started",
          /\/no\/such\//u
        )
        yield* waitFor(
          "the container to be gone",
          Effect.map(connectionContainers(user), (all) => all.length === 0)
        )
        assert.isFalse(server.hasExited())
      }
    })
  )

  it.effect("a container of the configured name is there; the connection that has it is not disturbed", () =>
    Effect.gen(function* () {
      const name = `dockerrun-name-${process.pid}`
      const server = yield* startServer({ backend: { containername: name } })
      const first = yield* startSsh({ ...server.target, command: "echo ready; cat" })
      let seen = ""
      first.stdout.on("data", (chunk: Buffer) => {
        seen += chunk.toString()
      })
      yield* waitFor(
        "the first connection's program",
        Effect.sync(() => seen === "ready\n")
      )
      const failure = yield* refused(
        server,
        "DOCKERRUN_CONTAINER_NAME_TAKEN",
        `a container named ${name} exists already; only one connection at a time can have it`
      )
      assert.match(failure.cause, /already in use/u)
      assert.isBelow(failure.elapsed, atOnce)
      first.stdin.end("still here\n")
      const result = yield* finish(first, "the first connection")
      assert.deepStrictEqual([seen, result.status], ["ready\nstill here\n", 0])

      yield* server.waitForEvent("CONTAINER_REMOVED")
      const next = yield* ssh({ ...server.target, command: "echo free again" })
      assert.deepStrictEqual([next.stdout, next.status], ["free again\n", 0])
      yield* waitFor(
        "the name to be free",
        Effect.map(containers(), (all) => !all.some(({ Names }) => Names.includes(`/${name}`)))
      )
    })
  )
})

describeEngine("failures that may pass are tried again until the timeout", () => {
  const timeout = "2s"
  const bounded = (failure: { readonly milliseconds: number; readonly elapsed: number }) => {
    assert.isAtLeast(failure.milliseconds, 1_900)
    assert.isBelow(failure.elapsed, 2_000 + atOnce)
  }

  it.effect("the registry is down", () =>
    Effect.gen(function* () {
      const image = `${yield* closedAddress}/demo/x:1`
      const server = yield* startServer(pulling(image, { timeout }))
      const failure = yield* refused(
        server,
        "DOCKERRUN_REGISTRY_UNREACHABLE",
        `the registry of the image ${image} cannot be reached`
      )
      assert.match(failure.cause, /connection refused/u)
      bounded(failure)
    })
  )

  it.effect("the registry never answers", () =>
    Effect.gen(function* () {
      const image = `${yield* hangingRegistry}/demo/x:1`
      const server = yield* startServer(pulling(image, { timeout }))
      bounded(yield* refused(server, "DOCKERRUN_TIMEOUT", "pulling the image took longer than 2 s"))
    })
  )

  it.effect("a timeout that is no whole number of seconds is told as it is", () =>
    Effect.gen(function* () {
      const image = `${yield* hangingRegistry}/demo/x:1`
      const server = yield* startServer(pulling(image, { timeout: "500ms" }))
      yield* refused(server, "DOCKERRUN_TIMEOUT", "pulling the image took longer than 0.5 s")
    })
  )

  it.effect("the engine is not there", () =>
    Effect.gen(function* () {
      const server = yield* startServer({
        dockerrun: { host: "unix:///nowhere/docker.sock" },
        backend: { timeout }
      })
      const event = yield* server.waitForEvent("ENGINE_UNREACHABLE")
      assert.strictEqual(event["level"], "warning")
      const failure = yield* refused(server, "DOCKERRUN_ENGINE_UNREACHABLE", "the container engine does not answer")
      assert.match(failure.cause, /there is no socket at unix:\/\/\/nowhere\/docker\.sock/u)
      bounded(failure)
    })
  )

  it.effect("the engine never answers", () =>
    Effect.gen(function* () {
      const server = yield* startServer({
        dockerrun: { host: `tcp://${yield* hangingRegistry}` },
        backend: { timeout, imagePullPolicy: "Never" }
      })
      bounded(yield* refused(server, "DOCKERRUN_TIMEOUT", "asking the engine for the image took longer than 2 s"))
    })
  )

  it.effect("a registry that comes back in time is no failure", () =>
    Effect.gen(function* () {
      let asked = 0
      const flaky = yield* scriptedRegistry((incoming, outgoing) => {
        asked += 1
        // A registry that is restarted: connections break off.
        if (asked <= 3) return void incoming.socket.destroy()
        passOn(incoming, outgoing)
      })
      const image = yield* imageAt(flaky, { name: "demo/flaky" })
      const server = yield* startServer(pulling(image))
      const result = yield* ssh({ ...server.target, command: "echo ran" })
      assert.deepStrictEqual([result.stdout, result.stderr, result.status], ["ran\n", "", 0])
      assert.isAbove(asked, 3)
    })
  )
})
