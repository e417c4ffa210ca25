/**
 * The section `ssh` of the configuration: where the server listens and who it is.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { secret } from "./ConfigIssue.ts"
import { withDefault } from "./ConfigKey.ts"
import { GoDuration, PositiveGoDuration } from "./GoDuration.ts"
import { ListenAddress } from "./ListenAddress.ts"
import { isPem } from "./Pem.ts"
import {
  Cipher,
  Compression,
  defaultCiphers,
  defaultKeyExchange,
  defaultMacs,
  HostKeyAlgorithm,
  KeyExchangeAlgorithm,
  MessageAuthenticationCode
} from "./SshAlgorithms.ts"
import { sshLimits } from "./SshLimits.ts"

/**
 * Where a host key comes from: a file, or the PEM text itself.
 *
 * @since 0.1.0
 * @category schemas
 */
export const HostKeySource = Schema.TaggedUnion({
  File: { path: Schema.NonEmptyString },
  Pem: { pem: Schema.Redacted(Schema.String, { label: "host key" }) }
})

/**
 * @since 0.1.0
 * @category models
 */
export type HostKeySource = typeof HostKeySource.Type

const pemEnd = /-----END [A-Z0-9 ]+-----\s*$/u

const HostKeySourceFromString = Schema.String.annotate({ [secret]: true }).pipe(
  Schema.decodeTo(
    HostKeySource,
    SchemaTransformation.transformEffect({
      decode: (text: string) => {
        if (isPem(text)) {
          return pemEnd.test(text)
            ? Effect.succeed(HostKeySource.make({ _tag: "Pem", pem: Redacted.make(text, { label: "host key" }) }))
            : Effect.fail(
                new SchemaIssue.InvalidValue({ message: "is PEM text without its last line (-----END …-----)" })
              )
        }
        return text === "" || /[\r\n\0]/u.test(text)
          ? Effect.fail(new SchemaIssue.InvalidValue({ message: "is neither the path of a file nor PEM text" }))
          : Effect.succeed(HostKeySource.make({ _tag: "File", path: text }))
      },
      encode: (source: HostKeySource) =>
        source._tag === "File"
          ? Effect.succeed(source.path)
          : Effect.fail(new SchemaIssue.Forbidden({ message: "a host key is not written out" }))
    })
  )
)

/**
 * The section `ssh`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const SshSettings = Schema.Struct({
  listen: withDefault(
    ListenAddress,
    "127.0.0.1:2222",
    "Address and port to listen on: host:port, [IPv6]:port, or :port for every address."
  ),
  reusePort: withDefault(
    Schema.Boolean,
    false,
    "Let other servers listen on the same address and port, so that a new one can take over while this one ends. Linux and BSD."
  ),
  hostkeys: withDefault(
    Schema.Array(HostKeySourceFromString),
    [],
    "Host keys: paths of files, or PEM texts. Empty: an Ed25519 key is made once and kept in hostkeyDirectory."
  ),
  hostkeyDirectory: withDefault(
    Schema.NonEmptyString.annotate({ message: "must name a directory" }),
    "./.dockerrun",
    "Directory of the host key that the server makes itself."
  ),
  kex: withDefault(
    Schema.NonEmptyArray(KeyExchangeAlgorithm),
    defaultKeyExchange,
    "Key exchange algorithms that are offered. mlkem768x25519-sha256 is left out where Node.js lacks it."
  ),
  ciphers: withDefault(Schema.NonEmptyArray(Cipher), defaultCiphers, "Ciphers that are offered."),
  macs: withDefault(
    Schema.NonEmptyArray(MessageAuthenticationCode),
    defaultMacs,
    "Message authentication codes that are offered, for ciphers in counter mode."
  ),
  hostKeyAlgorithms: withDefault(
    Schema.NonEmptyArray(HostKeyAlgorithm),
    HostKeyAlgorithm.literals,
    "Signatures with which the server proves itself, of those for which it has a host key."
  ),
  compression: withDefault(
    Schema.NonEmptyArray(Compression),
    ["none"],
    "Compression methods that are offered. zlib@openssh.com begins after the login, and is done in the thread that serves everybody."
  ),
  banner: withDefault(Schema.String, "", "Text that is shown before authentication. Empty: none."),
  motd: withDefault(
    Schema.String,
    "",
    "Text that is shown when a shell with a terminal begins, unless the user's home in the container has a .hushlogin. Empty: none."
  ),
  acceptEnv: withDefault(
    Schema.Array(Schema.NonEmptyString.annotate({ message: "must be a pattern of names" })),
    ["LANG", "LANGUAGE", "LC_*", "TERM", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "COLORTERM", "NO_COLOR", "TZ"],
    'Variables that clients may set for their programs: patterns, in which * stands for any characters and ? for one. ["*"]: any.'
  ),
  shutdownGracePeriod: withDefault(
    GoDuration,
    "10s",
    "How long running programs may go on after SIGTERM or SIGINT before their containers are removed."
  ),
  shutdownTimeout: withDefault(
    PositiveGoDuration,
    "20s",
    "How long after that period the server ends in any case, also when the engine does not answer."
  ),
  ...sshLimits
})

/**
 * @since 0.1.0
 * @category models
 */
export type SshSettings = typeof SshSettings.Type
