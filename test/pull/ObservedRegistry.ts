/** A registry that says what was asked of it: everything is passed on to the real one, and written down. */
import { type IncomingMessage, request, type ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import { engine, removeImage } from "../support/Engine.ts"
import { HarnessError, harnessError } from "../support/HarnessError.ts"
import { pushImage, type PushOptions, scriptedRegistry } from "../support/Registry.ts"

/** Passes a request on to the registry of the test run, and its answer back. */
export const passOn = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
  const [host = "", port = ""] = engine().registry.split(":")
  const { headers, method, url } = incoming
  const onward = request({ host, port, path: url, method, headers, agent: false }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
    answer.pipe(outgoing)
  })
  // Whoever asked is gone, or the registry is: then there is nothing to pass on.
  onward.on("error", () => outgoing.destroy())
  outgoing.on("close", () => onward.destroy())
  incoming.pipe(onward)
}

/** The registry's address, and how many pulls it has seen: an engine begins each of them by asking for `/v2/`. */
export const observedRegistry = Effect.gen(function* () {
  const asked: Array<string> = []
  const address = yield* scriptedRegistry((incoming, outgoing) => {
    asked.push(`${incoming.method} ${incoming.url}`)
    passOn(incoming, outgoing)
  })
  return { address, asked, pulls: () => asked.filter((line) => line === "GET /v2/").length }
})

/** Puts an image into the registry of the test run; gives its reference at another address, and takes it away there. */
export const imageAt = Effect.fnUntraced(function* (address: string, options: PushOptions) {
  const pushed = yield* pushImage(options)
  const reference = pushed.replace(engine().registry, address)
  yield* Effect.addFinalizer(() => Effect.ignore(removeImage(reference), { log: "Warn" }))
  return reference
})

/** The digest by which the registry of the test run knows `name:tag`. */
export const digestOf = (name: string, tag: string): Effect.Effect<string, HarnessError> =>
  Effect.tryPromise({
    try: () =>
      fetch(`http://${engine().registry}/v2/${name}/manifests/${tag}`, {
        method: "HEAD",
        headers: { accept: "application/vnd.docker.distribution.manifest.v2+json" }
      }),
    catch: harnessError(`the digest of ${name}:${tag}`)
  }).pipe(
    Effect.flatMap((response) => {
      const digest = response.headers.get("docker-content-digest")
      return digest === null
        ? Effect.fail(
            new HarnessError({ operation: `the digest of ${name}:${tag}`, detail: `status ${response.status}` })
          )
        : Effect.succeed(digest)
    })
  )
