/** Clients other than OpenSSH's, each told where the server is and how to log in, and otherwise as it is installed. */
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type HarnessError, harnessError } from "./HarnessError.ts"
import { prepareImage } from "./Images.ts"
import { sshArguments, type SshTarget } from "./OpenSsh.ts"
import { output, type ProgramResult, run, type RunOptions } from "./Program.ts"
import { startServer, type TestServer } from "./Server.ts"
import { temporaryDirectory } from "./TemporaryDirectory.ts"

const user = "clients"
const password = "every client knows passwords"

interface World extends TestServer {
  /** `SHA256:…` of the Ed25519 host key, which PuTTY's programs want to be told. */
  readonly hostKey: string
  /** For what goes with the server. */
  readonly directory: string
}

/** One server for all of them, with a Debian in its containers and forwarding for those who can do it. */
export class Clients extends Context.Service<Clients, World>()("test/Clients") {
  static readonly layer = Layer.effect(
    Clients,
    Effect.gen(function* () {
      const image = yield* prepareImage("full")
      const directory = yield* temporaryDirectory
      const key = join(directory, "key")
      yield* output("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", user, "-f", key])
      const publicKey = (yield* output("ssh-keygen", ["-y", "-f", key])).trim()
      const server = yield* startServer({
        image,
        users: { [user]: { authorizedKeys: [publicKey], password } },
        backend: { shellCommand: ["/bin/bash"] },
        sections: { security: { forwarding: { forwardingMode: "enable", reverseForwardingMode: "enable" } } }
      })
      const scanned = yield* output("ssh-keyscan", ["-t", "ed25519", "-p", String(server.port), "127.0.0.1"])
      const file = join(directory, "hostkey")
      yield* Effect.tryPromise({
        try: () => writeFile(file, scanned.replace(/^\S+ /mu, "")),
        catch: harnessError("writing the host key")
      })
      const hostKey = (yield* output("ssh-keygen", ["-l", "-f", file])).split(" ")[1] ?? ""
      const target: SshTarget = { port: server.port, user, identityFile: key }
      return { ...server, target, directory, hostKey }
    })
  )
}

/** What programs that start `ssh` by themselves are to start: the command line without the destination. */
export const sshCommand = (target: SshTarget): string =>
  ["ssh", ...sshArguments(target).slice(0, -1)]
    .map((word) => (/^[\w@%+=:,./-]+$/u.test(word) ? word : `'${word}'`))
    .join(" ")

export const python = (script: string, ...args: ReadonlyArray<string>): Effect.Effect<ProgramResult, HarnessError> =>
  // Debian's Python: that is where Debian's libraries are.
  run("/usr/bin/python3", ["-W", "ignore", "-c", script, ...args], { env: { PYTHONDONTWRITEBYTECODE: "1" } })

export const pythonClient = (world: World, script: string) =>
  python(script, String(world.port), user, password, world.target.identityFile ?? "")

const putty = (world: World, args: ReadonlyArray<string>) => [
  "-batch",
  "-P",
  String(world.port),
  "-l",
  user,
  "-pw",
  password,
  "-hostkey",
  world.hostKey,
  ...args
]

export const plink = (world: World, args: ReadonlyArray<string>, options: RunOptions = {}) =>
  run("plink", [...putty(world, args.slice(0, -1)), "127.0.0.1", ...args.slice(-1)], {
    env: { HOME: world.directory },
    ...options
  })

export const psftp = (world: World, batch: string, cwd: string) =>
  run("psftp", [...putty(world, ["-b", batch]), "127.0.0.1"], { env: { HOME: world.directory }, cwd })

export const dbclient = (world: World, args: ReadonlyArray<string>, options: RunOptions = {}) =>
  run("dbclient", ["-y", "-y", "-p", String(world.port), "-l", user, ...args], {
    env: { HOME: world.directory, DROPBEAR_PASSWORD: password },
    ...options
  })

export const lftp = (world: World, commands: string, cwd: string) =>
  run(
    "lftp",
    ["-c", `set net:max-retries 1; set sftp:connect-program "${sshCommand(world.target)} -a -x"; ${commands}`],
    { env: { HOME: world.directory }, cwd }
  )

export const git = (world: World, cwd: string, ...args: ReadonlyArray<string>) =>
  output("git", args, {
    cwd,
    env: {
      HOME: world.directory,
      GIT_CONFIG_NOSYSTEM: "1",
      GIT_SSH_COMMAND: sshCommand(world.target).replace(/ -p \d+ -l \w+$/u, ""),
      GIT_AUTHOR_NAME: "a",
      GIT_AUTHOR_EMAIL: "a@example.org",
      GIT_COMMITTER_NAME: "a",
      GIT_COMMITTER_EMAIL: "a@example.org"
    }
  })
