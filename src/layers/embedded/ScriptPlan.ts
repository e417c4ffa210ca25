/**
 * How a text of commands is run so that its output comes while it runs.
 *
 * The shell's library gives the output of a script when the script has ended. So each command whose output would go to
 * the program's own is made to append it to a file that is a stream, and each command that would read the program's
 * input to read it from one. What is inside of a pipeline, a substitution or a function keeps its own connections: its
 * output comes when the command around it has ended.
 *
 * @since 0.1.0
 */
import {
  type CommandNode,
  parse,
  type PipelineNode,
  type ScriptNode,
  serialize,
  type SimpleCommandNode,
  type StatementNode,
  type WordNode
} from "just-bash"
import type { StreamPaths } from "./ContainerFiles.ts"
import { amountRead, literal } from "./InputReaders.ts"

/** What to do with a text. */
export type Plan =
  | { readonly _tag: "Blank" }
  /** It goes on in the next line. */
  | { readonly _tag: "Incomplete" }
  | { readonly _tag: "Invalid"; readonly message: string }
  /** `definitions` is the text again when it only defines functions and aliases. */
  | { readonly _tag: "Run"; readonly text: string; readonly definitions?: string }

/** The command that copies the input to the output as it comes. */
export const copyCommand = "_copy"

const wordOf = (text: string): WordNode => ({ type: "Word", parts: [{ type: "Literal", value: text }] })
const copy = wordOf(copyCommand)

type Redirection = SimpleCommandNode["redirections"][number]

const redirection = (fd: number, operator: "<" | ">>", path: string): Redirection => ({
  type: "Redirection",
  fd,
  operator,
  target: wordOf(path)
})

const readsElsewhere = ({ fd, operator }: Redirection): boolean =>
  (fd === null || fd === 0) && (operator.startsWith("<") || operator === "<>")

interface Rewriting {
  readonly paths: StreamPaths
  readonly hasTerminal: boolean
  /** Some command reads the input. */
  readsInput: boolean
}

/** First to the streams; what the command itself redirects comes after that, and so prevails. */
const outputs = ({ paths }: Rewriting): ReadonlyArray<Redirection> => [
  redirection(1, ">>", paths.stdout),
  redirection(2, ">>", paths.stderr)
]

const inputOf = (command: CommandNode, rewriting: Rewriting): ReadonlyArray<Redirection> => {
  if (command.type !== "SimpleCommand" || command.redirections.some(readsElsewhere)) return []
  const amount = amountRead(command)
  // A shell in a shell would take all that is typed for its script, and only then begin.
  const isShell = /(?:^|\/)(?:ba)?sh$/u.test(literal(command.name) ?? "")
  if (amount === undefined || (isShell && rewriting.hasTerminal)) return []
  rewriting.readsInput = true
  return [redirection(0, "<", amount === "line" ? rewriting.paths.line : rewriting.paths.stdin)]
}

const withRedirections = (command: CommandNode, added: ReadonlyArray<Redirection>): CommandNode =>
  added.length === 0 ? command : { ...command, redirections: [...added, ...command.redirections] }

/** `cat`, from the program's input to its output: bytes that need not wait for the end. */
const isCopy = ({ args, assignments, name, redirections }: SimpleCommandNode): boolean =>
  ["cat", "/bin/cat", "/usr/bin/cat"].includes(literal(name) ?? "") &&
  args.every((argument) => literal(argument) === "-") &&
  args.length < 2 &&
  assignments.length === 0 &&
  redirections.length === 0

/** What `read -p` shows to the person; the library reads without showing it. */
const questionOf = ({ args, name }: SimpleCommandNode): WordNode | undefined => {
  const option = literal(name) === "read" ? args.findIndex((word) => /^-[a-z]*p$/u.test(literal(word) ?? "")) : -1
  return option === -1 ? undefined : args[option + 1]
}

const statement = (command: CommandNode): StatementNode => ({
  type: "Statement",
  pipelines: [{ type: "Pipeline", commands: [command], negated: false }],
  operators: [],
  background: false
})

const ask = (question: WordNode, read: CommandNode, rewriting: Rewriting): CommandNode => ({
  type: "Group",
  body: [
    statement({
      type: "SimpleCommand",
      name: wordOf("printf"),
      args: [wordOf("%s"), question],
      assignments: [],
      redirections: [...outputs(rewriting)]
    }),
    statement(read)
  ],
  redirections: []
})

/** A command on its own, with the program's input and outputs. */
const rewriteAlone = (command: CommandNode, rewriting: Rewriting): CommandNode => {
  const inside = (statements: Array<StatementNode>) => rewriteStatements(statements, rewriting)
  if (command.type === "SimpleCommand") {
    // Without a name it is an assignment, and `exec` without one changes the shell's own connections.
    if (command.name === null || (literal(command.name) === "exec" && command.args.length === 0)) return command
    if (isCopy(command)) return { ...command, name: copy, args: [] }
    const connected = withRedirections(command, [...inputOf(command, rewriting), ...outputs(rewriting)])
    const question = rewriting.hasTerminal ? questionOf(command) : undefined
    return question === undefined ? connected : ask(question, connected, rewriting)
  }
  if (command.type === "FunctionDef") return command
  if (command.redirections.length > 0) return withRedirections(command, outputs(rewriting))
  switch (command.type) {
    case "If":
      return {
        ...command,
        clauses: command.clauses.map(({ body, condition }) => ({ condition: inside(condition), body: inside(body) })),
        elseBody: command.elseBody === null ? null : inside(command.elseBody)
      }
    case "While":
    case "Until":
      return { ...command, condition: inside(command.condition), body: inside(command.body) }
    case "For":
    case "CStyleFor":
    case "Group":
    case "Subshell":
      return { ...command, body: inside(command.body) }
    case "Case":
      return { ...command, items: command.items.map((item) => ({ ...item, body: inside(item.body) })) }
    default:
      return withRedirections(command, outputs(rewriting))
  }
}

const rewritePipeline = (pipeline: PipelineNode, rewriting: Rewriting): PipelineNode => {
  const { commands } = pipeline
  const [first, ...rest] = commands
  if (first === undefined) return pipeline
  if (rest.length === 0) return { ...pipeline, commands: [rewriteAlone(first, rewriting)] }
  const last = commands.length - 1
  return {
    ...pipeline,
    commands: commands.map((command, index) => {
      if (command.type === "FunctionDef" || (command.type === "SimpleCommand" && command.name === null)) return command
      const stdout = index === last ? [redirection(1, ">>", rewriting.paths.stdout)] : []
      const stderr = pipeline.pipeStderr?.[index] === true ? [] : [redirection(2, ">>", rewriting.paths.stderr)]
      return withRedirections(command, [...(index === 0 ? inputOf(command, rewriting) : []), ...stdout, ...stderr])
    })
  }
}

const rewriteStatements = (statements: Array<StatementNode>, rewriting: Rewriting): Array<StatementNode> =>
  statements.map((statement) => ({
    ...statement,
    pipelines: statement.pipelines.map((pipeline) => rewritePipeline(pipeline, rewriting))
  }))

/** Where in the text a part of a tree was, and how it was written. */
const notMeant = new Set(["line", "sourceText", "originalText", "sourceFile"])

/** A tree as far as it means something. */
const meaning = (script: ScriptNode): string =>
  JSON.stringify(script, (_key, value: unknown) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.fromEntries(
          Object.entries(value)
            .filter(([name, part]) => !notMeant.has(name) && part !== false)
            .toSorted(([one], [other]) => (one < other ? -1 : 1))
        )
      : value
  )

/** The rewritten text, if writing the tree out loses nothing of it: the library's writer has gaps. */
const faithful = (script: ScriptNode): string | undefined => {
  try {
    const text = serialize(script)
    return meaning(parse(text)) === meaning(script) ? text : undefined
  } catch {
    // What cannot be written out, or not read again, is run as it stands.
    return undefined
  }
}

const definesOnly = ({ statements }: ScriptNode): boolean =>
  statements.every(({ pipelines }) =>
    pipelines.every(({ commands }) =>
      commands.every(
        (command) =>
          command.type === "FunctionDef" ||
          (command.type === "SimpleCommand" && ["alias", "unalias", "shopt"].includes(literal(command.name) ?? ""))
      )
    )
  )

/** Where the parser found its fault; at the end of the text, it wants more of it. */
const isAtEnd = (text: string, error: Error): boolean => {
  if (/got EOF|unexpected EOF/u.test(error.message)) return true
  if (/redirection target/u.test(error.message)) return false
  const lines = text.split("\n")
  const lastLine = lines.at(-1) ?? ""
  return "line" in error && error.line === lines.length && "column" in error && Number(error.column) > lastLine.length
}

/** Ends of a text that is a whole for the parser, and is not for a shell. */
const goesOn = (text: string, script: ScriptNode): boolean =>
  /(?:^|[^\\])(?:\\\\)*\\$/u.test(text) ||
  (/(?:\||&&)\s*$/u.test(text) && !/(?:^|\s)#[^\n]*$/u.test(text)) ||
  JSON.stringify(script).includes('"terminated":false')

/**
 * Looks at a text.
 *
 * @internal
 */
export const make = (text: string, { hasTerminal, paths }: Pick<Rewriting, "hasTerminal" | "paths">): Plan => {
  let script: ScriptNode
  try {
    script = parse(text)
  } catch (error) {
    if (!(error instanceof Error)) throw error
    return isAtEnd(text, error)
      ? { _tag: "Incomplete" }
      : { _tag: "Invalid", message: error.message.replace(/^Parse error at [\d:]+ */u, "") }
  }
  if (goesOn(text, script)) return { _tag: "Incomplete" }
  if (script.statements.length === 0) return { _tag: "Blank" }
  const rewriting: Rewriting = { paths, hasTerminal, readsInput: false }
  const rewritten = faithful({ ...script, statements: rewriteStatements(script.statements, rewriting) })
  return {
    _tag: "Run",
    text: rewritten ?? (rewriting.readsInput ? `{ ${text}\n} <${paths.stdin}` : text),
    ...(definesOnly(script) ? { definitions: text } : {})
  }
}
