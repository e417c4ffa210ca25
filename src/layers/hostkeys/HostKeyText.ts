/**
 * Host keys as texts: which are understood, and which are fit for use.
 */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from "node:crypto"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import ssh2 from "ssh2"
import { HostKeyError } from "../../schema/HostKeyError.ts"
import type { HostKey } from "../../services/HostKeys.ts"
import * as OpenSshPrivateKey from "./OpenSshPrivateKey.ts"

type Failure = Pick<HostKeyError, "problem" | "remedy">

const minimumRsaBits = 2048

const makeAnother = "make another one: ssh-keygen -t ed25519 -N '' -f FILE"

const encrypted: Failure = {
  problem: "the key is protected by a passphrase, and a server has nobody to ask for it",
  remedy: "store it without one: ssh-keygen -p -N '' -f FILE"
}

const unreadable: Failure = { problem: "the private key is damaged", remedy: makeAnother }

/** `openssl` writes the curve by its name in X9.62 or SEC 2. */
const curves: ReadonlyArray<string | undefined> = ["prime256v1", "secp384r1", "secp521r1"]

const attempt = <A>(run: () => A): Result.Result<A, Failure> => Result.try({ try: run, catch: () => unreadable })

/** What ssh2 understands: OpenSSH's format, PKCS#1 and SEC 1. PKCS#8, which openssl writes by now, is turned into these. */
const fromKeyObject = (key: KeyObject): Result.Result<string, Failure> => {
  switch (key.asymmetricKeyType) {
    case "rsa":
      return Result.succeed(key.export({ type: "pkcs1", format: "pem" }).toString())
    case "ed25519":
      return Result.succeed(OpenSshPrivateKey.encodeEd25519(key, "dockerrun"))
    case "ec":
      return curves.includes(key.asymmetricKeyDetails?.namedCurve)
        ? Result.succeed(key.export({ type: "sec1", format: "pem" }).toString())
        : Result.fail({ problem: "the key is on a curve that SSH does not use", remedy: makeAnother })
    default:
      return Result.fail({
        problem: `the key is of a type (${key.asymmetricKeyType ?? "unknown"}) that this server does not offer`,
        remedy: makeAnother
      })
  }
}

const toUnderstood = (text: string): Result.Result<string, Failure> => {
  if (OpenSshPrivateKey.isOpenSsh(text)) {
    return OpenSshPrivateKey.isEncrypted(text) ? Result.fail(encrypted) : Result.succeed(text)
  }
  if (/BEGIN ENCRYPTED PRIVATE KEY|^Proc-Type: *4, *ENCRYPTED/mu.test(text)) return Result.fail(encrypted)
  if (/^PuTTY-User-Key-File-/mu.test(text)) {
    return Result.fail({
      problem: "the key is in PuTTY's format",
      remedy: "convert it: puttygen FILE.ppk -O private-openssh -o FILE"
    })
  }
  if (/^(?:ssh-|ecdsa-|sk-)/u.test(text) || /BEGIN (?:SSH2 |RSA )?PUBLIC KEY/u.test(text)) {
    return Result.fail({
      problem: "this is the public key",
      remedy: "name the private key, usually the file without .pub"
    })
  }
  if (!text.includes("PRIVATE KEY-----"))
    return Result.fail({ problem: "this is not a private key", remedy: makeAnother })
  return Result.flatMap(
    attempt(() => createPrivateKey(text)),
    fromKeyObject
  )
}

/** The text as ssh2 takes it, if the key in it is whole and strong enough. */
const examine = (pem: string): Result.Result<Pick<HostKey, "algorithm" | "fingerprint" | "publicKey">, Failure> => {
  const key = ssh2.utils.parseKey(pem)
  if (key instanceof Error) return Result.fail(unreadable)
  if (key.type === "ssh-dss") {
    return Result.fail({ problem: "DSA keys are no longer secure, and clients refuse them", remedy: makeAnother })
  }
  const publicHalf = createPublicKey(key.getPublicPEM())
  const bits = publicHalf.asymmetricKeyDetails?.modulusLength
  if (bits !== undefined && bits < minimumRsaBits) {
    return Result.fail({
      problem: `the RSA key has ${bits} bits, and clients want ${minimumRsaBits}`,
      remedy: makeAnother
    })
  }
  // The two halves are stored side by side; a file put together from two keys would fail at each login.
  const nonce = Buffer.from("dockerrun")
  const digest = key.type === "ssh-ed25519" ? null : "sha256"
  if (!verify(digest, nonce, publicHalf, sign(digest, nonce, key.getPrivatePEM()))) return Result.fail(unreadable)
  const blob = key.getPublicSSH()
  return Result.succeed({
    algorithm: key.type,
    fingerprint: `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/u, "")}`,
    publicKey: `${key.type} ${blob.toString("base64")}`
  })
}

/** Reads a host key from a text. `source` is the file or the place in the configuration that the text is from. */
export const parse = (text: string, source: string): Result.Result<HostKey, HostKeyError> =>
  toUnderstood(text.replace(/^\uFEFF/u, "").trim()).pipe(
    Result.flatMap((pem) =>
      attempt(() => examine(pem)).pipe(
        Result.flatMap((examined) => examined),
        Result.map((examined): HostKey => ({ ...examined, pem: Redacted.make(pem, { label: "host key" }), source }))
      )
    ),
    Result.mapError(({ problem, remedy }) => new HostKeyError({ path: source, problem, remedy }))
  )
