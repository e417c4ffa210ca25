/** Debian's OpenSSH server as the peer: a process of its own, on a port of its own, with a configuration of its own. */
import { existsSync, mkdirSync, rmdirSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { createServer } from "node:net"
import { userInfo } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { waitFor } from "../test/support/Deadline.ts"
import { HarnessError, harnessError } from "../test/support/HarnessError.ts"
import { generateKey, type KeyPair, ssh, type SshTarget } from "../test/support/OpenSsh.ts"
import { start } from "../test/support/Program.ts"
import { temporaryDirectory } from "../test/support/TemporaryDirectory.ts"

const program = "/usr/sbin/sshd"
const separation = "/run/sshd"

/** sshd knows no port 0. Somebody else may take the port in between; the start then fails. */
const freePort = Effect.callback<number, HarnessError>((resume) => {
  const listener = createServer()
  listener.once("error", (cause) => resume(Effect.fail(harnessError("finding a port")(cause))))
  listener.listen(0, "127.0.0.1", () => {
    const address = listener.address()
    listener.close(() =>
      resume(
        typeof address === "object" && address !== null
          ? Effect.succeed(address.port)
          : Effect.fail(new HarnessError({ operation: "finding a port", detail: "no address" }))
      )
    )
  })
})

/** As root, sshd insists on this directory, which Debian's service makes. */
const privilegeSeparation = Effect.acquireRelease(
  Effect.sync(() => {
    if (process.getuid?.() !== 0 || existsSync(separation)) return false
    mkdirSync(separation, { mode: 0o755 })
    return true
  }),
  (isMade) =>
    Effect.sync(() => {
      if (isMade && existsSync(separation)) rmdirSync(separation)
    })
)

export const startSshd = Effect.fnUntraced(function* (
  key: KeyPair
): Effect.fn.Return<SshTarget, HarnessError, Scope.Scope> {
  if (!existsSync(program))
    return yield* new HarnessError({ operation: program, detail: "install Debian's openssh-server" })
  yield* privilegeSeparation
  const directory = yield* temporaryDirectory
  const hostKey = yield* generateKey("ed25519")
  const port = yield* freePort
  const [keys, config] = [join(directory, "authorized_keys"), join(directory, "sshd_config")]
  const lines = [
    "ListenAddress 127.0.0.1",
    `Port ${port}`,
    `HostKey ${hostKey.privateFile}`,
    `AuthorizedKeysFile ${keys}`,
    "PidFile none",
    "StrictModes no",
    "UsePAM no",
    "PermitRootLogin prohibit-password",
    "PasswordAuthentication no",
    // bash reads its owner's .bashrc when sshd starts it: what stands there is no part of sshd.
    `SetEnv HOME=${directory}`,
    "MaxStartups 1000",
    "MaxSessions 1000"
  ]
  yield* Effect.tryPromise({
    try: async () => {
      await writeFile(keys, `${key.publicKey}\n`)
      await writeFile(config, `${lines.join("\n")}\n`)
    },
    catch: harnessError("writing sshd's configuration")
  })
  yield* start(program, ["-D", "-e", "-f", config])
  const target: SshTarget = { port, user: userInfo().username, identityFile: key.privateFile }
  yield* waitFor(
    "sshd to let us in",
    Effect.map(ssh({ ...target, command: "true" }), ({ status }) => status === 0)
  )
  return target
})
