/**
 * PEM texts (RFC 7468): certificates, and private keys that are never shown.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { emptyIsUnset } from "./CanonicalKeys.ts"
import { secret } from "./ConfigIssue.ts"

/**
 * Whether a text claims to be PEM. A file name never does.
 *
 * @since 0.1.0
 * @category guards
 */
export const isPem = (text: string): boolean => text.includes("-----BEGIN ")

const block = /-----BEGIN ([A-Z0-9 ]+)-----\s[\s\S]+?\s-----END \1-----/u

const frame = Schema.isPattern(block, {
  message: "is not PEM text: it must begin with -----BEGIN …----- and end with -----END …-----"
})

/**
 * One or more PEM blocks. Checked is the frame, not what is inside.
 *
 * @since 0.1.0
 * @category schemas
 */
export const Pem = Schema.String.annotate({ [emptyIsUnset]: true }).check(frame)

/**
 * The PEM text of a private key. It is `Redacted`: no log, error or JSON shows it.
 *
 * @since 0.1.0
 * @category schemas
 */
export const PemPrivateKey = Schema.RedactedFromValue(
  Schema.String.annotate({ [emptyIsUnset]: true, [secret]: true }).check(frame),
  {
    label: "private key",
    disallowEncode: true
  }
)
