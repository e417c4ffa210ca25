/**
 * From what an engine answered, or from the way a connection broke, to a typed reason.
 *
 * HTTP status and errno decide. Words are read only where the engine gives no code of its own: for what a registry, the
 * container runtime or the kernel (a full disk) told it, and for Podman's cause of a 500.
 *
 * @since 0.1.0
 */
import {
  BadRequest,
  Conflict,
  type DockerErrorReason,
  NoSpace,
  NotFound,
  ProgramNotStarted,
  RegistryUnreachable,
  ServerError,
  Unauthorized,
  UnexpectedAnswer,
  Unreachable
} from "../../schema/DockerError.ts"

/** Podman 4 answers 500 where Docker has a status of its own; these are its causes, which it compares by identity. */
const podmanCauses: Readonly<Record<string, number>> = {
  "that name is already in use": 409,
  "container state improper": 409,
  "exec session state improper": 409
}

/** With what is wrong behind it, Podman's cause for what is no reference. */
const podmanBadReference = "normalizing name for compat API: "

/**
 * The HTTP status that Docker would have answered. `cause` is what Podman names as such.
 *
 * @internal
 */
export const statusOf = (status: number, cause: string | undefined): number => {
  if (status !== 500 || cause === undefined) return status
  return cause.startsWith(podmanBadReference) ? 400 : (podmanCauses[cause] ?? status)
}

/** ENOSPC and EDQUOT, in the kernel's words. */
const noSpace = /no space left on device|disk quota exceeded/iu

/**
 * The reason behind an HTTP status of 400 and above.
 *
 * @internal
 */
export const fromStatus = (status: number, message: string): DockerErrorReason => {
  switch (status) {
    case 401:
    case 403:
      return new Unauthorized({ message })
    case 404:
      return new NotFound({ message })
    case 409:
      return new Conflict({ message })
    default:
      if (status >= 500) return noSpace.test(message) ? new NoSpace({ message }) : new ServerError({ status, message })
      return status >= 400
        ? new BadRequest({ message })
        : new UnexpectedAnswer({ message: `the engine answered with the HTTP status ${status}` })
  }
}

const words = (errno: string | undefined, address: string): string => {
  switch (errno) {
    case "ENOENT":
      return `there is no socket at ${address}; is the engine running?`
    case "ECONNREFUSED":
      return `nobody listens at ${address}; is the engine running?`
    case "EACCES":
    case "EPERM":
      return `permission denied at ${address}; is the user in the docker group?`
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `the host of ${address} cannot be resolved`
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return `there is no route to ${address}`
    case "ETIMEDOUT":
      return `${address} does not answer in time`
    case "ECONNRESET":
    case "EPIPE":
      return `the connection to ${address} broke`
    default:
      return `the connection to ${address} failed`
  }
}

const codeOf = (cause: unknown): string | undefined =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : undefined

const textOf = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause))

/**
 * The reason behind a request that got no answer, or a stream that broke. `address` is the engine's connect URL.
 *
 * @internal
 */
export const fromBrokenConnection = (cause: unknown, address: string): DockerErrorReason => {
  const errno = codeOf(cause)
  const detail = textOf(cause)
  // Node's HTTP parser: whoever answers there does not speak HTTP.
  if (errno?.startsWith("HPE_")) return new UnexpectedAnswer({ message: `${address} does not speak HTTP: ${detail}` })
  return new Unreachable({
    address,
    ...(errno === undefined ? {} : { errno }),
    message: detail === "" ? words(errno, address) : `${words(errno, address)} (${detail})`
  })
}

/** How registries and the engine's own network stack put it, in the order in which they are looked for. */
const pullFailures: ReadonlyArray<readonly [pattern: RegExp, reason: (message: string) => DockerErrorReason]> = [
  [
    /unauthorized|no basic auth credentials|authentication required|access to the resource is denied|(?:^|: )denied\b/iu,
    (message) => new Unauthorized({ message })
  ],
  [
    /manifest unknown|name unknown|repository name not known|no matching manifest|not found: manifest/iu,
    (message) => new NotFound({ message })
  ],
  [/invalid reference format|invalid tag format/iu, (message) => new BadRequest({ message })],
  [noSpace, (message) => new NoSpace({ message })],
  [
    /dial (?:tcp|udp|unix)|connection re(?:fused|set)|no such host|no route to host|network is unreachable|server misbehaving|i\/o timeout|TLS handshake|x509:|tls: |request canceled|context deadline exceeded|Client\.Timeout|unexpected EOF|: EOF$|server gave HTTP response to HTTPS client|bad gateway|service unavailable|toomanyrequests/iu,
    (message) => new RegistryUnreachable({ message })
  ]
]

/**
 * The reason behind a pull that failed. The status decides when there is one that says something; 500, and an error
 * inside the progress, say only words. `no matching manifest` (an image that is not made for the platform) is
 * `NotFound`: there is no such image for this engine.
 *
 * @internal
 */
export const fromPull = (status: number | undefined, message: string): DockerErrorReason => {
  if (status !== undefined && status < 500) return fromStatus(status, message)
  const known = pullFailures.find(([pattern]) => pattern.test(message))
  return known === undefined
    ? new ServerError({ ...(status === undefined ? {} : { status }), message })
    : known[1](message)
}

/** How Podman begins when it writes to a program's standard error that it could not start the program. */
const podmanPrefixes = ["Error: runc: exec failed: ", "Error: crun: "]

const mayBegin = (text: string, prefix: string) => text.startsWith(prefix) || prefix.startsWith(text)

/**
 * Whether Podman may have written this instead of the program, of which there may be more.
 *
 * @internal
 */
export const mayBePodmans = (text: string): boolean => podmanPrefixes.some((prefix) => mayBegin(text, prefix))

/**
 * Whether some engine may have written this instead of the program, of which there may be more.
 *
 * @internal
 */
export const mayBeRefusal = (text: string): boolean =>
  mayBePodmans(text) || notStartedPrefixes.some((prefix) => mayBegin(text, prefix))

/**
 * How Docker begins when it writes to a program's standard output that it could not start the program.
 *
 * @internal
 */
export const notStartedPrefixes = [
  "OCI runtime exec failed: ",
  "unable to find user ",
  "unable to find group ",
  // Of a container that ended in the moment of the start.
  "cannot exec in a ",
  "task "
]

const missing = /no such file or directory|executable file not found|not found in \$PATH/iu
const notExecutable = /permission denied|is a directory|exec format error|not a directory|text file busy/iu
/** The working directory, not the program, is what is missing. */
const noWorkingDirectory = /chdir to cwd|OCI runtime \w+ failed: .*\bcwd\b/iu
/** The last two are Podman's, at the end of what its runtime said. */
const runtimeFailed =
  /OCI runtime (?:exec|create|start) failed|OCI runtime attempted to invoke a command that was not found$|OCI permission denied$/u
const startingProgram =
  /(?:starting|start) container process|exec: "|exec failed|chdir to cwd|crun: (?:executable|open executable)/u

/**
 * A program that could not be started, from the words of the container runtime.
 *
 * @internal
 */
export const programNotStarted = (text: string): ProgramNotStarted => {
  // Podman adds a line about the stream that it lost over it.
  const message = /^.*/u.exec(text.trim())?.[0] ?? ""
  return new ProgramNotStarted({
    exitCode: missing.test(message) && !noWorkingDirectory.test(message) ? 127 : 126,
    message
  })
}

const containerStopped =
  /cannot exec (?:in )?a (?:stopped|paused|deleted|container that has)|^task \S+ not found|(?:read|write) init-p: /iu

/**
 * What the container runtime says of a program that it did not start: the program's fault, that of a container which
 * ended in the same moment, or that of a full disk.
 *
 * @internal
 */
export const notStarted = (text: string): ProgramNotStarted | Conflict | NoSpace => {
  if (noSpace.test(text)) return new NoSpace({ message: text.trim() })
  return containerStopped.test(text) ? new Conflict({ message: text.trim() }) : programNotStarted(text)
}

/**
 * The reason behind a refused start of a program: the main process of a container, or an exec of an engine that tells
 * before it switches the connection to a stream (Docker 25 and later).
 *
 * @internal
 */
export const fromStart = (status: number, message: string): DockerErrorReason =>
  status !== 409 &&
  ((runtimeFailed.test(message) &&
    startingProgram.test(message) &&
    (missing.test(message) || notExecutable.test(message))) ||
    notStartedPrefixes.some((prefix) => message.startsWith(prefix)))
    ? notStarted(message)
    : fromStatus(status, message)
