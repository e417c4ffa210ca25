/**
 * The variables that a login has, as `sshd` sets them.
 *
 * @since 0.1.0
 */
import type { Client } from "./ContainerOwner.ts"

/**
 * What is known of the container before anything is added for a program.
 *
 * @since 0.1.0
 * @category models
 */
export interface ContainerEnvironment {
  /** The user of the container's programs: name, uid, name:group or uid:gid; empty: root. */
  readonly user: string
  /** `NAME=value`, of the image and the configuration. */
  readonly env: ReadonlyArray<string>
}

/** The account's name, where it can be told without looking into the container. */
const accountOf = (user: string): string | undefined => {
  const [name = ""] = user.split(":")
  if (name === "" || name === "0") return "root"
  return /^\d+$/u.test(name) ? undefined : name
}

/**
 * Where the account's home should be, as far as that can be told without looking into the container.
 *
 * @since 0.1.0
 * @category getters
 */
export const homeOf = (container: ContainerEnvironment, client: Client): string | undefined => {
  const own = client.login?.container
  const set = [...container.env, ...(own?.Env ?? [])].findLast((entry) => entry.startsWith("HOME="))
  const account = accountOf(own?.User ?? container.user)
  if (set !== undefined) return set.slice("HOME=".length)
  if (account === undefined) return undefined
  return account === "root" ? "/root" : `/home/${account}`
}

/** An IPv4 address on a socket for both families is what it is in IPv4. */
const plain = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/iu, "")

/**
 * What an account has of itself: `USER`, `LOGNAME` and `SHELL`. What the image or the configuration sets stays. `HOME` is
 * the engine's to set, who knows the account; a name that only the container knows for a uid is left out.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofAccount = (
  container: ContainerEnvironment,
  client: Client,
  shellCommand: ReadonlyArray<string>
): Readonly<Record<string, string>> => {
  const own = client.login?.container
  const account = accountOf(own?.User ?? container.user)
  const [shell = ""] = shellCommand
  const isSet = (name: string) => container.env.some((entry) => entry.startsWith(`${name}=`))
  const missing = Object.entries({
    // Whoever runs as somebody else is not the user that the image is made for.
    ...(account === undefined || (own?.User === undefined && isSet("USER")) ? {} : { USER: account }),
    ...(account === undefined || (own?.User === undefined && isSet("LOGNAME")) ? {} : { LOGNAME: account }),
    ...(shell.startsWith("/") && !isSet("SHELL") ? { SHELL: shell } : {})
  })
  const overrides = (own?.Env ?? []).map((entry) => {
    const end = entry.indexOf("=")
    return [entry.slice(0, end), entry.slice(end + 1)] as const
  })
  return Object.fromEntries([...missing, ...overrides])
}

/**
 * What a connection says of itself: `SSH_CLIENT`, `SSH_CONNECTION`, and, with a terminal, `SSH_TTY`. The name that the
 * terminal has in its container is known there only; `/dev/tty` is its name for the program itself.
 *
 * @since 0.1.0
 * @category constructors
 */
export const ofConnection = ({ address, login }: Client, hasTerminal: boolean): Readonly<Record<string, string>> => {
  const { port, server } = login ?? {}
  const from = `${plain(address)} ${port ?? 0}`
  return {
    ...(port === undefined || server === undefined
      ? {}
      : {
          SSH_CLIENT: `${from} ${server.port}`,
          SSH_CONNECTION: `${from} ${plain(server.address)} ${server.port}`
        }),
    ...(hasTerminal ? { SSH_TTY: "/dev/tty" } : {})
  }
}
