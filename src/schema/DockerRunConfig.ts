/**
 * The section `dockerrun` of the configuration: the engine, the container of a connection, and how programs run in it.
 *
 * @since 0.1.0
 */
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { emptyIsUnset, isObject } from "./CanonicalKeys.ts"
import type { Rule } from "./ConfigDecoding.ts"
import { optional, withDefault } from "./ConfigKey.ts"
import { ContainerConfig, defaultImage } from "./ContainerConfig.ts"
import { Strings } from "./EngineValue.ts"
import { PositiveGoDuration } from "./GoDuration.ts"
import { HostConfig } from "./HostConfig.ts"
import { ImagePullPolicy } from "./ImagePullPolicy.ts"
import { NetworkingConfig } from "./NetworkingConfig.ts"
import { Pem, PemPrivateKey } from "./Pem.ts"
import { Platform } from "./Platform.ts"
import { PersistentConfig } from "./PersistentConfig.ts"
import { PoolConfig } from "./PoolConfig.ts"

/**
 * A shell that sleeps for ever. As process 1 it would ignore INT and TERM, were there no trap; it waits for its child
 * with `wait`, which a signal cuts short, so that it ends at once.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultIdleCommand: readonly [string, ...ReadonlyArray<string>] = [
  "/bin/sh",
  "-c",
  "trap 'kill $!; exit 0' INT TERM; while :; do sleep 3600 & wait $!; done"
]

const schemes = ["unix://", "npipe://", "tcp://", "http://", "https://"]

const ConnectUrl = Schema.String.annotate({ [emptyIsUnset]: true }).check(
  Schema.isPattern(/^(?:unix|npipe|tcp|https?):\/\/./u, {
    message: `is not a connect URL: it must begin with one of ${schemes.join(", ")}`
  })
)

/**
 * Whose a container is, and so how long it lives.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ExecutionMode = Schema.Literals(["connection", "session", "persistent"])

/**
 * What to run in the container of a connection, and how.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ExecutionConfig = Schema.Struct({
  container: withDefault(
    ContainerConfig,
    { Image: defaultImage },
    "ContainerConfig of the Engine API: what runs in the container. Without an Image it has the default one."
  ),
  host: withDefault(HostConfig, {}, "HostConfig of the Engine API: how the container is tied to its host."),
  network: withDefault(NetworkingConfig, {}, "NetworkingConfig of the Engine API: which networks the container joins."),
  platform: optional(Platform, "OCI platform of the image."),
  containername: withDefault(
    Schema.String.check(
      Schema.isPattern(/^(?:\/?[a-zA-Z0-9][a-zA-Z0-9_.-]+)?$/u, {
        message: "is not a container name: two or more letters, digits, _, . or -, the first a letter or digit"
      })
    ),
    "",
    "Fixed name of the container. Best left empty: a second connection with the same name fails."
  ),
  subsystems: withDefault(
    Schema.Record(Schema.String, Schema.NonEmptyString.annotate({ message: "must name a program" })),
    { sftp: "/usr/lib/openssh/sftp-server" },
    "Name of an SSH subsystem → program in the container. Replaces the default."
  ),
  sftpFallback: withDefault(
    Schema.Boolean,
    false,
    "Serve the subsystem sftp over the engine's archives when its program is not in the container. Only for containers whose programs run as root."
  ),
  disableCommand: withDefault(Schema.Boolean, false, "Refuse requests to run a command."),
  disableShell: withDefault(Schema.Boolean, false, "Refuse requests for a shell."),
  disableSubsystem: withDefault(Schema.Boolean, false, "Refuse requests for a subsystem."),
  shellCommand: withDefault(
    Strings,
    [],
    'Shell in the container, in words: ["/bin/bash"]. Must be set unless disableShell is true.'
  ),
  idleCommand: withDefault(
    Schema.NonEmptyArray(Schema.String).annotate({ message: "must have at least one word" }),
    defaultIdleCommand,
    "First process of the container: keeps it alive and exits on TERM. Always replaces the image's command."
  ),
  imagePullPolicy: withDefault(ImagePullPolicy, "IfNotPresent", "When the image is pulled."),
  waitingPrograms: withDefault(
    Schema.Boolean,
    true,
    "Keep a shell waiting in the container that becomes the next program: it begins in a fraction of the time. Needs a shell as the idle command."
  ),
  timeout: withDefault(
    PositiveGoDuration,
    "60s",
    "Limit for pull, create and start together, for each start of a program, and for each removal."
  ),
  mode: withDefault(
    ExecutionMode,
    "connection",
    "connection: each connection has a container, which goes with it. session: each session has one, whose first process is its program. persistent: each user has one, which stays."
  ),
  persistent: withDefault(PersistentConfig, {}, "The containers of mode persistent."),
  pool: withDefault(PoolConfig, {}, "Containers that are started before anybody needs them.")
})

/**
 * @since 0.1.0
 * @category models
 */
export type ExecutionConfig = typeof ExecutionConfig.Type

const PositiveInt = Schema.Int.check(
  Schema.isBetween({ minimum: 1, maximum: 100_000 }, { message: "must be 1 or more" })
)

/**
 * How much is asked of the engine at the same time.
 *
 * @since 0.1.0
 * @category schemas
 */
export const EngineLimits = Schema.Struct({
  starts: withDefault(PositiveInt, 8, "Containers that are created or started at the same time; the others wait."),
  execs: withDefault(PositiveInt, 16, "Programs that are started at the same time; the others wait."),
  queue: withDefault(
    Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 }, { message: "must be 0 or more" })),
    128,
    "Connections, and programs, that may wait for such a start. Past it they are refused at once, with a message."
  )
})

/**
 * @since 0.1.0
 * @category models
 */
export type EngineLimits = typeof EngineLimits.Type

/**
 * The section `dockerrun`.
 *
 * @since 0.1.0
 * @category schemas
 */
export const DockerRunSettings = Schema.Struct({
  host: optional(
    ConnectUrl,
    "Connect URL of the engine: unix://, npipe://, tcp://, http:// or https://. Left out: DOCKER_HOST, then the current docker context, then the usual sockets."
  ),
  cacert: optional(Pem, "PEM text of the certificate authority of the engine. With cert and key, or not at all."),
  cert: optional(Pem, "PEM text of the client certificate. With cacert and key, or not at all."),
  key: optional(PemPrivateKey, "PEM text of the client's private key. With cacert and cert, or not at all."),
  config: withDefault(ExecutionConfig, {}, "What to run in the container of a connection, and how."),
  limits: withDefault(EngineLimits, {}, "How much is asked of the engine at the same time.")
})

/**
 * @since 0.1.0
 * @category models
 */
export type DockerRunSettings = typeof DockerRunSettings.Type

/**
 * The three PEM texts of TLS to the engine.
 *
 * @since 0.1.0
 * @category models
 */
export interface EngineTls {
  readonly ca: string
  readonly cert: string
  readonly key: Redacted.Redacted<string>
}

/**
 * The three PEM texts when they are set. Decoding has made sure that it is all of them or none.
 *
 * @since 0.1.0
 * @category getters
 */
export const tls = (settings: DockerRunSettings): EngineTls | undefined =>
  settings.cacert === undefined || settings.cert === undefined || settings.key === undefined
    ? undefined
    : { ca: settings.cacert, cert: settings.cert, key: settings.key }

const tlsKeys = ["cacert", "cert", "key"] as const

/**
 * TLS needs all three PEM texts, and whoever may open a shell needs one to be opened.
 *
 * @since 0.1.0
 * @category rules
 */
export const dockerRunRule: Rule = (value) => {
  const section: unknown = value ?? {}
  if (!isObject(section)) return []
  const missing = tlsKeys.filter((key) => section[key] === undefined)
  const tlsProblems =
    missing.length === tlsKeys.length
      ? []
      : missing.map((key) => ({ path: [key], message: "is missing: cacert, cert and key belong together" }))

  const config: unknown = section["config"] ?? {}
  if (!isObject(config)) return tlsProblems
  const { shellCommand = [], disableShell = false } = config
  const shellProblems =
    disableShell === false && Array.isArray(shellCommand) && shellCommand.length === 0
      ? [
          {
            path: ["config", "shellCommand"],
            message: 'must be set, for example to ["/bin/sh"], unless disableShell is true'
          }
        ]
      : []
  return [...tlsProblems, ...shellProblems, ...modeProblems(config), ...poolProblems(config)]
}

const modeProblems: Rule = (config) => {
  if (!isObject(config)) return []
  const { containername = "", mode } = config
  if (mode === "session") return sessionProblems(config)
  return containername === "" || mode !== "persistent"
    ? []
    : [{ path: ["config", "containername"], message: "does not go with mode persistent: set persistent.name instead" }]
}

/** What takes a container that several programs share, or that goes on after its first one. */
const sessionProblems = ({ containername = "", host, sftpFallback = false }: Readonly<Record<string, unknown>>) => {
  const restart = isObject(host) && isObject(host["RestartPolicy"]) ? (host["RestartPolicy"]["Name"] ?? "") : ""
  return [
    ...(containername === ""
      ? []
      : [
          {
            path: ["config", "containername"],
            message: "does not go with mode session: the containers of several sessions cannot all have one name"
          }
        ]),
    ...(sftpFallback === false
      ? []
      : [
          {
            path: ["config", "sftpFallback"],
            message: "does not go with mode session: set it to false, and put an SFTP server into the image"
          }
        ]),
    ...(restart === "" || restart === "no"
      ? []
      : [
          {
            path: ["config", "host", "RestartPolicy"],
            message: "does not go with mode session: a program is not run again when it has ended"
          }
        ])
  ]
}

/** Warm containers are made before it is known for whom. */
const poolProblems: Rule = (config) => {
  if (!isObject(config) || !isObject(config["pool"])) return []
  const { size } = config["pool"]
  if (typeof size !== "number" || size <= 0) return []
  const { containername = "", mode = "connection" } = config
  const path = ["config", "pool", "size"]
  return [
    ...(containername === ""
      ? []
      : [
          {
            path,
            message:
              "does not go with containername: waiting containers cannot all have one name; leave one of the two out"
          }
        ]),
    ...(mode === "connection"
      ? []
      : [{ path, message: "is for mode connection: leave the pool out, or set mode to connection" }])
  ]
}
