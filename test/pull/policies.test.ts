import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { describeEngine, docker } from "../support/Engine.ts"
import { ssh } from "../support/OpenSsh.ts"
import { type ServerOptions, startServer as startServerFor, type TestServer } from "../support/Server.ts"
import { digestOf, imageAt, observedRegistry } from "./ObservedRegistry.ts"

/** A name of its own: other test files count their own containers meanwhile. */
const user = "pull-policy"
const startServer = (options: ServerOptions = {}) => startServerFor({ user, ...options })

/** Each connection runs a program and sees its output and nothing else; gives the pulls that the registry saw of each. */
const connect = Effect.fnUntraced(function* (server: TestServer, pulls: () => number, times: number) {
  const seen: Array<number> = []
  for (let connection = 0; connection < times; connection++) {
    const before = pulls()
    const result = yield* ssh({ ...server.target, command: "echo in a container" })
    assert.deepStrictEqual([result.stdout, result.stderr, result.status], ["in a container\n", "", 0])
    seen.push(pulls() - before)
  }
  return seen
})

const pulledEvents = (server: TestServer) => server.events.filter((event) => event["code"] === "IMAGE_PULLED")

describeEngine("imagePullPolicy", () => {
  it.effect("Always pulls for each connection, also what is there", () =>
    Effect.gen(function* () {
      const { address, pulls } = yield* observedRegistry
      const image = yield* imageAt(address, { name: "policy/always" })
      const server = yield* startServer({ image, backend: { imagePullPolicy: "Always" } })
      assert.deepStrictEqual(yield* connect(server, pulls, 3), [1, 1, 1])
      assert.strictEqual(pulledEvents(server).length, 3)
      for (const event of pulledEvents(server)) {
        assert.strictEqual(event["image"], image)
        assert.isNumber(event["pullMs"])
        assert.isString(event["connectionId"])
      }
    })
  )

  it.effect("IfNotPresent pulls what is missing, once", () =>
    Effect.gen(function* () {
      const { address, pulls } = yield* observedRegistry
      const image = yield* imageAt(address, { name: "policy/missing" })
      const server = yield* startServer({ image, backend: { imagePullPolicy: "IfNotPresent" } })
      assert.deepStrictEqual(yield* connect(server, pulls, 3), [1, 0, 0])
      assert.strictEqual(pulledEvents(server).length, 1)
    })
  )

  it.effect("is IfNotPresent unless told", () =>
    Effect.gen(function* () {
      const { address, pulls } = yield* observedRegistry
      const image = yield* imageAt(address, { name: "policy/default" })
      // JSON leaves out what is undefined: the key is not in the file.
      const server = yield* startServer({ image, backend: { imagePullPolicy: undefined } })
      assert.deepStrictEqual(yield* connect(server, pulls, 2), [1, 0])
    })
  )

  it.effect("IfNotPresent leaves the registry alone when the image is there under its tag", () =>
    Effect.gen(function* () {
      const { address, asked, pulls } = yield* observedRegistry
      const image = yield* imageAt(address, { name: "policy/present" })
      yield* docker("tag", "dockerrun-test/tiny:1", image)
      const server = yield* startServer({ image, backend: { imagePullPolicy: "IfNotPresent" } })
      assert.deepStrictEqual(yield* connect(server, pulls, 2), [0, 0])
      assert.deepStrictEqual(asked, [])
    })
  )

  it.effect("IfNotPresent pulls `latest` for each connection, written out or not", () =>
    Effect.gen(function* () {
      const { address, pulls } = yield* observedRegistry
      // The registry's name has a port: its colon is not that of a tag.
      const written = yield* imageAt(address, { name: "policy/floating", tag: "latest" })
      const bare = written.slice(0, -":latest".length)
      yield* docker("tag", "dockerrun-test/tiny:1", written)
      for (const image of [written, bare]) {
        const server = yield* startServer({ image, backend: { imagePullPolicy: "IfNotPresent" } })
        assert.deepStrictEqual(yield* connect(server, pulls, 2), [1, 1], image)
      }
    })
  )

  it.effect("a reference without a tag fetches `latest` alone, not every tag that there is", () =>
    Effect.gen(function* () {
      const { address } = yield* observedRegistry
      const latest = yield* imageAt(address, { name: "policy/tags", tag: "latest" })
      const other = yield* imageAt(address, { name: "policy/tags", tag: "other", bytes: 10 })
      const image = latest.slice(0, -":latest".length)
      const server = yield* startServer({ image, backend: { imagePullPolicy: "IfNotPresent" } })
      assert.strictEqual((yield* ssh({ ...server.target, command: "true" })).status, 0)
      assert.match((yield* Effect.flip(docker("image", "inspect", other))).detail, /no such image/iu)
    })
  )

  it.effect("IfNotPresent pulls a digest once, with a tag in front of it or not", () =>
    Effect.gen(function* () {
      const { address, pulls } = yield* observedRegistry
      const tagged = yield* imageAt(address, { name: "policy/digest", bytes: 10 })
      const digest = yield* digestOf("policy/digest", "1")
      for (const [image, expected] of [
        [`${tagged.slice(0, -":1".length)}@${digest}`, [1, 0]],
        [`${tagged}@${digest}`, [0]]
      ] as const) {
        yield* Effect.addFinalizer(() => Effect.ignore(docker("rmi", "--force", image)))
        const server = yield* startServer({ image, backend: { imagePullPolicy: "IfNotPresent" } })
        assert.deepStrictEqual(yield* connect(server, pulls, expected.length), [...expected], image)
      }
    })
  )

  it.effect("Never leaves the registry alone, even when the image is `latest`", () =>
    Effect.gen(function* () {
      const { address, asked, pulls } = yield* observedRegistry
      const image = yield* imageAt(address, { name: "policy/never", tag: "latest" })
      yield* docker("tag", "dockerrun-test/tiny:1", image)
      const server = yield* startServer({ image, backend: { imagePullPolicy: "Never" } })
      assert.deepStrictEqual(yield* connect(server, pulls, 2), [0, 0])
      assert.deepStrictEqual(asked, [])
    })
  )

  it.effect("Never with an image that is missing fails the connection, and leaves it missing", () =>
    Effect.gen(function* () {
      const { address, asked } = yield* observedRegistry
      const image = yield* imageAt(address, { name: "policy/never-missing" })
      const server = yield* startServer({ image, backend: { imagePullPolicy: "Never" } })
      const result = yield* ssh({ ...server.target, command: "true" })
      assert.strictEqual(result.status, 125)
      assert.deepStrictEqual(asked, [])
      assert.match((yield* Effect.flip(docker("image", "inspect", image))).detail, /no such image/iu)
    })
  )

  it.effect("connections at the same time that miss the image all get it", () =>
    Effect.gen(function* () {
      const { address } = yield* observedRegistry
      const image = yield* imageAt(address, { name: "policy/together", bytes: 2_000_000 })
      const server = yield* startServer({ image, backend: { imagePullPolicy: "IfNotPresent" } })
      const results = yield* Effect.forEach(
        [1, 2, 3, 4],
        (connection) => ssh({ ...server.target, command: `echo ${connection}` }),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        results.map(({ status, stderr, stdout }) => [stdout, stderr, status]),
        [1, 2, 3, 4].map((connection) => [`${connection}\n`, "", 0])
      )
    })
  )
})
