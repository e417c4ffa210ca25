/**
 * One program in a virtual container: a run of its shell.
 *
 * Runs in the container's own thread, in promises, because that is what the shell's library asks for.
 *
 * @since 0.1.0
 */
import { Bash, defineCommand } from "just-bash"
import type { ContainerFiles, StreamPaths } from "./ContainerFiles.ts"
import { greeting } from "./InitialFiles.ts"
import {
  type Amount,
  control,
  type FromContainer,
  type Identity,
  type Limits,
  type OutputName,
  type Run,
  type Size,
  type Stop
} from "./Protocol.ts"
import * as OutgoingBytes from "./OutgoingBytes.ts"
import * as ScriptPlan from "./ScriptPlan.ts"
import * as ShellCommand from "./ShellCommand.ts"
import { commands, executionLimits } from "./ShellLimits.ts"
import * as ShellScript from "./ShellScript.ts"
import * as VirtualCommands from "./VirtualCommands.ts"

// While a script runs, the library bars it from shared memory; what was taken before keeps working.
const { compareExchange, load } = Atomics

/** Exit statuses of what was stopped: 128 and the number of the signal that a kernel would send. */
const statusOf: Readonly<Record<Stop, number>> = { interrupt: 130, overtime: 152, overflow: 153, end: 137 }

/** @internal */
export interface Surroundings {
  readonly files: ContainerFiles
  readonly identity: Identity
  readonly limits: Limits
  readonly post: (message: FromContainer) => void
}

/** @internal */
export interface ShellRun {
  readonly line: (line: string) => void
  readonly lineEnd: (reason: "end" | "cancel") => void
  readonly input: (bytes: Uint8Array, isLast: boolean) => void
  readonly taken: (bytes: number) => void
  readonly resize: (size: Size) => void
  readonly stop: () => void
  readonly directory: () => string
  /** Waits for the end. */
  readonly finished: Promise<void>
}

type Reply = string | { readonly reason: "end" | "cancel" }

/** @internal */
export const start = (request: Run, { files, identity, limits, post }: Surroundings): ShellRun => {
  const { id } = request
  const word = new Int32Array(request.control)
  const hasTerminal = request.size !== undefined
  let size = request.size
  let controller = new AbortController()
  let onReply: ((reply: Reply) => void) | undefined
  let onInput: (() => void) | undefined
  let input: Array<Uint8Array> = []
  let written = 0

  const stopped = (): Stop | undefined => {
    const value = load(word, 0)
    if (value === control.interrupt) return "interrupt"
    if (value === control.overtime) return "overtime"
    if (value === control.overflow) return "overflow"
    return value === control.end ? "end" : undefined
  }
  /** Lets the shell go on after something else than the end. */
  const clear = () => {
    for (const value of [control.interrupt, control.overtime, control.overflow]) {
      compareExchange(word, 0, value, control.go)
    }
    written = 0
  }
  const outgoing = OutgoingBytes.make((output, bytes) => post({ _tag: "Output", id, output, bytes }))
  const stop = () => {
    controller.abort()
    onReply?.({ reason: stopped() === "end" ? "end" : "cancel" })
    onInput?.()
    outgoing.release()
  }
  const stopFor = (reason: Stop) => {
    compareExchange(word, 0, control.go, control[reason])
    stop()
  }

  const write = async (output: OutputName, bytes: Uint8Array): Promise<void> => {
    written += bytes.byteLength
    if (written > limits.output) stopFor("overflow")
    else if (stopped() === undefined) await outgoing.write(output, bytes)
  }
  const say = (text: string) => write(hasTerminal ? "stdout" : "stderr", new TextEncoder().encode(text))

  const read = async (amount: Amount): Promise<Uint8Array> => {
    input = []
    outgoing.flush()
    post({ _tag: "Wants", id, amount })
    await new Promise<void>((resolve) => {
      onInput = resolve
    })
    onInput = undefined
    return Buffer.concat(input)
  }

  const ask = async (prompt: string): Promise<Reply> => {
    outgoing.flush()
    post({ _tag: "Prompt", id, text: hasTerminal ? prompt : "" })
    const reply = await new Promise<Reply>((resolve) => {
      onReply = resolve
    })
    onReply = undefined
    return stopped() === "end" ? { reason: "end" } : reply
  }

  const paths: StreamPaths = files.connect(id, { write, read })
  const environment = {
    PATH: "/usr/local/bin:/usr/bin:/bin",
    HOME: identity.home,
    USER: identity.user,
    LOGNAME: identity.user,
    SHELL: "/bin/bash",
    HOSTNAME: identity.hostname,
    ...request.env,
    ...(size === undefined ? {} : { COLUMNS: String(size.columns), LINES: String(size.rows) })
  }
  const remembered: ShellScript.Remembered = {
    directory: request.workingDirectory,
    exported: environment,
    others: hasTerminal ? { PS1: "\\u@\\h:\\w\\$ ", PS2: "> " } : {},
    definitions: ""
  }

  /** Commands as they come from the input, one whole text after the other. */
  const interactive = async (prompts: readonly [string, string]): Promise<ScriptPlan.Plan | undefined> => {
    let text = ""
    while (true) {
      const reply = await ask(text === "" ? prompts[0] : prompts[1])
      if (typeof reply !== "string") {
        if (reply.reason === "cancel") {
          text = ""
          status = statusOf.interrupt
          continue
        }
        if (text !== "") await say("bash: syntax error: unexpected end of file\n")
        if (text !== "") status = 2
        if (hasTerminal && stopped() === undefined) await say("exit\n")
        return undefined
      }
      text = text === "" ? reply : `${text}\n${reply}`
      const plan = ScriptPlan.make(text, { hasTerminal, paths })
      if (plan._tag === "Run") return plan
      if (plan._tag === "Incomplete") continue
      if (plan._tag === "Invalid") {
        await say(`bash: ${plan.message}\n`)
        status = 2
      }
      text = ""
    }
  }

  /** The one text of a program that has one. */
  const once = (text: string): (() => Promise<ScriptPlan.Plan | undefined>) => {
    let isGiven = false
    return async () => {
      if (isGiven) return undefined
      isGiven = true
      const plan = ScriptPlan.make(text, { hasTerminal, paths })
      if (plan._tag === "Run") return plan
      if (plan._tag === "Blank") return undefined
      const message = plan._tag === "Invalid" ? plan.message : "syntax error: unexpected end of file"
      await say(`bash: -c: ${message}\n`)
      status = 2
      return undefined
    }
  }

  let status = 0
  let isOver = false
  let isCutShort = false
  /** A shell that begins does not know how the last command ended. */
  let isNew = true
  let next: (prompts: readonly [string, string]) => Promise<ScriptPlan.Plan | undefined> = interactive

  /** The shell asks for its next text, and tells how the last one ended. */
  const nextText = defineCommand("_next", async ([before = "0", primary = "", secondary = ""], context) => {
    if (!isNew) status = Number(before)
    isNew = false
    remembered.directory = context.cwd
    remembered.exported = { ...context.exportedEnv }
    remembered.others = Object.fromEntries([...context.env].filter(([name]) => !(name in remembered.exported)))
    clear()
    const plan = await next([primary, secondary])
    if (plan?._tag !== "Run") {
      isOver = true
      return { stdout: "", stderr: "", exitCode: 1 }
    }
    if (size !== undefined) {
      await context.assignShellVariable?.("COLUMNS", String(size.columns))
      await context.assignShellVariable?.("LINES", String(size.rows))
    }
    if (plan.definitions !== undefined) remembered.definitions += `${plan.definitions}\n`
    await context.assignShellVariable?.("_text", status === 0 ? plan.text : `_status ${status}\n${plan.text}`)
    return { stdout: "", stderr: "", exitCode: 0 }
  })
  /** The loop has ended, and not by `exit`: for want of texts, by a `break` in one, or by a fault of the library. */
  const loopEnd = defineCommand("_end", () => {
    isCutShort = !isOver
    return Promise.resolve({ stdout: "", stderr: "", exitCode: 0 })
  })
  const copy = defineCommand(ScriptPlan.copyCommand, async () => {
    while (true) {
      const bytes = await read("some")
      if (bytes.byteLength === 0 || stopped() !== undefined) return { stdout: "", stderr: "", exitCode: 0 }
      await write("stdout", Uint8Array.from(bytes))
    }
  })
  const lastStatus = defineCommand("_status", ([code]) =>
    Promise.resolve({ stdout: "", stderr: "", exitCode: Number(code) })
  )

  const makeBash = () =>
    new Bash({
      fs: files,
      cwd: remembered.directory,
      commands,
      executionLimits,
      // Called before each command, so that a shell that is busy hears of the end of its time.
      coverage: {
        hit: () => {
          if (load(word, 0) !== control.go) controller.abort()
          outgoing.tick()
        }
      },
      customCommands: [nextText, loopEnd, copy, lastStatus, ...VirtualCommands.make(identity, () => size)],
      processInfo: {
        pid: id,
        ppid: 1,
        uid: identity.user === "root" ? 0 : 1000,
        gid: identity.user === "root" ? 0 : 1000
      }
    })

  /** One shell, until it ends or is stopped. */
  const shell = async (settings: string) => {
    controller = new AbortController()
    const result = await makeBash().exec(ShellScript.make({ remembered, settings, paths, hasTerminal }), {
      rawScript: true,
      cwd: remembered.directory,
      signal: controller.signal
    })
    return result
  }

  const run = async (): Promise<number> => {
    const command = ShellCommand.make(request.command)
    if (command._tag === "Text") next = once(command.text)
    if (command._tag === "File") {
      const text = await files.text(files.resolvePath(request.workingDirectory, command.path))
      if (text === undefined) {
        await say(`bash: ${command.path}: No such file or directory\n`)
        return 127
      }
      next = once(text)
    }
    let settings = command.settings
    if (command._tag === "Input" && hasTerminal) await say(greeting)
    while (true) {
      isNew = true
      isCutShort = false
      const result = await shell(settings)
      const reason = stopped()
      if (reason === "end") return statusOf.end
      clear()
      if (reason === undefined) {
        if (result.stdout !== "") await write("stdout", new TextEncoder().encode(result.stdout))
        if (result.stderr !== "") await say(result.stderr)
        if (isOver) return status
        status = isCutShort && result.stderr !== "" ? 1 : result.exitCode
        // Whoever types commands goes on in another shell after what was not `exit`; unless it never came to a prompt.
        if (command._tag !== "Input" || isNew || (!isCutShort && result.stderr === "")) return status
      } else {
        if (reason === "overtime") await say("bash: killed: more CPU time than a virtual container may use\n")
        if (reason === "overflow") await say("\nbash: killed: more output than a virtual container may write\n")
        status = statusOf[reason]
        if (command._tag !== "Input") return status
        if (reason === "interrupt" && hasTerminal) await say("\n")
      }
      settings = ""
    }
  }

  const toTheEnd = async (): Promise<number> => {
    try {
      return await run()
    } catch (error) {
      await say(`bash: ${error instanceof Error ? error.message : String(error)}\n`)
      return 1
    }
  }
  const finish = async () => {
    const exitStatus = await toTheEnd()
    await files.disconnect(id)
    outgoing.flush()
    post({ _tag: "Exited", id, status: exitStatus & 255 })
  }
  const finished = finish()

  return {
    line: (line) => onReply?.(line),
    lineEnd: (reason) => onReply?.({ reason }),
    input: (bytes, isLast) => {
      input.push(bytes)
      if (isLast) onInput?.()
    },
    taken: outgoing.taken,
    resize: (next) => {
      size = next
    },
    stop: () => {
      // A shell that was busy has seen the word before this message, and another may have taken its place.
      if (stopped() !== undefined) stop()
    },
    directory: () => remembered.directory,
    finished
  }
}
