/**
 * Authentication requests (RFC 4252), decided by the `Authenticator`.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { type AuthContext, type Connection, type PublicKeyAuthContext, utils } from "ssh2"
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
  const key = utils.parseKey(`${context.key.algo} ${context.key.data.toString("base64")}`)
  return !(key instanceof Error) && key.verify(context.blob, context.signature, context.hashAlgo) === true
}

/**
 * Answers one connection's authentication requests. The returned function takes a request and gives the identity that
 * it proved, if any; the client has its answer by then.
 */
export const make = Effect.fnUntraced(function* (client: Connection, remoteAddress: string) {
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
    function* (context: AuthContext): Effect.fn.Return<Identity | undefined, AuthenticationError> {
      const result = yield* decide(context)
      if (result === "query answered") return undefined
      if (result._tag === "Accepted") {
        context.accept()
        return result.identity
      }
      reject(context)
      yield* logger.log({
        level: context.method === "none" ? "debug" : "info",
        code: "AUTHENTICATION_FAILED",
        message: `${context.method} authentication of ${JSON.stringify(context.username)} failed`,
        fields: {
          username: context.username,
          method: context.method,
          reason: result.reason,
          ...(result.detail === undefined ? {} : { detail: result.detail })
        }
      })
      return undefined
    },
    (effect, context) =>
      Effect.catch(effect, (error) => {
        reject(context)
        return Effect.as(
          logger.log({ level: "error", code: error.code, message: error.message, cause: error.cause }),
          undefined
        )
      })
  )
})
