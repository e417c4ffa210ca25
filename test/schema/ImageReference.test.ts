import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ImageReference, ImageReferenceFromString } from "../../src/schema/ImageReference.ts"

const decode = Schema.decodeEffect(ImageReferenceFromString)
const encode = Schema.encodeEffect(ImageReferenceFromString)

const sha = `sha256:${"0123456789abcdef".repeat(4)}`

/** As written; in full; whether a registry may change what it stands for. */
const valid: ReadonlyArray<readonly [text: string, canonical: string, isFloating: boolean]> = [
  ["alpine", "docker.io/library/alpine", true],
  ["alpine:3", "docker.io/library/alpine:3", false],
  ["alpine:latest", "docker.io/library/alpine:latest", true],
  ["alpine:LATEST", "docker.io/library/alpine:LATEST", false],
  ["me/tool", "docker.io/me/tool", true],
  ["me/tool:2", "docker.io/me/tool:2", false],
  ["me/deep/tool:2", "docker.io/me/deep/tool:2", false],
  ["docker.io/alpine:3", "docker.io/library/alpine:3", false],
  ["docker.io/library/alpine:3", "docker.io/library/alpine:3", false],
  ["index.docker.io/me/tool:2", "docker.io/me/tool:2", false],
  ["registry:5000/img", "registry:5000/img", true],
  ["registry:5000/img:1", "registry:5000/img:1", false],
  ["registry:5000/a/b:latest", "registry:5000/a/b:latest", true],
  ["localhost/img", "localhost/img", true],
  ["localhost:5000/img:1", "localhost:5000/img:1", false],
  ["127.0.0.1:5000/img:1", "127.0.0.1:5000/img:1", false],
  ["[::1]:5000/img:1", "[::1]:5000/img:1", false],
  ["ghcr.io/me/tool", "ghcr.io/me/tool", true],
  ["REGISTRY/img", "REGISTRY/img", true],
  [`alpine@${sha}`, `docker.io/library/alpine@${sha}`, false],
  [`alpine:latest@${sha}`, `docker.io/library/alpine:latest@${sha}`, false],
  [`registry:5000/img@${sha}`, `registry:5000/img@${sha}`, false],
  ["a__b/c.d-e--f_g:v1.2-rc_3", "docker.io/a__b/c.d-e--f_g:v1.2-rc_3", false],
  [`img:${"a".repeat(128)}`, `docker.io/library/img:${"a".repeat(128)}`, false]
]

const invalid: ReadonlyArray<readonly [text: string, complaint: RegExp]> = [
  ["", /malformed/u],
  [":", /tag/u],
  ["alpine:", /tag/u],
  ["alpine:-x", /tag/u],
  ["alpine:.x", /tag/u],
  ["alpine:a b", /tag/u],
  ["alpine:1:2", /tag/u],
  [`img:${"a".repeat(129)}`, /128/u],
  ["Alpine", /lower case/u],
  ["me/Tool", /lower case/u],
  ["me//tool", /malformed/u],
  ["me/tool/", /malformed/u],
  ["/tool", /malformed/u],
  ["a___b", /malformed/u],
  ["-tool", /malformed/u],
  ["tool_", /malformed/u],
  ["al pine", /malformed/u],
  ["älpine", /malformed/u],
  ["../etc/passwd", /registry|malformed/u],
  ["a..b/img", /not the name of a registry/u],
  ["registry:port/img", /not the name of a registry/u],
  ["-registry.io/img", /not the name of a registry/u],
  ["https://registry.io/img", /registry|malformed/u],
  ["alpine@sha256", /digest/u],
  ["alpine@", /digest/u],
  ["alpine@sha256:123", /digest/u],
  [`alpine@${sha}@${sha}`, /digest/u],
  ["alpine\n", /malformed/u]
]

describe("ImageReference", () => {
  it.effect.each(valid)("%s is %s", ([text, canonical, isFloating]) =>
    Effect.gen(function* () {
      const reference = yield* decode(text)
      assert.strictEqual(reference.canonical, canonical)
      assert.strictEqual(reference.isFloating, isFloating)
    })
  )

  it.effect.each(invalid)("%j is refused, in words", ([text, complaint]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(decode(text))
      assert.match(error.message, complaint)
    })
  )

  it.effect("tells its parts, and nothing that was not written", () =>
    Effect.gen(function* () {
      const full = yield* decode(`registry:5000/a/b:1@${sha}`)
      assert.strictEqual(full.registry, "registry:5000")
      assert.strictEqual(full.repository, "a/b")
      assert.strictEqual(full.name, "registry:5000/a/b")
      assert.strictEqual(full.tag, "1")
      assert.strictEqual(full.digest, sha)
      const bare = yield* decode("alpine")
      assert.strictEqual(bare.tag, undefined)
      assert.strictEqual(bare.digest, undefined)
    })
  )

  const component = Schema.Array(Schema.Literals(["a", "z0", "b.c", "d_e", "f__g", "h-i", "j---k", "123"])).pipe(
    Schema.check(Schema.isMinLength(1), Schema.isMaxLength(3))
  )
  const parts = {
    registry: Schema.Literals(["docker.io", "localhost", "registry:5000", "ghcr.io", "10.0.0.1:80", "[fe80::1]:5000"]),
    repository: component,
    tag: Schema.UndefinedOr(Schema.Literals(["latest", "1", "V1.2_x-y"])),
    digest: Schema.UndefinedOr(Schema.Literals([sha]))
  }

  it.effect.prop("what stands in full is read as its parts, and written as it was", parts, (given) =>
    Effect.gen(function* () {
      const repository = given.repository.join("/")
      // Docker Hub alone has a namespace for images without one.
      const path = given.registry === "docker.io" && !repository.includes("/") ? `library/${repository}` : repository
      const text = `${given.registry}/${path}${given.tag === undefined ? "" : `:${given.tag}`}${
        given.digest === undefined ? "" : `@${given.digest}`
      }`
      const reference = yield* decode(text)
      assert.deepStrictEqual(
        [reference.registry, reference.repository, reference.tag, reference.digest],
        [given.registry, path, given.tag, given.digest]
      )
      assert.strictEqual(reference.canonical, text)
      assert.strictEqual(yield* encode(reference), text)
    })
  )

  it.effect.prop(
    "any text is either a reference, which means itself in full, or refused",
    { text: Schema.String },
    (given) =>
      Effect.gen(function* () {
        const reference = yield* Effect.option(decode(given.text))
        if (reference._tag === "None") return
        const again = yield* decode(reference.value.canonical)
        assert.instanceOf(again, ImageReference)
        assert.strictEqual(again.canonical, reference.value.canonical)
        assert.strictEqual(again.isFloating, reference.value.isFloating)
      })
  )
})
