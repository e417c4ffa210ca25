/**
 * The script of a shell: it asks for one text of commands after the other, and runs each as it would run its own.
 *
 * @since 0.1.0
 */
import type { StreamPaths } from "./ContainerFiles.ts"
import { quote } from "./ShellCommand.ts"

/**
 * What lasts from one shell to the next, when one was stopped in the middle of a command.
 *
 * @internal
 */
export interface Remembered {
  directory: string
  exported: Readonly<Record<string, string>>
  others: Readonly<Record<string, string>>
  definitions: string
}

/** Variables that the shell sets itself, and that a shell that begins anew is not given. */
const ownVariables = new Set([
  "_",
  "_text",
  "BASHOPTS",
  "HOSTTYPE",
  "IFS",
  "MACHTYPE",
  "OSTYPE",
  "OPTIND",
  "PWD",
  "OLDPWD",
  "SHELLOPTS",
  "SHLVL"
])

/** Commands that set variables, as far as they have names that can be set. */
const assignments = (keyword: string, variables: Readonly<Record<string, string>>): ReadonlyArray<string> =>
  Object.entries(variables)
    .filter(([name]) => /^[A-Za-z_]\w*$/u.test(name) && !ownVariables.has(name))
    .map(([name, value]) => `${keyword}${name}=${quote(value)}\n`)

/**
 * `_next` sets `_text`, or fails when there is no more; `_end` says that the loop has ended otherwise than by `exit`.
 *
 * @internal
 */
export const make = (options: {
  readonly remembered: Remembered
  /** Commands to begin with. */
  readonly settings: string
  readonly paths: StreamPaths
  readonly hasTerminal: boolean
}): string => {
  const { paths, remembered, settings } = options
  const variables = [...assignments("export ", remembered.exported), ...assignments("", remembered.others)].join("")
  const prompts = options.hasTerminal ? ' "${PS1@P}" "${PS2@P}"' : ""
  return `shopt -s expand_aliases
${variables}${remembered.definitions}${settings}while _next "$?"${prompts}; do eval "$_text" >>${paths.stdout} 2>>${paths.stderr}; done
_end`
}
