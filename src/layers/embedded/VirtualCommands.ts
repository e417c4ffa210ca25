/**
 * Commands that a small machine has and the shell's library has not, or answers for another machine.
 *
 * @since 0.1.0
 */
import { type Command, defineCommand, type ExecResult } from "just-bash"
import type { Identity, Size } from "./Protocol.ts"

const answer = (stdout: string): ExecResult => ({ stdout, stderr: "", exitCode: 0 })
const failure = (stderr: string, exitCode = 1): ExecResult => ({ stdout: "", stderr, exitCode })

const uname = (hostname: string): Readonly<Record<string, string>> => ({
  s: "Linux",
  n: hostname,
  r: "0.0.0-virtual",
  v: "#1 dockerrun virtual container",
  m: "virtual",
  o: "dockerrun"
})

/**
 * @internal
 */
export const make = ({ hostname, user }: Identity, size: () => Size | undefined): ReadonlyArray<Command> => {
  const number = user === "root" ? 0 : 1000
  const command = (name: string, run: (args: ReadonlyArray<string>) => ExecResult): Command =>
    defineCommand(name, (args) => Promise.resolve(run(args)))

  // The library's own print variables that are not exported, too.
  const listing = (name: string): Command =>
    defineCommand(name, async (args, context) =>
      args.length > 0 && context.origCommand !== undefined
        ? context.origCommand(args)
        : answer(
            Object.entries(context.exportedEnv ?? {})
              .map(([variable, value]) => `${variable}=${value}\n`)
              .join("")
          )
    )

  return [
    listing("env"),
    listing("printenv"),
    command("hostname", () => answer(`${hostname}\n`)),
    command("whoami", () => answer(`${user}\n`)),
    command("id", ([option]) => {
      if (option === "-u" || option === "-g") return answer(`${number}\n`)
      if (option === "-un" || option === "-gn" || option === "-nu") return answer(`${user}\n`)
      return answer(`uid=${number}(${user}) gid=${number}(${user}) groups=${number}(${user})\n`)
    }),
    command("uname", (args) => {
      const fields = uname(hostname)
      const letters = args.length === 0 ? "s" : args.join("").replaceAll("-", "")
      const wanted = letters.includes("a")
        ? Object.keys(fields)
        : Array.from(letters).filter((letter) => letter in fields)
      return wanted.length === 0
        ? failure(`uname: invalid option -- '${letters}'\n`)
        : answer(`${wanted.map((letter) => fields[letter]).join(" ")}\n`)
    }),
    command("tty", () => (size() === undefined ? { ...answer("not a tty\n"), exitCode: 1 } : answer("/dev/tty\n"))),
    command("stty", (args) => {
      const current = size()
      if (current === undefined) return failure("stty: 'standard input': Inappropriate ioctl for device\n")
      if (args.length === 1 && args[0] === "size") return answer(`${current.rows} ${current.columns}\n`)
      if (args.length === 0 || args[0] === "-a") {
        return answer(`speed 38400 baud; rows ${current.rows}; columns ${current.columns};\n`)
      }
      return failure("stty: the terminal of a virtual container cannot be set\n")
    }),
    command("tput", ([capability]) => {
      const current = size()
      if (capability === "cols") return answer(`${current?.columns ?? 80}\n`)
      if (capability === "lines") return answer(`${current?.rows ?? 24}\n`)
      return failure(`tput: unknown terminfo capability '${capability ?? ""}'\n`, 4)
    })
  ]
}
