/**
 * Logins with a certificate of an authority that the configuration trusts (sshd_config(5), TrustedUserCAKeys).
 */
import { createPublicKey, verify } from "node:crypto"
import * as Result from "effect/Result"
import type { PublicKey } from "../../schema/AuthenticationRequest.ts"
import type { Identity, RejectionReason } from "../../schema/AuthenticationResult.ts"
import type { Permissions } from "../../schema/Permissions.ts"
import * as Certificate from "../../services/Certificate.ts"
import * as CertificateGrant from "../../services/CertificateGrant.ts"
import * as SshSignature from "../../services/SshSignature.ts"
import * as AuthorizedKeys from "./AuthorizedKeys.ts"
import * as KeyVerdict from "./KeyVerdict.ts"
import * as PublicKeyBlob from "./PublicKeyBlob.ts"

/** What a certificate is judged by. */
export interface Circumstances extends CertificateGrant.Bearer {
  readonly authorities: AuthorizedKeys.AuthorizedKeys
  readonly revoked: AuthorizedKeys.AuthorizedKeys
}

/** What there is to know of the bearer but the name; or why the certificate is not good. */
export type Judgement = Result.Result<
  Omit<Identity, "method" | "username">,
  { readonly reason: RejectionReason; readonly detail?: string }
>

const isSigned = ({ authority, signature, signed }: Certificate.Certificate): boolean => {
  const prepared = SshSignature.prepare(authority, signature)
  if (Result.isFailure(prepared)) return false
  const { digest, jwk, signature: value } = prepared.success
  try {
    const key = createPublicKey({ key: jwk, format: "jwk" })
    return verify(digest ?? null, signed, { key, dsaEncoding: "ieee-p1363" }, value)
  } catch {
    return false
  }
}

const isStrong = ({ algorithm, blob }: PublicKey): Result.Result<unknown, string> =>
  PublicKeyBlob.decode(algorithm, Buffer.from(blob).toString("base64"))

/** What the authority's line takes away is not the certificate's to give. */
const allowedByBoth = (line: Permissions, certificate: Permissions): Permissions => ({
  ...line,
  pty: line.pty !== false && certificate.pty !== false,
  portForwarding: line.portForwarding !== false && certificate.portForwarding !== false,
  agentForwarding: line.agentForwarding !== false && certificate.agentForwarding !== false
})

/** Judges a certificate. The authority comes first: of what a stranger has signed nothing is believed. */
export const judge = (blob: Uint8Array, circumstances: Circumstances): Judgement => {
  const { authorities, now, remoteAddress, revoked } = circumstances
  const invalid = (detail: string) => Result.fail({ reason: "KeyNotValid", detail } as const)
  const parsed = Certificate.parse(blob)
  if (Result.isFailure(parsed)) return invalid(parsed.failure)
  const certificate = parsed.success
  const lines = AuthorizedKeys.find(authorities, certificate.authority.blob)
  if (lines.length === 0) {
    return Result.fail({ reason: "UnknownKey", detail: "the certificate's authority is not trusted" })
  }
  if (!isSigned(certificate)) return invalid("the authority has not signed this certificate")
  const name = JSON.stringify(certificate.keyId)
  if ([certificate.key, certificate.authority].some((key) => AuthorizedKeys.find(revoked, key.blob).length > 0)) {
    return invalid(`certificate ${name}: the key, or that of the authority, is revoked`)
  }
  const strong = isStrong(certificate.key)
  if (Result.isFailure(strong)) return invalid(`certificate ${name}: ${strong.failure}`)
  const verdict = KeyVerdict.judge(lines, { remoteAddress, now })
  if (!verdict.good) return Result.fail(verdict)
  const grant = CertificateGrant.judge(certificate, circumstances)
  if (Result.isFailure(grant)) return invalid(`certificate ${name}: ${grant.failure}`)
  const { binding } = verdict
  const commands = new Set([binding.forcedCommand, grant.success.forcedCommand].filter((line) => line !== undefined))
  // Nobody could say which one counts. sshd does not let such a certificate in either.
  if (commands.size > 1) return invalid(`certificate ${name}: the authority's line has another command`)
  return Result.succeed({
    fingerprint: PublicKeyBlob.fingerprint(certificate.key.blob),
    certificate: {
      keyId: certificate.keyId,
      serial: certificate.serial.toString(),
      authority: PublicKeyBlob.fingerprint(certificate.authority.blob)
    },
    ...binding,
    ...grant.success,
    permissions: allowedByBoth(binding.permissions ?? {}, grant.success.permissions)
  })
}
