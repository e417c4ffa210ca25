/**
 * Signatures by keys that come with a certificate. ssh2 knows no certificates, and hands such a signature on as it came.
 */
import { createPublicKey, verify } from "node:crypto"
import * as Result from "effect/Result"
import type { PublicKeyAuthContext } from "ssh2"
import * as Certificate from "../../services/Certificate.ts"
import * as SshSignature from "../../services/SshSignature.ts"

/** Whether the certified key has signed this session, with the algorithm that the client has named. */
export const isValid = ({ blob, key, signature }: PublicKeyAuthContext): boolean => {
  if (blob === undefined || signature === undefined) return false
  const prepared = Certificate.parse(key.data).pipe(
    Result.flatMap((certificate) => SshSignature.prepare(certificate.key, signature))
  )
  if (Result.isFailure(prepared)) return false
  const { algorithm, digest, jwk, signature: value } = prepared.success
  if (algorithm !== Certificate.plainName(key.algo)) return false
  try {
    const publicKey = createPublicKey({ key: jwk, format: "jwk" })
    return verify(digest ?? null, blob, { key: publicKey, dsaEncoding: "ieee-p1363" }, value)
  } catch {
    // The key is none: a point that is not on its curve, for example.
    return false
  }
}
