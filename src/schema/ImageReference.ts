/**
 * References to images, and what they mean when parts are left out.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as Effect from "effect/Effect"

const component = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/u
const domain =
  /^(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?$/u
const tagPattern = /^[\w][\w.-]{0,127}$/u
const digestPattern = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/u

/**
 * The parts of an image reference. `registry` and `repository` are canonical: `alpine` is `library/alpine` at
 * `docker.io`. `tag` and `digest` are there only where they were written.
 *
 * @since 0.1.0
 * @category models
 */
export class ImageReference extends Schema.Class<ImageReference>("dockerrun/ImageReference")({
  registry: Schema.NonEmptyString,
  repository: Schema.NonEmptyString,
  tag: Schema.optionalKey(Schema.NonEmptyString),
  digest: Schema.optionalKey(Schema.NonEmptyString)
}) {
  /** The reference in full, such as `docker.io/library/alpine:3`. */
  get canonical(): string {
    return `${this.name}${this.tag === undefined ? "" : `:${this.tag}`}${
      this.digest === undefined ? "" : `@${this.digest}`
    }`
  }

  /** The reference in full without tag and digest. */
  get name(): string {
    return `${this.registry}/${this.repository}`
  }

  /** Whether the reference names one image for good, or one that the registry may change (no tag, or `latest`). */
  get isFloating(): boolean {
    return this.digest === undefined && (this.tag === undefined || this.tag === "latest")
  }
}

interface Parts {
  readonly registry: string
  readonly repository: string
  readonly tag?: string
  readonly digest?: string
}

/** The first component is a registry when it cannot be anything else: it has a dot or a port, or is `localhost`. */
const splitRegistry = (path: string): readonly [registry: string, repository: string] => {
  const slash = path.indexOf("/")
  const first = slash === -1 ? "" : path.slice(0, slash)
  if (first !== "" && (/[.:]/u.test(first) || first === "localhost" || first !== first.toLowerCase())) {
    const rest = path.slice(slash + 1)
    return first === "docker.io" || first === "index.docker.io"
      ? ["docker.io", rest.includes("/") ? rest : `library/${rest}`]
      : [first, rest]
  }
  return ["docker.io", slash === -1 ? `library/${path}` : path]
}

const parse = (text: string): Parts | string => {
  const at = text.indexOf("@")
  const digest = at === -1 ? undefined : text.slice(at + 1)
  if (digest !== undefined && !digestPattern.test(digest)) return "the digest after @ is not of the form sha256:<hex>"
  const named = at === -1 ? text : text.slice(0, at)
  const colon = named.indexOf(":", named.lastIndexOf("/") + 1)
  const tag = colon === -1 ? undefined : named.slice(colon + 1)
  if (tag !== undefined && !tagPattern.test(tag)) {
    return "the tag after : has at most 128 letters, digits, dots, dashes and underscores, and begins with none of the last three"
  }
  const path = colon === -1 ? named : named.slice(0, colon)
  const [registry, repository] = splitRegistry(path)
  if (!domain.test(registry)) return `${JSON.stringify(registry)} is not the name of a registry`
  if (repository !== repository.toLowerCase()) return "the name of the repository must be in lower case"
  if (!repository.split("/").every((part) => component.test(part))) return "the name of the repository is malformed"
  return {
    registry,
    repository,
    ...(tag === undefined ? {} : { tag }),
    ...(digest === undefined ? {} : { digest })
  }
}

/**
 * Reads a reference as Docker does: `alpine`, `me/tool:2`, `registry:5000/img`, `host/img@sha256:…`.
 *
 * @since 0.1.0
 * @category codecs
 */
export const ImageReferenceFromString = Schema.String.pipe(
  Schema.decodeTo(
    ImageReference,
    SchemaTransformation.transformEffect({
      decode: (text: string, options) => {
        const parts = parse(text)
        return typeof parts === "string"
          ? Effect.fail(new SchemaIssue.InvalidValue({ message: parts }, text, options))
          : Effect.succeed(parts)
      },
      encode: ({ registry, repository, tag, digest }) =>
        Effect.succeed(
          `${registry}/${repository}${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`
        )
    })
  )
)
