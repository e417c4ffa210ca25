/**
 * A container whose life hangs on a stream.
 *
 * The server holds the container's standard input open. When the server is gone, for whatever reason, the engine closes
 * that stream, the container's first process ends with it, and the engine removes the container. What it takes: a shell
 * in the image that watches the stream, `OpenStdin` and `StdinOnce` so that the engine passes its end on, `AutoRemove`,
 * and an attachment that is made before the start.
 *
 * @since 0.1.0
 */
import type { ExecutionConfig } from "../schema/DockerRunConfig.ts"
import { defaultIdleCommand } from "../schema/DockerRunConfig.ts"
import type { ContainerSpec } from "./Docker.ts"

type Command = readonly [string, ...ReadonlyArray<string>]

/**
 * Waits for the end of the input, and for TERM or INT, which end it at once, also as process 1. The input is read in the
 * background, because a shell acts on a signal only when what runs in front has ended; from a copy, because what runs
 * in the background of a shell has no input of its own. Builtins do it all.
 *
 * @since 0.1.0
 * @category scripts
 */
export const waitScript = `exec 3<&0
trap 'exit 0' INT TERM
(while read -r _; do :; done <&3) &
wait $!`

/**
 * Runs the idle command that it is given, without input, and ends with it, or when the input ends. TERM and INT go to
 * the idle command first.
 *
 * @since 0.1.0
 * @category scripts
 */
export const wrapScript = `exec 3<&0
"$@" </dev/null 3<&- &
idle=$!
trap 'exit 0' USR1
trap 'kill -TERM "$idle" 2>/dev/null; wait "$idle"; exit' INT TERM
(while read -r _; do :; done <&3; kill -USR1 $$) &
wait "$idle"`

const shells = new Set(["ash", "bash", "dash", "ksh", "sh"])

/**
 * A shell that is known to be in the image, because the idle command begins with it: without it no container would start
 * anyway. What people run proves nothing; with a shell that is missing they could still run other programs.
 *
 * @since 0.1.0
 * @category getters
 */
export const knownShell = ({ idleCommand: [program] }: ExecutionConfig): string | undefined =>
  shells.has(program.slice(program.lastIndexOf("/") + 1)) ? program : undefined

const isDefault = (command: Command): boolean =>
  command.length === defaultIdleCommand.length && command.every((word, index) => word === defaultIdleCommand[index])

/**
 * The container with the switch built in, or nothing when that cannot be: no shell is known to be in the image, or a
 * restart policy would bring the container back.
 *
 * @since 0.1.0
 * @category constructors
 */
export const arm = (spec: ContainerSpec, config: ExecutionConfig): ContainerSpec | undefined => {
  const shell = knownShell(config)
  const restart = spec.host.RestartPolicy?.Name ?? "no"
  if (shell === undefined || (restart !== "no" && restart !== "")) return undefined
  const command: Command = isDefault(config.idleCommand)
    ? [shell, "-c", waitScript]
    : [shell, "-c", wrapScript, shell, ...config.idleCommand]
  return {
    ...spec,
    // A terminal would not pass the end of the input on. Nobody sees it: programs have terminals of their own.
    config: { ...spec.config, Cmd: command, OpenStdin: true, StdinOnce: true, Tty: false },
    host: { ...spec.host, AutoRemove: true }
  }
}
