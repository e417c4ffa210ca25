/**
 * Why a request on a session channel is refused, or its program does not run.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { ChannelId, ConnectionId } from "./Identifiers.ts"

/**
 * A second program, or a change to the environment or the terminal, after the program was started.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ProgramAlreadyRunning extends Schema.TaggedError<ProgramAlreadyRunning>("dockerrun/ProgramAlreadyRunning")(
  "ProgramAlreadyRunning",
  {}
) {
  readonly code = "DOCKERRUN_PROGRAM_ALREADY_RUNNING"
  override get message(): string {
    return "a program is already running on this channel"
  }
}

/**
 * A signal or a window change for a channel on which no program runs.
 *
 * @since 0.1.0
 * @category reasons
 */
export class NoProgramRunning extends Schema.TaggedError<NoProgramRunning>("dockerrun/NoProgramRunning")(
  "NoProgramRunning",
  {}
) {
  readonly code = "DOCKERRUN_NO_PROGRAM_RUNNING"
  override get message(): string {
    return "no program is running on this channel"
  }
}

/**
 * The operator disabled this kind of program (`disableShell`, `disableCommand`, `disableSubsystem`).
 *
 * @since 0.1.0
 * @category reasons
 */
export class KindDisabled extends Schema.TaggedError<KindDisabled>("dockerrun/KindDisabled")("KindDisabled", {
  kind: Schema.Literals(["shell", "command", "subsystem"])
}) {
  readonly code = "DOCKERRUN_KIND_DISABLED"
  override get message(): string {
    return `this server does not run a ${this.kind}`
  }
}

/**
 * The section `security` of the configuration does not allow this request.
 *
 * @since 0.1.0
 * @category reasons
 */
export class RequestForbidden extends Schema.TaggedError<RequestForbidden>("dockerrun/RequestForbidden")(
  "RequestForbidden",
  { request: Schema.Literals(["command", "env", "shell", "signal", "subsystem", "tty"]) }
) {
  readonly code = "DOCKERRUN_REQUEST_FORBIDDEN"
  override get message(): string {
    return `the policy of this server does not allow this ${this.request} request`
  }
}

/**
 * The variable is not among those that clients may set (`ssh.acceptEnv`), or cannot be one.
 *
 * @since 0.1.0
 * @category reasons
 */
export class EnvNotAccepted extends Schema.TaggedError<EnvNotAccepted>("dockerrun/EnvNotAccepted")("EnvNotAccepted", {
  name: Schema.String
}) {
  readonly code = "DOCKERRUN_ENV_NOT_ACCEPTED"
  override get message(): string {
    return `the variable ${JSON.stringify(this.name.slice(0, 64))} is not accepted`
  }
}

/**
 * The client sets more variables than a channel may have, or longer ones.
 *
 * @since 0.1.0
 * @category reasons
 */
export class EnvLimitExceeded extends Schema.TaggedError<EnvLimitExceeded>("dockerrun/EnvLimitExceeded")(
  "EnvLimitExceeded",
  { limit: Schema.Literals(["count", "size"]) }
) {
  readonly code = "DOCKERRUN_ENV_LIMIT"
  override get message(): string {
    return this.limit === "count" ? "too many variables for one channel" : "the variables of this channel are too long"
  }
}

/**
 * The subsystem is not in the configuration's `subsystems`.
 *
 * @since 0.1.0
 * @category reasons
 */
export class SubsystemUnknown extends Schema.TaggedError<SubsystemUnknown>("dockerrun/SubsystemUnknown")(
  "SubsystemUnknown",
  { name: Schema.String }
) {
  readonly code = "DOCKERRUN_SUBSYSTEM_UNKNOWN"
  override get message(): string {
    return `this server has no subsystem ${JSON.stringify(this.name)}`
  }
}

/**
 * The image brings no server for SFTP, and the server's own cannot take its place.
 *
 * @since 0.1.0
 * @category reasons
 */
export class SftpNotServed extends Schema.TaggedError<SftpNotServed>("dockerrun/SftpNotServed")("SftpNotServed", {
  user: Schema.String
}) {
  readonly code = "DOCKERRUN_SFTP_NOT_SERVED"
  override get message(): string {
    return `the image has no SFTP server, and without one files are served only where programs run as root, not as ${this.user}`
  }
}

/**
 * The program is not in the container (exit status 127).
 *
 * @since 0.1.0
 * @category reasons
 */
export class ProgramNotFound extends Schema.TaggedError<ProgramNotFound>("dockerrun/ProgramNotFound")(
  "ProgramNotFound",
  { program: Schema.String }
) {
  readonly code = "DOCKERRUN_PROGRAM_NOT_FOUND"
  override get message(): string {
    return `${this.program}: not found in the container`
  }
}

/**
 * The program is in the container and cannot be executed (exit status 126).
 *
 * @since 0.1.0
 * @category reasons
 */
export class ProgramNotExecutable extends Schema.TaggedError<ProgramNotExecutable>("dockerrun/ProgramNotExecutable")(
  "ProgramNotExecutable",
  { program: Schema.String }
) {
  readonly code = "DOCKERRUN_PROGRAM_NOT_EXECUTABLE"
  override get message(): string {
    return `${this.program}: cannot be executed`
  }
}

/**
 * The engine did not start the program.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ProgramNotLaunched extends Schema.TaggedError<ProgramNotLaunched>("dockerrun/ProgramNotLaunched")(
  "ProgramNotLaunched",
  {}
) {
  readonly code = "DOCKERRUN_PROGRAM_NOT_LAUNCHED"
  override get message(): string {
    return "the container engine could not start the program"
  }
}

/**
 * As many programs as may wait for the engine wait already.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ProgramNotQueued extends Schema.TaggedError<ProgramNotQueued>("dockerrun/ProgramNotQueued")(
  "ProgramNotQueued",
  {}
) {
  readonly code = "DOCKERRUN_PROGRAM_BUSY"
  override get message(): string {
    return "the server is busy; try again in a moment"
  }
}

/**
 * The engine did not start the program within `timeout`.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ProgramTimedOut extends Schema.TaggedError<ProgramTimedOut>("dockerrun/ProgramTimedOut")(
  "ProgramTimedOut",
  { seconds: Schema.Finite }
) {
  readonly code = "DOCKERRUN_PROGRAM_TIMEOUT"
  override get message(): string {
    return `starting the program took longer than ${this.seconds} s`
  }
}

/**
 * The container is paused: nothing can be started in it before it is resumed.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ContainerPaused extends Schema.TaggedError<ContainerPaused>("dockerrun/ContainerPaused")(
  "ContainerPaused",
  {}
) {
  readonly code = "DOCKERRUN_CONTAINER_PAUSED"
  override get message(): string {
    return "the container is paused; try again when it is resumed"
  }
}

/**
 * Why a container has ended before its connection: its first process ended, or ran out of memory, somebody killed or
 * removed it, or it went with its engine.
 *
 * @since 0.1.0
 * @category reasons
 */
export const ContainerFate = Schema.Literals(["ended", "outOfMemory", "killed", "engine"])

/**
 * @since 0.1.0
 * @category reasons
 */
export type ContainerFate = typeof ContainerFate.Type

const lost: Record<ContainerFate, string> = {
  ended: "the container has ended",
  outOfMemory: "the container ran out of memory",
  killed: "the container was killed or removed",
  engine: "the container engine went away"
}

/**
 * The connection to the program broke, or its container went away, before it ended. `fate` says why, where that is known.
 *
 * @since 0.1.0
 * @category reasons
 */
export class ProgramLost extends Schema.TaggedError<ProgramLost>("dockerrun/ProgramLost")("ProgramLost", {
  fate: Schema.optionalKey(ContainerFate)
}) {
  readonly code = "DOCKERRUN_PROGRAM_LOST"
  override get message(): string {
    return this.fate === undefined ? "the program's container is gone" : lost[this.fate]
  }
}

/**
 * In mode `session` a container is one program's, and no other one runs in it.
 *
 * @since 0.1.0
 * @category reasons
 */
export class NoSharedContainer extends Schema.TaggedError<NoSharedContainer>("dockerrun/NoSharedContainer")(
  "NoSharedContainer",
  {}
) {
  readonly code = "DOCKERRUN_NO_SHARED_CONTAINER"
  override get message(): string {
    return "each session has a container of its own here, and the connection has none"
  }
}

/**
 * The name is none of RFC 4254 section 6.10.
 *
 * @since 0.1.0
 * @category reasons
 */
export class SignalUnknown extends Schema.TaggedError<SignalUnknown>("dockerrun/SignalUnknown")("SignalUnknown", {
  name: Schema.String
}) {
  readonly code = "DOCKERRUN_SIGNAL_UNKNOWN"
  override get message(): string {
    return `there is no signal ${JSON.stringify(this.name)}`
  }
}

/**
 * The signal could not be delivered, for example because the image has no `/bin/sh` to deliver it with.
 *
 * @since 0.1.0
 * @category reasons
 */
export class SignalNotDelivered extends Schema.TaggedError<SignalNotDelivered>("dockerrun/SignalNotDelivered")(
  "SignalNotDelivered",
  { name: Schema.String }
) {
  readonly code = "DOCKERRUN_SIGNAL_NOT_DELIVERED"
  override get message(): string {
    return `the signal ${this.name} could not be delivered`
  }
}

/**
 * Why a request was refused or a program does not run. Each has a stable `code` and a `message` that may be shown to
 * the client.
 *
 * @since 0.1.0
 * @category reasons
 */
export const ProgramErrorReason = Schema.Union([
  ProgramAlreadyRunning,
  NoProgramRunning,
  KindDisabled,
  RequestForbidden,
  EnvNotAccepted,
  EnvLimitExceeded,
  SubsystemUnknown,
  SftpNotServed,
  ProgramNotFound,
  ProgramNotExecutable,
  ProgramNotLaunched,
  ProgramNotQueued,
  ProgramTimedOut,
  ContainerPaused,
  ProgramLost,
  NoSharedContainer,
  SignalUnknown,
  SignalNotDelivered
])

/**
 * @since 0.1.0
 * @category reasons
 */
export type ProgramErrorReason = typeof ProgramErrorReason.Type

/**
 * A request on a session channel was refused, or its program does not run. `cause` is for the log.
 *
 * @since 0.1.0
 * @category errors
 */
export class ProgramError extends Schema.TaggedError<ProgramError>("dockerrun/ProgramError")("ProgramError", {
  connectionId: ConnectionId,
  channelId: ChannelId,
  reason: ProgramErrorReason,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  /** The stable code, such as `DOCKERRUN_SUBSYSTEM_UNKNOWN`. */
  get code(): string {
    return this.reason.code
  }

  override get message(): string {
    return this.reason.message
  }

  /** What the client may be told. */
  get clientMessage(): string {
    return `${this.reason.message} [${this.code}, connection ${this.connectionId}]`
  }

  /** What the channel reports as exit status: as a shell would where it can, 137 for a lost program, else 125. */
  get exitStatus(): number {
    switch (this.reason._tag) {
      case "ProgramNotFound":
        return 127
      case "ProgramNotExecutable":
        return 126
      case "ProgramLost":
        return 137
      default:
        return 125
    }
  }
}
