import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as ContainerError from "../../src/schema/ContainerError.ts"
import { ChannelId, ConnectionId } from "../../src/schema/Identifiers.ts"
import * as LimitError from "../../src/schema/LimitError.ts"
import * as ProgramError from "../../src/schema/ProgramError.ts"

const root = join(import.meta.dirname, "../..")

/** The rows of the tables of docs/library.md whose first cell is a code of a failure. */
const rows = readFileSync(join(root, "docs/library.md"), "utf8")
  .split("\n")
  .filter((line) => line.startsWith("| `DOCKERRUN_"))
  .map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim())
  )

const image = { image: "IMAGE" }
const name = { name: "NAME" }
const program = { program: "PROGRAM" }

const containerReasons: ReadonlyArray<ContainerError.ContainerErrorReason> = [
  new ContainerError.EngineUnreachable(),
  new ContainerError.EngineFailed(),
  new ContainerError.EngineFull(),
  new ContainerError.ServerBusy(),
  new ContainerError.ImageMissing(image),
  new ContainerError.ImageNotFound(image),
  new ContainerError.ImageReferenceInvalid(image),
  new ContainerError.RegistryDenied(image),
  new ContainerError.RegistryDown(image),
  new ContainerError.PullFailed(image),
  new ContainerError.ContainerNameTaken(name),
  new ContainerError.ContainerForeign(name),
  new ContainerError.ContainerRejected(),
  new ContainerError.ContainerNotStarted(),
  new ContainerError.ContainerTimedOut({ step: "pull", seconds: 60 })
]

/** A program that does not run: the client reads why, and gets an exit status. */
const failures: ReadonlyArray<ProgramError.ProgramErrorReason> = [
  new ProgramError.SftpNotServed({ user: "USER" }),
  new ProgramError.ProgramNotFound(program),
  new ProgramError.ProgramNotExecutable(program),
  new ProgramError.ProgramNotLaunched(),
  new ProgramError.ProgramNotQueued(),
  new ProgramError.ProgramTimedOut({ seconds: 60 }),
  new ProgramError.ContainerPaused(),
  new ProgramError.ProgramLost(),
  new ProgramError.NoSharedContainer()
]

const refusals: ReadonlyArray<ProgramError.ProgramErrorReason> = [
  new ProgramError.KindDisabled({ kind: "shell" }),
  new ProgramError.RequestForbidden({ request: "shell" }),
  new ProgramError.EnvNotAccepted(name),
  new ProgramError.EnvLimitExceeded({ limit: "count" }),
  new ProgramError.SubsystemUnknown(name),
  new ProgramError.ProgramAlreadyRunning(),
  new ProgramError.NoProgramRunning(),
  new ProgramError.SignalUnknown(name),
  new ProgramError.SignalNotDelivered(name)
]

const limits: ReadonlyArray<LimitError.LimitErrorReason> = [
  new LimitError.AddressDenied(),
  new LimitError.TooManyStartups(),
  new LimitError.TooManyStartupsOfAddress(),
  new LimitError.TooManyConnectionsOfAddress({ limit: 5 }),
  new LimitError.TooManyConnectionsOfUser({ limit: 5 }),
  new LimitError.ProxyHeaderMissing({ detail: "DETAIL" }),
  new LimitError.LoginTimedOut({ seconds: 120 }),
  new LimitError.TooManyAttempts({ limit: 5 }),
  new LimitError.TooManySessions({ limit: 5 }),
  new LimitError.ClientUnresponsive(),
  new LimitError.ConnectionIdle({ duration: "10m0s" }),
  new LimitError.ConnectionTimeReached({ duration: "10m0s" }),
  new LimitError.DescriptorsExhausted()
]

const exitStatus = (reason: ProgramError.ProgramErrorReason) =>
  new ProgramError.ProgramError({
    connectionId: ConnectionId.make("00c0ffee"),
    channelId: ChannelId.make(0),
    reason
  }).exitStatus

interface Documented {
  readonly _tag: string
  readonly code: string
  readonly message: string
}

const cells = ({ _tag, code, message }: Documented) => [`\`${code}\``, `\`${_tag}\``, message]

const documentedFrom = (reasons: ReadonlyArray<Documented>, columns: number) => {
  const tags = new Set(reasons.map(({ _tag }) => `\`${_tag}\``))
  return rows.filter(([, tag = ""]) => tags.has(tag)).map((row) => row.slice(0, columns))
}

describe("docs/library.md", () => {
  it("has each reason why there is no container, as the client reads it", () => {
    assert.lengthOf(containerReasons, ContainerError.ContainerErrorReason.members.length)
    assert.deepStrictEqual(documentedFrom(containerReasons, 3), containerReasons.map(cells))
  })

  it("has each limit, as the client reads it", () => {
    assert.lengthOf(limits, LimitError.LimitErrorReason.members.length)
    assert.deepStrictEqual(documentedFrom(limits, 3), limits.map(cells))
  })

  it("has each reason why a program does not run, as the client reads it, and the exit status", () => {
    assert.lengthOf([...failures, ...refusals], ProgramError.ProgramErrorReason.members.length)
    assert.deepStrictEqual(
      documentedFrom(failures, 4),
      failures.map((reason) => [...cells(reason), String(exitStatus(reason))])
    )
  })

  it("has each reason why a request is refused, as the log has it", () => {
    assert.deepStrictEqual(documentedFrom(refusals, 3), refusals.map(cells))
  })

  it("has every code once, none that does not exist, and what to do about it", () => {
    const schema = join(root, "src/schema")
    const codes = readdirSync(schema).flatMap((file) =>
      Array.from(readFileSync(join(schema, file), "utf8").matchAll(/readonly code = "(\w+)"/gu), ([, code]) => code)
    )
    assert.sameMembers(
      rows.map(([code = ""]) => code.replaceAll("`", "")),
      codes
    )
    assert.deepStrictEqual(
      rows.filter((row) => row.at(-1) === ""),
      []
    )
  })
})
