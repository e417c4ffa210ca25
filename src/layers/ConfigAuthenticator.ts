/**
 * Lets in the users of the configuration: by their keys, their passwords, and a file of keys that are good for any user.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { AuthenticationError, CredentialsError } from "../schema/AuthenticationError.ts"
import type { AuthenticationMethod, AuthenticationRequest, KeyQuery } from "../schema/AuthenticationRequest.ts"
import type { AuthenticationResult, Identity, RejectionReason } from "../schema/AuthenticationResult.ts"
import { AuthConfig } from "../services/AuthConfig.ts"
import { Authenticator } from "../services/Authenticator.ts"
import { isCertificateName } from "../services/Certificate.ts"
import { Logger } from "../services/Logger.ts"
import { PasswordHasher } from "../services/PasswordHasher.ts"
import * as AuthorizedKeys from "./authenticator/AuthorizedKeys.ts"
import * as AuthorizedKeysFile from "./authenticator/AuthorizedKeysFile.ts"
import * as FailureTime from "./authenticator/FailureTime.ts"
import * as KeyLists from "./authenticator/KeyLists.ts"
import * as KeyVerdict from "./authenticator/KeyVerdict.ts"
import * as PublicKeyBlob from "./authenticator/PublicKeyBlob.ts"
import * as UserCertificates from "./authenticator/UserCertificates.ts"

/** With keys that are good for any user, the name is the client's to choose; it ends up in labels and in logs. */
const usableName = /^\P{Cc}{1,255}$/u

interface User {
  readonly principals: ReadonlyArray<string> | undefined
  readonly keys: AuthorizedKeys.AuthorizedKeys
  readonly passwordHash: Redacted.Redacted | undefined
  /** What an identity of this user has besides. */
  readonly own: Pick<Identity, "container">
}

/** An unknown user goes the same way as a known one, and finds nothing there. */
const nobody: User = { principals: undefined, keys: AuthorizedKeys.empty, passwordHash: undefined, own: {} }

const rejected = (reason: RejectionReason, detail?: string): AuthenticationResult => ({
  _tag: "Rejected",
  reason,
  ...(detail === undefined ? {} : { detail })
})

const parseUsers = Effect.gen(function* () {
  const config = yield* AuthConfig
  const hasher = yield* PasswordHasher
  const users = new Map<string, User>()
  const problems: Array<string> = []
  for (const [name, user] of Object.entries(config.users)) {
    const { authorizedKeys, authorizedPrincipals: principals, container, passwordHash } = user
    const place = `auth.users.${name}`
    const keys = AuthorizedKeys.concat(
      authorizedKeys.map((line, index) => AuthorizedKeys.parse(line, () => `${place}.authorizedKeys[${index}]`))
    )
    problems.push(...keys.problems)
    if (passwordHash !== undefined) {
      yield* hasher
        .verifier([passwordHash])
        .pipe(Effect.catch((error) => Effect.sync(() => problems.push(`${place}.passwordHash: ${error.message}`))))
    }
    users.set(name, { principals, keys, passwordHash, own: container === undefined ? {} : { container } })
  }
  if (problems.length > 0) return yield* new CredentialsError({ problems })
  return users
})

const make = Effect.gen(function* () {
  const config = yield* AuthConfig
  const hasher = yield* PasswordHasher
  const logger = yield* Logger
  const fileSystem = yield* FileSystem.FileSystem
  const users = yield* parseUsers
  const hashes = [...users.values()].flatMap(({ passwordHash }) => (passwordHash === undefined ? [] : [passwordHash]))
  const verify = yield* hasher
    .verifier(hashes)
    .pipe(Effect.mapError((error) => new CredentialsError({ problems: [error.message] })))
  const sharedKeys =
    config.authorizedKeysFile === undefined
      ? Effect.succeed(AuthorizedKeys.empty)
      : (yield* AuthorizedKeysFile.make(fileSystem, logger, config.authorizedKeysFile)).current

  const { current: authorities } = yield* KeyLists.make({
    fileSystem,
    logger,
    sources: config.trustedUserCAKeys,
    place: "auth.trustedUserCAKeys",
    consequence: "nobody gets in by it"
  })
  const { current: revokedKeys } = yield* KeyLists.make({
    fileSystem,
    logger,
    sources: config.revokedKeys,
    place: "auth.revokedKeys",
    consequence: "nobody gets in by a key"
  })

  const offersKeys =
    config.authorizedKeysFile !== undefined ||
    config.trustedUserCAKeys.length > 0 ||
    [...users.values()].some(({ keys }) => keys.keys.size > 0)
  const methods: ReadonlyArray<AuthenticationMethod> = [
    ...(offersKeys ? (["publickey"] as const) : []),
    ...(hashes.length > 0 ? (["password"] as const) : [])
  ]
  if (methods.length === 0) {
    yield* logger.log({
      level: "warning",
      code: "AUTH_NOBODY",
      message:
        "nobody can log in: the configuration has neither keys nor passwords (auth.users, auth.authorizedKeysFile)"
    })
  }
  // What is wrong with the file should be in the log at the start, not at the first login.
  yield* Effect.all([sharedKeys, authorities, revokedKeys], { discard: true })

  const judgePassword = Effect.fnUntraced(function* (
    username: string,
    password: Redacted.Redacted
  ): Effect.fn.Return<AuthenticationResult, AuthenticationError> {
    if (hashes.length === 0) return rejected("MethodNotOffered")
    const user = users.get(username)
    const { passwordHash } = user ?? nobody
    const matches = yield* verify(password, passwordHash).pipe(
      Effect.mapError((cause) => new AuthenticationError({ operation: "comparing the password", cause }))
    )
    if (matches) return { _tag: "Accepted", identity: { username, method: "password", ...user?.own } }
    if (user === undefined) return rejected("UnknownUser")
    return rejected(passwordHash === undefined ? "NoPassword" : "WrongPassword")
  })

  const judgeKey = Effect.fnUntraced(function* ({
    key,
    remoteAddress,
    username
  }: Pick<KeyQuery, "key" | "remoteAddress" | "username">): Effect.fn.Return<AuthenticationResult> {
    if (!offersKeys) return rejected("MethodNotOffered")
    const now = yield* Clock.currentTimeMillis
    const revoked = yield* revokedKeys
    const user = users.get(username)
    if (!usableName.test(username)) return rejected("UnknownUser", "the name is empty, too long or not printable")
    // What was revoked is in the part that is missing, for all that is known.
    if (!revoked.isComplete)
      return rejected("KeyNotUsable", "auth.revokedKeys has a file that cannot be read as a whole")
    if (isCertificateName(key.algorithm)) {
      const judgement = UserCertificates.judge(key.blob, {
        authorities: (yield* authorities).keys,
        revoked: revoked.keys,
        principals: user?.principals ?? [username],
        remoteAddress,
        now
      })
      return Result.isSuccess(judgement)
        ? { _tag: "Accepted", identity: { username, method: "publickey", ...judgement.success, ...user?.own } }
        : rejected(judgement.failure.reason, judgement.failure.detail)
    }
    if (AuthorizedKeys.find(revoked.keys, key.blob).length > 0) return rejected("KeyNotValid", "the key is revoked")
    const lines = [
      ...AuthorizedKeys.find((user ?? nobody).keys, key.blob),
      ...AuthorizedKeys.find(yield* sharedKeys, key.blob)
    ]
    const verdict = KeyVerdict.judge(lines, { remoteAddress, now })
    if (verdict.good) {
      const fingerprint = PublicKeyBlob.fingerprint(key.blob)
      const identity: Identity = { username, method: "publickey", fingerprint, ...verdict.binding, ...user?.own }
      return { _tag: "Accepted", identity }
    }
    return rejected(
      verdict.reason === "UnknownKey" && user === undefined ? "UnknownUser" : verdict.reason,
      verdict.detail
    )
  })

  return Authenticator.of({
    methods,
    mayUse: Effect.fn("Authenticator.mayUse")(
      function* (query) {
        const result = yield* judgeKey(query)
        return result._tag === "Accepted"
      },
      FailureTime.hide((mayUse) => !mayUse)
    ),
    authenticate: Effect.fn("Authenticator.authenticate")(
      (request: AuthenticationRequest) =>
        request._tag === "Password" ? judgePassword(request.username, request.password) : judgeKey(request),
      FailureTime.hide((result) => result._tag === "Rejected")
    )
  })
})

/**
 * Lets in whom `AuthConfig` lists.
 *
 * The file of keys is read at each login by key, so a change is good at once; while it cannot be read, nobody gets in by
 * it and the log says so. Fails with `CredentialsError`, naming all faults, when a key or hash of the configuration
 * itself cannot be used.
 *
 * @since 0.1.0
 * @category layers
 */
export const layer: Layer.Layer<
  Authenticator,
  CredentialsError,
  AuthConfig | FileSystem.FileSystem | Logger | PasswordHasher
> = Layer.effect(Authenticator, make)
