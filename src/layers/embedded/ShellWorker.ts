/**
 * The thread of one virtual container: its files, and the shells that run in it. A thread, because a shell that is busy
 * lets nothing else run on its own, and a thread can be ended.
 *
 * @since 0.1.0
 */
import { parentPort, workerData } from "node:worker_threads"
import { Bash } from "just-bash"
import { ContainerFiles } from "./ContainerFiles.ts"
import type { Found, FromContainer, Setup, ToContainer } from "./Protocol.ts"
import { programNames } from "./ShellLimits.ts"
import * as ShellRun from "./ShellRun.ts"

const isSetup = (value: unknown): value is Setup =>
  typeof value === "object" && value !== null && "identity" in value && "limits" in value

const setup: unknown = workerData
const port = parentPort
if (port === null || !isSetup(setup)) throw new Error("this is the thread of a virtual container, not a program")
const { identity, limits } = setup

const files = new ContainerFiles(identity, limits.files)
const runs = new Map<number, ShellRun.ShellRun>()
const post = (message: FromContainer) => port.postMessage(message)

const searchPath = ["/usr/local/bin", "/usr/bin", "/bin"]
const names = new Set(programNames)

const isProgram = async (path: string): Promise<Found> => {
  const slash = path.lastIndexOf("/")
  if (searchPath.includes(path.slice(0, slash)) && names.has(path.slice(slash + 1))) return "found"
  if (!(await files.exists(path))) return 127
  const { isFile, mode } = await files.stat(path)
  return isFile && (mode & 0o111) !== 0 ? "found" : 126
}

const find = async (command: string, directory: string): Promise<Found> => {
  if (command.includes("/")) return isProgram(files.resolvePath(directory, command))
  if (names.has(command)) return "found"
  for (const place of searchPath) {
    if ((await isProgram(`${place}/${command}`)) === "found") return "found"
  }
  return 127
}

const complete = async (line: string, directory: string): Promise<ReadonlyArray<string>> => {
  const word = /[^\s'"|&;<>()]*$/u.exec(line)?.[0] ?? ""
  const isCommand = /(?:^|[|&;(])\s*$/u.test(line.slice(0, line.length - word.length)) && !word.includes("/")
  if (isCommand) return [...names].filter((name) => name.startsWith(word)).map((name) => `${name} `)
  const slash = word.lastIndexOf("/") + 1
  const [parent, beginning] = [word.slice(0, slash), word.slice(slash)]
  const place = files.resolvePath(directory, parent.replace(/^~\//u, `${identity.home}/`) || ".")
  if (!(await files.exists(place))) return []
  const entries = await files.readdirWithFileTypes(place)
  return entries
    .filter(({ name }) => name.startsWith(beginning) && (beginning !== "" || !name.startsWith(".")))
    .map(({ isDirectory, name }) => `${parent}${name}${isDirectory ? "/" : " "}`)
}

const receive = async (message: ToContainer): Promise<void> => {
  switch (message._tag) {
    case "Run": {
      const run = ShellRun.start(message, { files, identity, limits, post })
      runs.set(message.id, run)
      await run.finished
      runs.delete(message.id)
      return
    }
    case "Find":
      return post({
        _tag: "FindAnswer",
        request: message.request,
        found: await find(message.command, message.workingDirectory)
      })
    case "Complete":
      return post({
        _tag: "CompleteAnswer",
        request: message.request,
        candidates: await complete(message.line, runs.get(message.id)?.directory() ?? "/")
      })
    case "Line":
      return runs.get(message.id)?.line(message.line)
    case "LineEnd":
      return runs.get(message.id)?.lineEnd(message.reason)
    case "Input":
      return runs.get(message.id)?.input(message.bytes, message.isLast)
    case "Taken":
      return runs.get(message.id)?.taken(message.bytes)
    case "Resize":
      return runs.get(message.id)?.resize(message.size)
    case "Stop":
      return runs.get(message.id)?.stop()
  }
}

// Whoever asks for `coverage` for the first time while a script runs is refused the file that it is in: a fault of the
// library. Once loaded, it is there.
await new Bash({ coverage: { hit: () => {} }, defenseInDepth: false }).exec("echo")

port.on("message", (message: ToContainer) => {
  receive(message).catch((error: unknown) => {
    // Ends the thread, and with it the container, with this as the reason.
    queueMicrotask(() => {
      throw error
    })
  })
})
post({ _tag: "Ready", programs: programNames })
