/**
 * ContainerConfig: what runs in a container, independent of the host (Engine API 1.41 to 1.47).
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { optional, withDefault } from "./ConfigKey.ts"
import { CommandLine, NameSet, StringMap, Strings } from "./EngineValue.ts"
import { Nanoseconds } from "./GoDuration.ts"

/**
 * The image that is used when none is named.
 *
 * @since 0.1.0
 * @category constants
 */
export const defaultImage = "containerssh/containerssh-guest-image"

/**
 * How the engine finds out whether a container is healthy.
 *
 * @since 0.1.0
 * @category schemas
 */
export const HealthConfig = Schema.Struct({
  Test: optional(Strings, '["CMD", program, …], ["CMD-SHELL", line], ["NONE"], or [] for that of the image.'),
  Interval: optional(Nanoseconds, "Time between two checks, in nanoseconds or as 30s; 0 inherits."),
  Timeout: optional(Nanoseconds, "When a check counts as hung, in nanoseconds or as 30s; 0 inherits."),
  Retries: optional(Schema.Int, "Failures in a row that make a container unhealthy; 0 inherits."),
  StartPeriod: optional(Nanoseconds, "Time to start in which failures do not count; 0 inherits."),
  StartInterval: optional(Nanoseconds, "Time between two checks during the start period (API 1.44); 0 inherits.")
})

/**
 * What runs in a container. `Cmd` is always replaced by the idle command; labels named `containerssh_…` are set by the
 * server.
 *
 * @since 0.1.0
 * @category schemas
 */
export const ContainerConfig = Schema.Struct({
  Image: withDefault(
    Schema.NonEmptyString.annotate({ message: "must name an image" }),
    defaultImage,
    "Image of the container: name, name:tag or name@digest."
  ),
  Hostname: optional(Schema.String, "Host name of the container."),
  Domainname: optional(Schema.String, "Domain name of the container."),
  User: optional(Schema.String, "User who runs the programs: name, uid, name:group or uid:gid."),
  AttachStdin: optional(Schema.Boolean, "Attach standard input."),
  AttachStdout: optional(Schema.Boolean, "Attach standard output."),
  AttachStderr: optional(Schema.Boolean, "Attach standard error."),
  ExposedPorts: optional(NameSet, 'Exposed ports: { "80/tcp": {} }.'),
  Tty: optional(Schema.Boolean, "Give the container's first process a terminal."),
  OpenStdin: optional(Schema.Boolean, "Keep standard input of the first process open."),
  StdinOnce: optional(Schema.Boolean, "Close standard input when the first attached client leaves."),
  Env: optional(Strings, "Environment: NAME=value; a NAME alone removes it from the environment."),
  Cmd: optional(CommandLine, "Command. Always replaced by dockerrun.config.idleCommand."),
  Healthcheck: optional(HealthConfig, "How the engine checks the container's health."),
  ArgsEscaped: optional(Schema.Boolean, "The command is already escaped (Windows)."),
  Volumes: optional(NameSet, 'Anonymous volumes: { "/data": {} }. Removed with the container.'),
  WorkingDir: optional(Schema.String, "Working directory of the programs."),
  Entrypoint: optional(CommandLine, 'Entry point; [""] resets that of the image.'),
  NetworkDisabled: optional(Schema.Boolean, "No network."),
  MacAddress: optional(Schema.String, "MAC address (deprecated since API 1.44: set it per network)."),
  OnBuild: optional(Strings, "ONBUILD triggers of the image."),
  Labels: optional(StringMap, "Labels of the container."),
  StopSignal: optional(Schema.String, "Signal that asks the first process to stop: SIGTERM."),
  StopTimeout: optional(Schema.Int, "Seconds between that signal and SIGKILL."),
  Shell: optional(Strings, "Shell for the shell form of RUN, CMD and ENTRYPOINT.")
})

/**
 * @since 0.1.0
 * @category models
 */
export type ContainerConfig = typeof ContainerConfig.Type
