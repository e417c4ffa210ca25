/**
 * The files of a virtual container: in memory, and gone with it. Beside them are the streams of its programs, which the
 * shell opens as it opens files.
 *
 * Runs in the container's own thread, in promises, because that is what the shell's library asks for.
 *
 * @since 0.1.0
 */
import {
  type BufferEncoding,
  type ByteString,
  type FileContent,
  InMemoryFs,
  latin1FromBytes,
  unsafeBytesFromLatin1
} from "just-bash"
import * as InitialFiles from "./InitialFiles.ts"
import type { Amount, Identity, OutputName } from "./Protocol.ts"

/** What a program's streams are connected to. */
export interface Streams {
  /** Waits while the reader is slow. */
  readonly write: (output: OutputName, bytes: Uint8Array) => Promise<void>
  readonly read: (amount: Amount) => Promise<Uint8Array>
}

/** Paths by which a program's streams are opened. */
export interface StreamPaths {
  readonly stdout: string
  readonly stderr: string
  /** All that is left of the input. */
  readonly stdin: string
  /** The next line of the input. */
  readonly line: string
}

const pathsOf = (id: number): StreamPaths => ({
  stdin: `/proc/${id}/fd/0`,
  stdout: `/proc/${id}/fd/1`,
  stderr: `/proc/${id}/fd/2`,
  line: `/proc/${id}/fd/line`
})

const listOf = ({ line, stderr, stdin, stdout }: StreamPaths): ReadonlyArray<string> => [stdin, stdout, stderr, line]

type Endpoint =
  | { readonly streams: Streams; readonly output: OutputName }
  | { readonly streams: Streams; readonly amount: Amount }

const bytesOf = (content: FileContent, options: unknown): Uint8Array<ArrayBuffer> => {
  if (typeof content !== "string") return Uint8Array.from(content)
  return options === "binary" || options === "latin1"
    ? Uint8Array.from(content, (character) => character.charCodeAt(0))
    : new TextEncoder().encode(content)
}

/** @internal */
export class ContainerFiles extends InMemoryFs {
  readonly #endpoints = new Map<string, Endpoint>()

  constructor(identity: Identity, maxBytes: number) {
    super(InitialFiles.files(identity), { maxTotalBytes: maxBytes })
    for (const directory of InitialFiles.directories(identity)) this.mkdirSync(directory, { recursive: true })
  }

  /** Gives the streams of a program their paths. */
  connect(id: number, streams: Streams): StreamPaths {
    const paths = pathsOf(id)
    this.#endpoints.set(paths.stdout, { streams, output: "stdout" })
    this.#endpoints.set(paths.stderr, { streams, output: "stderr" })
    this.#endpoints.set(paths.stdin, { streams, amount: "all" })
    this.#endpoints.set(paths.line, { streams, amount: "line" })
    for (const path of listOf(paths)) this.writeFileSync(path, "")
    return paths
  }

  async disconnect(id: number): Promise<void> {
    for (const path of listOf(pathsOf(id))) this.#endpoints.delete(path)
    await super.rm(`/proc/${id}`, { recursive: true, force: true })
  }

  async #toEndpoint(path: string, content: FileContent, options: unknown): Promise<boolean> {
    if (path === "/dev/null") return true
    const endpoint = this.#endpoints.get(path)
    if (endpoint === undefined || !("output" in endpoint)) return false
    const bytes = bytesOf(content, options)
    if (bytes.byteLength > 0) await endpoint.streams.write(endpoint.output, bytes)
    return true
  }

  async #fromEndpoint(path: string): Promise<Uint8Array | undefined> {
    const endpoint = this.#endpoints.get(path)
    return endpoint !== undefined && "amount" in endpoint ? endpoint.streams.read(endpoint.amount) : undefined
  }

  override async appendFile(
    path: string,
    content: FileContent,
    options?: Parameters<InMemoryFs["appendFile"]>[2]
  ): Promise<void> {
    if (!(await this.#toEndpoint(path, content, options))) await super.appendFile(path, content, options)
  }

  override async writeFile(
    path: string,
    content: FileContent,
    options?: Parameters<InMemoryFs["writeFile"]>[2]
  ): Promise<void> {
    if (!(await this.#toEndpoint(path, content, options))) await super.writeFile(path, content, options)
  }

  override async readFile(path: string, options?: Parameters<InMemoryFs["readFile"]>[1]): Promise<string> {
    const input = await this.#fromEndpoint(path)
    if (input === undefined) return super.readFile(path, options)
    const encoding: BufferEncoding | null | undefined = typeof options === "object" ? options.encoding : options
    return Buffer.from(input).toString(encoding === "binary" ? "latin1" : "utf8")
  }

  override async readFileBytes(path: string): Promise<ByteString> {
    const input = await this.#fromEndpoint(path)
    return input === undefined
      ? super.readFileBytes(path)
      : unsafeBytesFromLatin1(Buffer.from(input).toString("latin1"))
  }

  override async readFileBuffer(path: string): Promise<Uint8Array> {
    const input = await this.#fromEndpoint(path)
    return input ?? super.readFileBuffer(path)
  }

  /** The text of a file, or nothing when there is no such file. */
  async text(path: string): Promise<string | undefined> {
    return (await this.exists(path)) && (await this.stat(path)).isFile
      ? Buffer.from(latin1FromBytes(await this.readFileBytes(path)), "latin1").toString("utf8")
      : undefined
  }
}
