/**
 * Authentication requests (RFC 4252), decided by the `Authenticator`.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import ssh2, { type AuthContext, type Connection, type PublicKeyAuthContext } from "ssh2"
import type { AuthenticationError } from "../../schema/AuthenticationError.ts"
import type { AuthenticationResult, Identity } from "../../schema/AuthenticationResult.ts"
import { Authenticator } from "../../services/Authenticator.ts"
import { Logger } from "../../services/Logger.ts"

/** As many as OpenSSH's `MaxAuthTries`; a key that is refused counts, whether signed with or only asked about. */
const maxFailures = 6

/** What an RSA key may sign with. ssh2 says nothing of the hash when it is SHA-1. */
const isSignedWithSha1 = ({ hashAlgo, key }: PublicKeyAuthContext): boolean =>
  key.algo === "ssh-rsa" && hashAlgo !== "sha256" && hashAlgo !== "sha512"

const isSignatureValid = (context: PublicKeyAuthContext): boolean => {
  if (context.signature === undefined || context.blob === undefined || isSignedWithSha1(context)) return false
  const key = ssh2.utils.parseKey(`${context.key.algo} ${context.key.data.toString("base64")}`)
  if (key instanceof Error) return false
  // ssh2 answers with an Error when it cannot verify, whatever its types say: only `true` is a yes.
  const answer: unknown = key.verify(context.blob, context.signature, context.hashAlgo)
  return answer === true
}

/**
 * Answers one connection's authentication requests. `onProven` is told the identity before the client learns that it is
 * in, because ssh2 then emits `ready` in the same step.
 */
export const make = Effect.fnUntraced(function* (
  client: Connection,
  remoteAddress: string,
  onProven: (identity: Identity) => void
) {
  const authenticator = yield* Authenticator
  const logger = yield* Logger
  let failures = 0

  const reject = (context: AuthContext) => {
    failures += 1
    // The first "none" only asks which methods there are (RFC 4252, section 5.2).
    if (context.method === "none" && failures === 1) failures = 0
    if (failures >= maxFailures) client.end()
    else context.reject([...authenticator.methods])
  }

  const decide = (
    context: AuthContext
  ): Effect.Effect<AuthenticationResult | "query answered", AuthenticationError> => {
    const { username } = context
    switch (context.method) {
      case "password":
        return authenticator.authenticate({
          _tag: "Password",
          username,
          remoteAddress,
          password: Redacted.make(context.password, { label: "password" })
        })
      case "publickey": {
        const key = { algorithm: context.key.algo, blob: context.key.data }
        if (context.signature === undefined) {
          return authenticator.mayUse({ _tag: "KeyQuery", username, remoteAddress, key }).pipe(
            Effect.map((mayUse) => {
              if (mayUse) context.accept()
              return mayUse ? "query answered" : { _tag: "Rejected", reason: "UnknownKey" }
            })
          )
        }
        return isSignatureValid(context)
          ? authenticator.authenticate({ _tag: "VerifiedKey", username, remoteAddress, key })
          : Effect.succeed({ _tag: "Rejected", reason: "KeyNotValid", detail: "the signature does not verify" })
      }
      default:
        return Effect.succeed({ _tag: "Rejected", reason: "MethodNotOffered" })
    }
  }

  return Effect.fnUntraced(
    function* (context: AuthContext): Effect.fn.Return<void, AuthenticationError> {
      const result = yield* decide(context)
      if (result === "query answered") return
      if (result._tag === "Accepted") {
        onProven(result.identity)
        context.accept()
        return
      }
      reject(context)
      // A client asks about every key that it has; only a proof that fails tells the operator something.
      const isProof =
        context.method === "password" || (context.method === "publickey" && context.signature !== undefined)
      yield* logger.log({
        level: isProof ? "info" : "debug",
        code: "AUTHENTICATION_FAILED",
        message: `${context.method} authentication of ${JSON.stringify(context.username)} failed`,
        fields: {
          username: context.username,
          method: context.method,
          reason: result.reason,
          ...(result.detail === undefined ? {} : { detail: result.detail })
        }
      })
    },
    (effect, context) =>
      Effect.catch(effect, (error) => {
        reject(context)
        return logger.log({ level: "error", code: error.code, message: error.message, cause: error.cause })
      })
  )
})
