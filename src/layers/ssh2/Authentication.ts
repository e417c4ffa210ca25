/**
 * Authentication requests (RFC 4252), decided by the `Authenticator`.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import ssh2, { type AuthContext, type PublicKeyAuthContext } from "ssh2"
import type { AuthenticationError } from "../../schema/AuthenticationError.ts"
import type { AuthenticationResult, Identity } from "../../schema/AuthenticationResult.ts"
import { LimitError, TooManyAttempts } from "../../schema/LimitError.ts"
import { Authenticator } from "../../services/Authenticator.ts"
import { isCertificateName, keyTypeOf } from "../../services/Certificate.ts"
import { Logger } from "../../services/Logger.ts"
import * as CertifiedSignature from "./CertifiedSignature.ts"
import * as Disconnect from "./Disconnect.ts"

/** What an RSA key may sign with. ssh2 says nothing of the hash when it is SHA-1. */
const isSignedWithSha1 = ({ hashAlgo, key }: PublicKeyAuthContext): boolean =>
  key.algo === "ssh-rsa" && hashAlgo !== "sha256" && hashAlgo !== "sha512"

const isSignatureValid = (context: PublicKeyAuthContext): boolean => {
  if (isCertificateName(context.key.algo)) return CertifiedSignature.isValid(context)
  if (context.signature === undefined || context.blob === undefined || isSignedWithSha1(context)) return false
  const key = ssh2.utils.parseKey(`${context.key.algo} ${context.key.data.toString("base64")}`)
  if (key instanceof Error) return false
  // ssh2 answers with an Error when it cannot verify, whatever its types say: only `true` is a yes.
  const answer: unknown = key.verify(context.blob, context.signature, context.hashAlgo)
  return answer === true
}

export interface AuthenticationOptions {
  readonly remoteAddress: string
  /** A key that is refused counts, whether signed with or only asked about. */
  readonly maxAuthTries: number
  /**
   * Is told the identity before the client learns that it is in, because ssh2 then emits `ready` in the same step. The
   * client is in only if this succeeds.
   */
  readonly onProven: (identity: Identity) => Effect.Effect<void, LimitError>
  /** Ends the connection, and tells the client why. */
  readonly end: (error: LimitError, reason: number) => Effect.Effect<void>
}

/** Answers one connection's authentication requests. */
export const make = Effect.fnUntraced(function* ({
  end,
  maxAuthTries,
  onProven,
  remoteAddress
}: AuthenticationOptions) {
  const authenticator = yield* Authenticator
  const logger = yield* Logger
  let failures = 0

  const reject = (context: AuthContext): Effect.Effect<void> => {
    failures += 1
    // The first "none" only asks which methods there are (RFC 4252, section 5.2).
    if (context.method === "none" && failures === 1) failures = 0
    if (failures >= maxAuthTries) {
      const reason = new TooManyAttempts({ limit: maxAuthTries })
      return end(new LimitError({ reason }), Disconnect.reasons.protocolError)
    }
    return Effect.sync(() => context.reject([...authenticator.methods]))
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
        const key = { algorithm: keyTypeOf(context.key.algo), blob: context.key.data }
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
    function* (context: AuthContext): Effect.fn.Return<void, AuthenticationError | LimitError> {
      const result = yield* decide(context)
      if (result === "query answered") return
      if (result._tag === "Accepted") {
        yield* onProven(result.identity)
        context.accept()
        return
      }
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
      yield* reject(context)
    },
    (effect, context) =>
      Effect.catchTags(effect, {
        AuthenticationError: (error) =>
          Effect.andThen(
            logger.log({ level: "error", code: error.code, message: error.message, cause: error.cause }),
            reject(context)
          ),
        LimitError: (error) => end(error, Disconnect.reasons.tooManyConnections)
      })
  )
})
