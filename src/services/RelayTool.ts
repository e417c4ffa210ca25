/**
 * What can connect to a port from inside of a container, and what each of them can do.
 *
 * @since 0.1.0
 */
import type { TcpTarget } from "./ForwardingPolicy.ts"
import * as RelayScripts from "./RelayScripts.ts"

type Command = readonly [string, ...ReadonlyArray<string>]

/**
 * A program of the image that connects its input and output to something.
 *
 * @since 0.1.0
 * @category models
 */
export interface RelayTool {
  readonly name: string
  /** The mark is what it writes at the end of its output, if it `marks` it. */
  readonly connect: (target: TcpTarget, mark: string) => Command
  readonly connectSocket?: (path: string, mark: string) => Command
  readonly listen?: (target: TcpTarget, name: string) => Command
  /** Without a path, at one that the tool chooses. */
  readonly listenSocket?: (path: string | undefined, name: string) => Command
  /** What it says on its standard error when it is connected. A tool that does not say so is taken to be, at once. */
  readonly connected?: RegExp
  /** A line in which it says, in brackets, where it listens: the port, or the path of the socket. */
  readonly listening?: RegExp
  /** Whether it goes on to read when the other side has ended, and marks that. */
  readonly marks: boolean
}

const connected = /^connected$/mu

/** It is in every Debian and Ubuntu. */
const perl: RelayTool = {
  name: "perl",
  connect: ({ host, port }, mark) => ["perl", "-e", RelayScripts.connectInPerl, "--", mark, host, String(port)],
  connectSocket: (path, mark) => ["perl", "-e", RelayScripts.connectInPerl, "--", mark, path],
  listen: ({ host, port }, name) => ["perl", "-e", RelayScripts.listenInPerl, "--", name, host, String(port)],
  listenSocket: (path, name) => [
    "perl",
    "-e",
    RelayScripts.listenInPerl,
    "--",
    name,
    ...(path === undefined ? [] : [path])
  ],
  connected,
  listening: /^listening (.+)$/u,
  marks: true
}

const socatTo = (address: string, mark: string): Command => [
  "sh",
  "-c",
  RelayScripts.connectWithSocat,
  "sh",
  mark,
  address
]

const socatAt = (name: string, address: string, path = ""): Command => [
  "sh",
  "-c",
  RelayScripts.listenWithSocat,
  "sh",
  name,
  address,
  path
]

/** Commas, colons, quotes and the like mean something in its addresses. */
const socatPath = (path: string): string => path.replaceAll(/[^\w/.@%+=-]/gu, String.raw`\$&`)

const socat: RelayTool = {
  name: "socat",
  connect: ({ host, port }, mark) =>
    socatTo(host.includes(":") ? `TCP6:[${host}]:${port}` : `TCP:${host}:${port}`, mark),
  connectSocket: (path, mark) => socatTo(`UNIX-CONNECT:${socatPath(path)}`, mark),
  listen: ({ host, port }, name) =>
    socatAt(
      name,
      host.includes(":")
        ? `TCP6-LISTEN:${port},bind=[${host}],reuseaddr,backlog=128`
        : `TCP4-LISTEN:${port},bind=${host},reuseaddr,backlog=128`
    ),
  listenSocket: (path, name) =>
    path === undefined ? socatAt(name, "") : socatAt(name, `UNIX-LISTEN:${socatPath(path)},mode=600`, path),
  connected: /starting data transfer loop/u,
  listening: / listening on AF=\d+ (?:".*?|.*:)([^":]+)"?$/u,
  marks: true
}

const busyboxNc: RelayTool = {
  name: "busybox-nc",
  connect: ({ host, port }) => ["sh", "-c", RelayScripts.connectWithBusyboxNc, "sh", host, String(port)],
  connected,
  marks: false
}

const bash: RelayTool = {
  name: "bash",
  connect: ({ host, port }) => ["bash", "-c", RelayScripts.connectInBash, "bash", host, String(port)],
  connected,
  marks: false
}

/**
 * The program that the operator configured.
 *
 * @since 0.1.0
 * @category constructors
 */
export const configured = ([program, ...words]: Command): RelayTool => {
  const fill = (word: string, { host, port }: TcpTarget) =>
    word.replaceAll(/\{(?:host|port)\}/gu, (name) => (name === "{host}" ? host : String(port)))
  return {
    name: program,
    connect: (target) => [program, ...words.map((word) => fill(word, target))],
    marks: false
  }
}

/**
 * All of them, the best one first.
 *
 * @since 0.1.0
 * @category constants
 */
export const known: ReadonlyArray<RelayTool> = [perl, socat, busyboxNc, bash]

/**
 * Whether a host name or address from the network can be given to a program: it is no option, and nothing but a name.
 *
 * @since 0.1.0
 * @category guards
 */
export const isHost = (host: string): boolean => host.length <= 255 && /^[\w:][\w.:%-]*$/u.test(host)

/**
 * @since 0.1.0
 * @category guards
 */
export const isPort = (port: number): boolean => Number.isInteger(port) && port >= 1 && port <= 65_535

/**
 * Whether a path from the network can be the path of a Unix socket, which has at most 107 bytes.
 *
 * @since 0.1.0
 * @category guards
 */
export const isSocketPath = (path: string): boolean => /^\/[^\p{Cc}]+$/u.test(path) && path.length <= 107
