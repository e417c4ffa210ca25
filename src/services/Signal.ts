/**
 * Signals for programs in containers.
 *
 * An engine has no call that signals an exec. What works on any image with a POSIX shell: each program carries a marker
 * in its environment, and a short program of our own, run in the same container, finds by it the process to signal.
 *
 * @since 0.1.0
 */
import { SignalName } from "../schema/SignalName.ts"

/**
 * The signals of RFC 4254, section 6.10.
 *
 * @since 0.1.0
 * @category models
 */
export const names = SignalName.literals

/**
 * @since 0.1.0
 * @category models
 */
export type Name = SignalName

/**
 * The numbers of the signals on Linux. A program that a signal ends has the exit status 128 and that number.
 *
 * @since 0.1.0
 * @category models
 */
export const numbers: Readonly<Record<Name, number>> = {
  HUP: 1,
  INT: 2,
  QUIT: 3,
  ILL: 4,
  ABRT: 6,
  FPE: 8,
  KILL: 9,
  USR1: 10,
  SEGV: 11,
  USR2: 12,
  PIPE: 13,
  ALRM: 14,
  TERM: 15
}

/**
 * @since 0.1.0
 * @category guards
 */
export const isName = (name: string): name is Name => names.some((known) => known === name)

/**
 * The environment variable that marks a program and all that descends from it.
 *
 * @since 0.1.0
 * @category delivery
 */
export const marker = "DOCKERRUN_PROGRAM"

/**
 * Exit status of the delivering program when there was nothing left to signal.
 *
 * @since 0.1.0
 * @category delivery
 */
export const nobodyThere = 3

/*
 * An exec's first process has no parent inside the container (parent 0) and leads a session and a process group.
 * /proc/PID/stat is read with the command's name cut off, because that may hold blanks and parentheses.
 * Only builtins of the shell are used, so that this works on images that have nothing else: `read` skips the NULs
 * between the variables. So the next variable's name follows the marker's value at once: no digit may, lest program 1 be
 * taken for program 10. BusyBox's `kill` takes `--` behind `-s` for a process, and complains when all is done.
 */
const find = `found=${nobodyThere}
marked() {
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in *"${marker}=$1" | *"${marker}=$1"[!0-9]*) return 0 ;; esac
  done <"$2/environ"
  return 1
}
for dir in /proc/[0-9]*; do
  pid=\${dir#/proc/}
  [ "$pid" = "$$" ] && continue
  marked "$1" "$dir" 2>/dev/null || continue
  read -r stat 2>/dev/null <"$dir/stat" || continue
  set -- "$1" "$2" \${stat##*) }
  [ "$3" = Z ] && continue
`

const toGroup = `${find}  [ "$4" = 0 ] || continue
  kill "-$2" "-$5" 2>/dev/null || kill "-$2" "$pid" 2>/dev/null || continue
  found=0
done
exit $found`

const toAll = `${find}  kill "-$2" "$pid" 2>/dev/null || continue
  found=0
done
exit $found`

/**
 * The program that delivers a signal: to the program's process group as `sshd` does, or to `all` that descends from it.
 * It must run as the same user, without the marker in its own environment. Exits with 0 when a process was signalled
 * and with {@link nobodyThere} when none was left.
 *
 * @since 0.1.0
 * @category delivery
 */
export const delivery = (
  signal: Name,
  programId: string,
  target: "group" | "all"
): readonly [string, ...ReadonlyArray<string>] => [
  "/bin/sh",
  "-c",
  target === "group" ? toGroup : toAll,
  "sh",
  programId,
  signal
]
