/**
 * What an operator is told about an installation before anybody logs in: each finding with what to do about it.
 *
 * Nothing here changes anything: no image is pulled, no container is started, no key is made.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { CredentialsError } from "../schema/AuthenticationError.ts"
import type { ConfigError } from "../schema/ConfigError.ts"
import type { HostKeyError } from "../schema/HostKeyError.ts"
import { AuthConfig } from "./AuthConfig.ts"
import { Authenticator } from "./Authenticator.ts"
import { DockerRunConfig } from "./DockerRunConfig.ts"
import { HostKeys } from "./HostKeys.ts"
import { type LogEvent, Logger } from "./Logger.ts"
import type { SshCrypto } from "./SshServer.ts"

/**
 * `ok`: as it should be. `warn`: it works, but not as well as it could, or not for everybody. `fail`: it does not work.
 *
 * @since 0.1.0
 * @category models
 */
export type Verdict = "ok" | "warn" | "fail"

/**
 * One thing that was looked at.
 *
 * @since 0.1.0
 * @category models
 */
export interface Finding {
  readonly verdict: Verdict
  /** What was looked at, in one or two words: `engine`, `host key`, … */
  readonly subject: string
  /** What was found, in one line. Never a secret. */
  readonly message: string
  /** What to do about it, in one line. */
  readonly remedy?: string
}

/**
 * @since 0.1.0
 * @category findings
 */
export const invalidConfiguration = (error: ConfigError): ReadonlyArray<Finding> =>
  error.message.split("\n").map((message) => ({ verdict: "fail", subject: "configuration", message }))

/**
 * @since 0.1.0
 * @category findings
 */
export const validConfiguration = (source: string | undefined): Finding => ({
  verdict: "ok",
  subject: "configuration",
  message:
    source === undefined ? "no file: defaults and environment, as `dockerrun try` uses them" : `${source} is valid`
})

/** The oldest Node.js that this program supports: major, minor. */
const minimumNode = [22, 19] as const

/**
 * Whether the version of Node.js, such as `24.21.0`, is one that this program supports.
 *
 * @since 0.1.0
 * @category findings
 */
export const node = (version: string): Finding => {
  const [major = 0, minor = 0] = version.split(".").map(Number)
  const isOld = major < minimumNode[0] || (major === minimumNode[0] && minor < minimumNode[1])
  return isOld
    ? {
        verdict: "fail",
        subject: "Node.js",
        message: version,
        remedy: `install ${minimumNode.join(".")} or a later version`
      }
    : { verdict: "ok", subject: "Node.js", message: version }
}

/**
 * Whether SSH encryption runs as fast as it could.
 *
 * @since 0.1.0
 * @category findings
 */
export const encryption = (crypto: SshCrypto): Finding =>
  crypto === "native"
    ? { verdict: "ok", subject: "encryption", message: "native" }
    : {
        verdict: "warn",
        subject: "encryption",
        message: "in JavaScript: half the throughput for twice the CPU time",
        remedy: "build ssh2's addon for this Node.js, with a C++ compiler at hand: npm rebuild ssh2"
      }

/**
 * The host keys by which the server is known.
 *
 * @since 0.1.0
 * @category findings
 */
export const hostKeys: Effect.Effect<ReadonlyArray<Finding>, never, HostKeys> = Effect.map(HostKeys, ({ keys }) =>
  keys.map(({ algorithm, fingerprint, source }) => ({
    verdict: "ok",
    subject: "host key",
    message: `${algorithm} ${fingerprint} (${source})`
  }))
)

/**
 * @since 0.1.0
 * @category findings
 */
export const unusableHostKey = ({ path, problem, remedy }: HostKeyError): Finding => ({
  verdict: "fail",
  subject: "host key",
  message: `${path}: ${problem}`,
  remedy
})

/**
 * There is no key yet: not a fault, the server makes its own.
 *
 * @since 0.1.0
 * @category findings
 */
export const hostKeysToCome = (directory: string): Finding => ({
  verdict: "ok",
  subject: "host key",
  message: `none yet: the server makes an Ed25519 key at its first start, and keeps it in ${directory}`
})

/**
 * Who gets in when there is no configuration file.
 *
 * @since 0.1.0
 * @category findings
 */
export const passwordOfTheRun: Finding = {
  verdict: "ok",
  subject: "authentication",
  message: "`dockerrun try` makes a password for each run",
  remedy: "`dockerrun serve` needs a configuration that names users"
}

const fileAndUsers = ({ authorizedKeysFile, trustedUserCAKeys, users }: AuthConfig["Service"]): string => {
  const all = Object.values(users)
  const withKeys = all.filter(({ authorizedKeys }) => authorizedKeys.length > 0).length
  const withPassword = all.filter(({ passwordHash }) => passwordHash !== undefined).length
  const named = `${all.length} ${all.length === 1 ? "user" : "users"} (${withKeys} with keys, ${withPassword} with a password)`
  return [
    named,
    ...(authorizedKeysFile === undefined ? [] : [`whoever has a key of ${authorizedKeysFile}`]),
    ...(trustedUserCAKeys.length === 0 ? [] : ["whoever has a certificate of auth.trustedUserCAKeys"])
  ].join(", and ")
}

const isComplaint = ({ level }: LogEvent): boolean => level === "warning" || level === "error"

/**
 * Whether the configured credentials can be used, what the authenticator complains of when it is built from them, and
 * whether anybody gets in.
 *
 * @since 0.1.0
 * @category findings
 */
export const authentication = Effect.fnUntraced(function* <R>(
  authenticator: Layer.Layer<Authenticator, CredentialsError, R>
): Effect.fn.Return<ReadonlyArray<Finding>, never, AuthConfig | Exclude<R, Logger>> {
  const config = yield* AuthConfig
  const subject = "authentication"
  const complaints: Array<Finding> = []
  const logger = Logger.of({
    log: (event) =>
      Effect.sync(() => {
        if (isComplaint(event)) complaints.push({ verdict: "warn", subject, message: event.message })
      })
  })
  return yield* Effect.scoped(Layer.build(authenticator)).pipe(
    Effect.provideService(Logger, logger),
    Effect.match({
      onFailure: ({ problems }) => problems.map((message): Finding => ({ verdict: "fail", subject, message })),
      onSuccess: (context): ReadonlyArray<Finding> =>
        Context.get(context, Authenticator).methods.length === 0
          ? [
              {
                verdict: "warn",
                subject,
                message: "nobody can log in: there is neither a key nor a password",
                remedy: "name users in auth.users, or a file of keys in auth.authorizedKeysFile"
              }
            ]
          : [...complaints, { verdict: "ok", subject, message: fileAndUsers(config) }]
    })
  )
})

/**
 * What a person who is logged in may start.
 *
 * @since 0.1.0
 * @category findings
 */
export const programs: Effect.Effect<ReadonlyArray<Finding>, never, DockerRunConfig> = Effect.map(
  DockerRunConfig,
  ({ config }) => {
    if (config.disableShell && config.disableCommand && config.disableSubsystem) {
      return [
        {
          verdict: "warn",
          subject: "programs",
          message: "nothing can be started: shell, command and subsystem are all disabled",
          remedy: "set one of dockerrun.config.disableShell, disableCommand and disableSubsystem to false"
        }
      ]
    }
    const subsystems = Object.entries(config.subsystems).map(([name, program]) => `${name} (${program})`)
    return [
      { verdict: "ok", subject: "shell", message: config.disableShell ? "disabled" : config.shellCommand.join(" ") },
      { verdict: "ok", subject: "command", message: config.disableCommand ? "disabled" : "any" },
      {
        verdict: "ok",
        subject: "subsystem",
        message: config.disableSubsystem ? "disabled" : subsystems.length === 0 ? "none" : subsystems.join(", ")
      }
    ]
  }
)
