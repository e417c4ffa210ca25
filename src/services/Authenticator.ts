/**
 * Decides who gets in. Knows nothing of how SSH carries the question, and nothing of containers.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { AuthenticationError } from "../schema/AuthenticationError.ts"
import type { AuthenticationMethod, AuthenticationRequest, KeyQuery } from "../schema/AuthenticationRequest.ts"
import type { AuthenticationResult } from "../schema/AuthenticationResult.ts"

/**
 * Decides who gets in.
 *
 * Two questions, of different weight. `mayUse` answers an unsigned query with yes or no and yields no identity: there is
 * nothing in its answer that a connection could be opened with. Only `authenticate`, which takes a password or a key
 * whose signature was verified, yields one.
 *
 * An implementation takes the same time to turn away users that exist and users that do not.
 *
 * @since 0.1.0
 * @category services
 */
export class Authenticator extends Context.Service<
  Authenticator,
  {
    /** The methods by which anybody at all can get in. Empty: nobody gets in. */
    readonly methods: ReadonlyArray<AuthenticationMethod>
    /**
     * Whether it is worth the client's while to sign with this key. Fails with `AuthenticationError` when that cannot be
     * decided.
     */
    readonly mayUse: (query: KeyQuery) => Effect.Effect<boolean, AuthenticationError>
    /**
     * Judges a proof. A wrong password or key is a result, `Rejected`; fails with `AuthenticationError` only when it
     * cannot be judged, which keeps the client out too.
     */
    readonly authenticate: (request: AuthenticationRequest) => Effect.Effect<AuthenticationResult, AuthenticationError>
  }
>()("dockerrun/services/Authenticator") {
  /**
   * Lets nobody in.
   *
   * @since 0.1.0
   */
  static readonly layerDenyAll: Layer.Layer<Authenticator> = Layer.succeed(
    Authenticator,
    Authenticator.of({
      methods: [],
      mayUse: () => Effect.succeed(false),
      authenticate: () => Effect.succeed({ _tag: "Rejected", reason: "MethodNotOffered" })
    })
  )

  /**
   * Lets in whom the predicate accepts, at once and by either method: for tests.
   *
   * @since 0.1.0
   */
  static readonly layerTest = (
    accepts: (request: AuthenticationRequest | KeyQuery) => boolean
  ): Layer.Layer<Authenticator> =>
    Layer.succeed(
      Authenticator,
      Authenticator.of({
        methods: ["publickey", "password"],
        mayUse: (query) => Effect.sync(() => accepts(query)),
        authenticate: (request) =>
          Effect.sync(() => {
            const method = request._tag === "Password" ? "password" : "publickey"
            return accepts(request)
              ? { _tag: "Accepted", identity: { username: request.username, method } }
              : { _tag: "Rejected", reason: method === "password" ? "WrongPassword" : "UnknownKey" }
          })
      })
    )
}
