/** What the kernel says about a process, from /proc. What vanishes while it is read counts as gone. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs"

const whileItExists = <A>(read: () => A): A | undefined => {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && (cause.code === "ENOENT" || cause.code === "ESRCH"))
      return undefined
    throw cause
  }
}

/** Resident memory in bytes; 0 for a process that has ended. */
export const residentMemory = (pid: number): number => {
  const status = whileItExists(() => readFileSync(`/proc/${pid}/status`, "utf8")) ?? ""
  return Number(/^VmRSS:\s+(\d+) kB$/mu.exec(status)?.[1] ?? 0) * 1024
}

/** What the open file descriptors of a process are: `socket:[INODE]`, `/dev/null` and so on. */
export const openFiles = (pid: number): ReadonlyArray<string> => {
  const directory = `/proc/${pid}/fd`
  return (whileItExists(() => readdirSync(directory)) ?? []).flatMap((descriptor) => {
    const link = whileItExists(() => readlinkSync(`${directory}/${descriptor}`))
    return link === undefined ? [] : [link]
  })
}

/** The inodes of the sockets that a process has open. */
export const socketInodes = (pid: number): ReadonlySet<string> =>
  new Set(openFiles(pid).flatMap((file) => /^socket:\[(\d+)\]$/u.exec(file)?.[1] ?? []))

/** The pids of a process's child processes, zombies included. */
export const childProcesses = (pid: number): ReadonlyArray<number> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/u.test(name))
    .filter((name) => {
      const stat = whileItExists(() => readFileSync(`/proc/${name}/stat`, "utf8"))
      // Behind "pid (name) " come the state and the parent's pid; the name may hold anything, parentheses included.
      const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ")
      return fields?.[1] === String(pid)
    })
    .map(Number)
