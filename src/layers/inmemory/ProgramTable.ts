/**
 * From the words of a command to a program of an image, as a kernel and a `PATH` would find it.
 *
 * @since 0.1.0
 */
import { ProgramNotStarted } from "../../schema/DockerError.ts"
import * as Shell from "./Shell.ts"
import type { SimulatedImage } from "./SimulatedImage.ts"
import type { SimulatedProgram } from "./SimulatedProgram.ts"
import * as StandardPrograms from "./StandardPrograms.ts"

/**
 * @internal
 */
export type ProgramTable = (command: string) => SimulatedProgram | ProgramNotStarted

const defaultNotExecutable = ["/", "/bin", "/etc", "/etc/passwd", "/tmp"]
const directories = ["/usr/local/sbin/", "/usr/local/bin/", "/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"]

const baseName = (path: string) => path.slice(path.lastIndexOf("/") + 1)

/**
 * @internal
 */
export const make = (image: SimulatedImage): ProgramTable => {
  const byPath = new Map<string, SimulatedProgram>()
  const byName = new Map<string, SimulatedProgram>()
  const add = (path: string, program: SimulatedProgram) => {
    if (path.includes("/")) byPath.set(path, program)
    else for (const directory of directories) byPath.set(directory + path, program)
    byName.set(baseName(path), program)
  }
  const find = (command: string) => (command.includes("/") ? byPath.get(command) : byName.get(command))

  if (image.shell !== false) {
    for (const [name, program] of Object.entries(StandardPrograms.programs)) add(name, program)
    add("/bin/sh", Shell.make(find, { ...StandardPrograms.scripts(find), ...image.scripts }))
  }
  for (const [path, program] of Object.entries(image.programs ?? {})) add(path, program)

  const notExecutable = new Set(image.notExecutable ?? defaultNotExecutable)
  return (command) => {
    const program = find(command)
    if (program !== undefined) return program
    const words = notExecutable.has(command)
      ? "permission denied"
      : command.includes("/")
        ? `stat ${command}: no such file or directory`
        : "executable file not found in $PATH"
    return new ProgramNotStarted({
      exitCode: notExecutable.has(command) ? 126 : 127,
      message: `OCI runtime exec failed: exec failed: container_linux.go:380: starting container process caused: exec: ${JSON.stringify(command)}: ${words}: unknown`
    })
  }
}
