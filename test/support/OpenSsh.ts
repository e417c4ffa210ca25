/**
 * The real OpenSSH client. Every run is on its own: no configuration of the person who runs the tests, no agent, no
 * known hosts, no terminal to ask on.
 */
import { chmod, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { waitFor } from "./Deadline.ts"
import { HarnessError, harnessError } from "./HarnessError.ts"
import { output, type ProgramResult, run, type RunningProgram, type RunOptions, start } from "./Program.ts"
import { temporaryDirectory } from "./TemporaryDirectory.ts"

/** Where to go, and as whom. */
export interface SshTarget {
  readonly port: number
  readonly user: string
  /** 127.0.0.1 unless told. */
  readonly host?: string
  /** Logs in with this key, and nothing else. */
  readonly identityFile?: string
  /** Logs in with this password, and nothing else; the client tries it once. */
  readonly password?: string
  /** Further options, `-o Name=value`; they win over those of the harness. */
  readonly options?: Readonly<Record<string, string>>
  /** Joins the connection of a {@link controlMaster}. */
  readonly controlPath?: string
}

export interface SshRequest extends SshTarget {
  /** The command line; none asks for a shell. */
  readonly command?: string
  /** `-tt`, `-t` or `-T`; none unless told. */
  readonly tty?: "-tt" | "-t" | "-T"
  /** Further arguments in front of the destination, such as `["-N"]` or `["-v"]`. */
  readonly args?: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string | undefined>>
}

/** Paths on the server are written `remote:/path`. */
interface ScpRequest extends SshTarget {
  readonly args?: ReadonlyArray<string>
  readonly from: string
  readonly to: string
  readonly cwd?: string
  readonly deadline?: number
}

/** What ssh, sftp and scp are told alike. */
const sshOptions = (target: SshTarget): ReadonlyArray<string> => {
  const defaults: Record<string, string> = {
    // Not a file: the same port may have another server, with another key, in the next test.
    UserKnownHostsFile: "/dev/null",
    GlobalKnownHostsFile: "/dev/null",
    StrictHostKeyChecking: "no",
    LogLevel: "ERROR",
    ConnectTimeout: "20",
    IdentitiesOnly: "yes",
    IdentityAgent: "none",
    BatchMode: target.password === undefined ? "yes" : "no",
    NumberOfPasswordPrompts: "1",
    PreferredAuthentications: target.password === undefined ? "publickey" : "password",
    IdentityFile: target.identityFile ?? "none",
    ControlPath: target.controlPath ?? "none"
  }
  const options = Object.entries({ ...defaults, ...target.options })
  return ["-F", "none", ...options.flatMap(([key, value]) => ["-o", `${key}=${value}`])]
}

/** The complete argument line of one ssh. */
export const sshArguments = (request: SshRequest): ReadonlyArray<string> => [
  ...sshOptions(request),
  ...(request.tty === undefined ? [] : [request.tty]),
  ...(request.args ?? []),
  "-p",
  String(request.port),
  "-l",
  request.user,
  request.host ?? "127.0.0.1",
  ...(request.command === undefined ? [] : [request.command])
]

/** OpenSSH asks this program for the password; the password itself stays out of every command line. */
export const passwordEnvironment = (
  target: SshTarget
): Effect.Effect<Readonly<Record<string, string>>, HarnessError, Scope.Scope> =>
  Effect.gen(function* () {
    const { password } = target
    if (password === undefined) return {}
    const program = join(yield* temporaryDirectory, "askpass")
    yield* Effect.tryPromise({
      try: async () => {
        await writeFile(program, `#!/bin/sh\nprintf '%s\\n' "$DOCKERRUN_TEST_PASSWORD"\n`)
        await chmod(program, 0o700)
      },
      catch: harnessError("writing the askpass program")
    })
    return { SSH_ASKPASS: program, SSH_ASKPASS_REQUIRE: "force", DOCKERRUN_TEST_PASSWORD: password }
  })

/** Starts an ssh that the test talks to through its pipes, and may end: `kill("SIGKILL")` is `kill -9` of the client. */
export const startSsh = (
  request: SshRequest & Pick<RunOptions, "stdin">
): Effect.Effect<RunningProgram, HarnessError, Scope.Scope> =>
  Effect.gen(function* () {
    const password = yield* passwordEnvironment(request)
    return yield* start("ssh", sshArguments(request), {
      stdin: request.stdin ?? "open",
      env: { ...password, ...request.env }
    })
  })

/** Runs one ssh to its end. stdin is /dev/null unless told. Status 255 is OpenSSH's own: see `stderr` then. */
export const ssh = (request: SshRequest & RunOptions): Effect.Effect<ProgramResult, HarnessError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const password = yield* passwordEnvironment(request)
      return yield* run("ssh", sshArguments(request), { ...request, env: { ...password, ...request.env } })
    })
  )

/** Runs `scp`, which copies by SFTP unless `args` says `-O`. */
export const scp = (request: ScpRequest): Effect.Effect<ProgramResult, HarnessError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const env = yield* passwordEnvironment(request)
      const host = `${request.user}@${request.host ?? "127.0.0.1"}`
      const paths = [request.from, request.to].map((path) => path.replace(/^remote:/u, `${host}:`))
      return yield* run(
        "scp",
        [...sshOptions(request), ...(request.args ?? []), "-P", String(request.port), ...paths],
        {
          env,
          ...(request.deadline === undefined ? {} : { deadline: request.deadline }),
          ...(request.cwd === undefined ? {} : { cwd: request.cwd })
        }
      )
    })
  )

/** Runs `sftp -b`: the batch's lines, one after the other, ending at the first that fails. */
export const sftp = (
  target: SshTarget & { readonly batch: ReadonlyArray<string>; readonly deadline?: number; readonly cwd?: string }
): Effect.Effect<ProgramResult, HarnessError> =>
  Effect.scoped(
    Effect.gen(function* () {
      const batch = join(yield* temporaryDirectory, "batch")
      yield* Effect.tryPromise({
        try: () => writeFile(batch, `${target.batch.join("\n")}\n`),
        catch: harnessError("writing the sftp batch")
      })
      const env = yield* passwordEnvironment(target)
      const args = [
        ...sshOptions(target),
        // `-b` turns BatchMode on, and with it no password would be asked for; this comes first and wins.
        "-b",
        batch,
        "-P",
        String(target.port),
        `${target.user}@${target.host ?? "127.0.0.1"}`
      ]
      return yield* run("sftp", args, {
        env,
        ...(target.deadline === undefined ? {} : { deadline: target.deadline }),
        ...(target.cwd === undefined ? {} : { cwd: target.cwd })
      })
    })
  )

export interface ControlMaster {
  /** Give this to `ssh`, `startSsh` and `sftp`: they open channels on the one connection. */
  readonly target: SshTarget
  /** The process that holds the connection. */
  readonly master: RunningProgram
}

/** One connection for many channels. It ends with the Scope. */
export const controlMaster = (target: SshTarget): Effect.Effect<ControlMaster, HarnessError, Scope.Scope> =>
  Effect.gen(function* () {
    const controlPath = join(yield* temporaryDirectory, "mux")
    const joined: SshTarget = { ...target, controlPath }
    const master = yield* startSsh({ ...joined, args: ["-M", "-N"], stdin: "ignore" })
    let complaints = ""
    master.stderr.on("data", (chunk: Buffer) => (complaints += chunk.toString()))
    const failed = (detail: string) =>
      new HarnessError({ operation: "waiting for the control master", detail: `${detail}; it says: ${complaints}` })
    yield* waitFor(
      "the control master",
      Effect.suspend(() =>
        master.hasExited()
          ? Effect.fail(failed("it has ended"))
          : Effect.map(ssh({ ...joined, args: ["-O", "check"] }), (check) => check.status === 0)
      ),
      20_000
    ).pipe(Effect.mapError(({ detail }) => failed(detail)))
    return { target: joined, master }
  })

export interface KeyPair {
  readonly privateFile: string
  /** The line for authorized_keys, with its comment. */
  readonly publicKey: string
  /** `SHA256:…` */
  readonly fingerprint: string
}

/** Makes a key pair with ssh-keygen, without a passphrase unless given, in a directory that goes with the Scope. */
export const generateKey = (
  type: "ed25519" | "ecdsa" | "rsa" = "ed25519",
  options: { readonly comment?: string; readonly bits?: number; readonly passphrase?: string } = {}
): Effect.Effect<KeyPair, HarnessError, Scope.Scope> =>
  Effect.gen(function* () {
    const privateFile = join(yield* temporaryDirectory, `id_${type}`)
    const bits = options.bits === undefined ? [] : ["-b", String(options.bits)]
    const comment = options.comment ?? "test"
    const secret = ["-N", options.passphrase ?? ""]
    yield* output("ssh-keygen", ["-q", "-t", type, ...bits, "-C", comment, ...secret, "-f", privateFile])
    const publicKey = yield* Effect.tryPromise({
      try: () => readFile(`${privateFile}.pub`, "utf8"),
      catch: harnessError("reading the public key")
    })
    const listed = yield* output("ssh-keygen", ["-l", "-f", `${privateFile}.pub`])
    return { privateFile, publicKey: publicKey.trim(), fingerprint: listed.split(" ")[1] ?? "" }
  })
