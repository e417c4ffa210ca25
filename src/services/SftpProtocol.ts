/**
 * The SSH File Transfer Protocol, version 3 (draft-ietf-secsh-filexfer-02), as every client speaks it: packets as values.
 *
 * @since 0.1.0
 */

/**
 * File attributes (section 5). What is absent is not said.
 *
 * @since 0.1.0
 * @category models
 */
export interface Attributes {
  /** Bytes. */
  readonly size?: number
  readonly uid?: number
  readonly gid?: number
  /** `st_mode` of POSIX. */
  readonly mode?: number
  /** Seconds since the Unix epoch; the time of the last access is told with it, or not at all. */
  readonly mtime?: number
}

/**
 * One file of a directory, or a path.
 *
 * @since 0.1.0
 * @category models
 */
export interface NamedFile {
  readonly filename: string
  /** A line like those of `ls -l`. */
  readonly longname: string
  readonly attributes: Attributes
}

/**
 * How a file is to be opened (section 6.3).
 *
 * @since 0.1.0
 * @category models
 */
export interface OpenFlags {
  readonly read: boolean
  readonly write: boolean
  readonly append: boolean
  readonly create: boolean
  readonly truncate: boolean
  readonly exclusive: boolean
}

/**
 * What a client asks for. Paths are as the client wrote them.
 *
 * @since 0.1.0
 * @category models
 */
export type Request =
  | { readonly _tag: "Init"; readonly version: number }
  | {
      readonly _tag: "Open"
      readonly id: number
      readonly path: string
      readonly flags: OpenFlags
      readonly attributes: Attributes
    }
  | { readonly _tag: "Close" | "FStat" | "ReadDir"; readonly id: number; readonly handle: string }
  | {
      readonly _tag: "Read"
      readonly id: number
      readonly handle: string
      readonly offset: number
      readonly length: number
    }
  | {
      readonly _tag: "Write"
      readonly id: number
      readonly handle: string
      readonly offset: number
      readonly data: Uint8Array
    }
  | {
      readonly _tag: "LStat" | "Stat" | "OpenDir" | "Remove" | "RmDir" | "RealPath" | "ReadLink"
      readonly id: number
      readonly path: string
    }
  | { readonly _tag: "SetStat" | "MkDir"; readonly id: number; readonly path: string; readonly attributes: Attributes }
  | { readonly _tag: "FSetStat"; readonly id: number; readonly handle: string; readonly attributes: Attributes }
  | {
      readonly _tag: "Rename"
      readonly id: number
      readonly from: string
      readonly to: string
      /** Whether what is there already is replaced: `posix-rename@openssh.com`. */
      readonly replace: boolean
    }
  | { readonly _tag: "SymLink"; readonly id: number; readonly target: string; readonly path: string }
  /** A request that this server does not know, or one whose content is not what its kind has. */
  | { readonly _tag: "Unsupported" | "Malformed"; readonly id: number }

/**
 * The codes of `SSH_FXP_STATUS` (section 7).
 *
 * @since 0.1.0
 * @category constants
 */
export const status = {
  ok: 0,
  endOfFile: 1,
  noSuchFile: 2,
  permissionDenied: 3,
  failure: 4,
  badMessage: 5,
  unsupported: 8
} as const

/**
 * @since 0.1.0
 * @category models
 */
export type StatusCode = (typeof status)[keyof typeof status]

/**
 * What a server answers.
 *
 * @since 0.1.0
 * @category models
 */
export type Response =
  | { readonly _tag: "Version" }
  | { readonly _tag: "Status"; readonly id: number; readonly code: StatusCode; readonly message: string }
  | { readonly _tag: "Handle"; readonly id: number; readonly handle: string }
  | { readonly _tag: "Data"; readonly id: number; readonly data: Uint8Array }
  | { readonly _tag: "Names"; readonly id: number; readonly files: ReadonlyArray<NamedFile> }
  | { readonly _tag: "Attributes"; readonly id: number; readonly attributes: Attributes }

/**
 * The longest packet that is taken, in bytes: what OpenSSH's server takes.
 *
 * @since 0.1.0
 * @category constants
 */
export const longestPacket = 262_144

/** What extended requests are called that this server knows, and the version of each. */
const posixRename = "posix-rename@openssh.com"

const has = { size: 1, owner: 2, permissions: 4, times: 8 } as const

/** Thrown by the reader, caught where a packet is read: the packet ended before its content did. */
class Short extends Error {}

const makeReader = (bytes: Uint8Array) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  // A name that is no UTF-8 cannot be told to an engine, and a replacement for it would be another file.
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
  let at = 0
  const skip = (count: number): number => {
    if (count > bytes.length - at) throw new Short()
    at += count
    return at - count
  }
  const uint32 = (): number => view.getUint32(skip(4))
  const data = (): Uint8Array => {
    const length = uint32()
    const start = skip(length)
    return bytes.subarray(start, start + length)
  }
  const text = (): string => decoder.decode(data())
  const attributes = (): Attributes => {
    const flags = uint32()
    const size = (flags & has.size) === 0 ? undefined : uint64()
    const owner = (flags & has.owner) === 0 ? undefined : { uid: uint32(), gid: uint32() }
    const mode = (flags & has.permissions) === 0 ? undefined : uint32()
    const times = (flags & has.times) === 0 ? undefined : { atime: uint32(), mtime: uint32() }
    return {
      ...(size === undefined ? {} : { size }),
      ...owner,
      ...(mode === undefined ? {} : { mode }),
      ...(times === undefined ? {} : { mtime: times.mtime })
    }
  }
  const uint64 = (): number => Number(view.getBigUint64(skip(8)))
  return { uint8: () => view.getUint8(skip(1)), uint32, uint64, data, text, attributes }
}

type Reader = ReturnType<typeof makeReader>

const openFlags = (bits: number): OpenFlags => ({
  read: (bits & 1) !== 0,
  write: (bits & 2) !== 0,
  append: (bits & 4) !== 0,
  create: (bits & 8) !== 0,
  truncate: (bits & 16) !== 0,
  exclusive: (bits & 32) !== 0
})

const readBody = (type: number, id: number, reader: Reader): Request => {
  const { attributes, data, text, uint32, uint64 } = reader
  switch (type) {
    case 3: {
      const path = text()
      const flags = openFlags(uint32())
      return { _tag: "Open", id, path, flags, attributes: attributes() }
    }
    case 4:
      return { _tag: "Close", id, handle: text() }
    case 5: {
      const handle = text()
      const offset = uint64()
      return { _tag: "Read", id, handle, offset, length: uint32() }
    }
    case 6: {
      const handle = text()
      const offset = uint64()
      return { _tag: "Write", id, handle, offset, data: data() }
    }
    case 7:
      return { _tag: "LStat", id, path: text() }
    case 8:
      return { _tag: "FStat", id, handle: text() }
    case 9: {
      const path = text()
      return { _tag: "SetStat", id, path, attributes: attributes() }
    }
    case 10: {
      const handle = text()
      return { _tag: "FSetStat", id, handle, attributes: attributes() }
    }
    case 11:
      return { _tag: "OpenDir", id, path: text() }
    case 12:
      return { _tag: "ReadDir", id, handle: text() }
    case 13:
      return { _tag: "Remove", id, path: text() }
    case 14: {
      const path = text()
      return { _tag: "MkDir", id, path, attributes: attributes() }
    }
    case 15:
      return { _tag: "RmDir", id, path: text() }
    case 16:
      return { _tag: "RealPath", id, path: text() }
    case 17:
      return { _tag: "Stat", id, path: text() }
    case 18: {
      const from = text()
      return { _tag: "Rename", id, from, to: text(), replace: false }
    }
    case 19:
      return { _tag: "ReadLink", id, path: text() }
    case 20: {
      // OpenSSH has the two the other way round than the draft, and everybody follows OpenSSH.
      const target = text()
      return { _tag: "SymLink", id, target, path: text() }
    }
    case 200: {
      const name = text()
      if (name !== posixRename) return { _tag: "Unsupported", id }
      const from = text()
      return { _tag: "Rename", id, from, to: text(), replace: true }
    }
    default:
      return { _tag: "Unsupported", id }
  }
}

/** The packet without its length. `undefined`: not even the kind and the number of the request can be read. */
const readPacket = (bytes: Uint8Array): Request | undefined => {
  const reader = makeReader(bytes)
  let id: number | undefined
  try {
    const type = reader.uint8()
    id = reader.uint32()
    return type === 1 ? { _tag: "Init", version: id } : readBody(type, id, reader)
  } catch (cause) {
    // A TypeError is the decoder's word for what is no UTF-8.
    if (!(cause instanceof Short || cause instanceof TypeError)) throw cause
    return id === undefined ? undefined : { _tag: "Malformed", id }
  }
}

/**
 * Takes a client's bytes, however they are cut, and gives the requests in them.
 *
 * @since 0.1.0
 * @category decoding
 */
export interface Decoder {
  /** The requests that are complete now. `undefined`: this is no SFTP, and nothing after it can be understood. */
  readonly write: (chunk: Uint8Array) => ReadonlyArray<Request> | undefined
}

/**
 * @since 0.1.0
 * @category decoding
 */
export const makeDecoder = (): Decoder => {
  const header = new Uint8Array(4)
  const headerView = new DataView(header.buffer)
  let filled = 0
  let packet: Uint8Array | undefined

  return {
    write: (chunk) => {
      const requests: Array<Request> = []
      let at = 0
      while (at < chunk.length) {
        const target = packet ?? header
        const taken = Math.min(target.length - filled, chunk.length - at)
        target.set(chunk.subarray(at, at + taken), filled)
        filled += taken
        at += taken
        if (filled < target.length) break
        filled = 0
        if (packet === undefined) {
          const length = headerView.getUint32(0)
          if (length === 0 || length > longestPacket) return undefined
          packet = new Uint8Array(length)
        } else {
          const request = readPacket(packet)
          if (request === undefined) return undefined
          packet = undefined
          requests.push(request)
        }
      }
      return requests
    }
  }
}

const encoder = new TextEncoder()

type Part = Uint8Array

const uint32 = (value: number): Part => {
  const part = new Uint8Array(4)
  new DataView(part.buffer).setUint32(0, value)
  return part
}

const uint64 = (value: number): Part => {
  const part = new Uint8Array(8)
  new DataView(part.buffer).setBigUint64(0, BigInt(value))
  return part
}

const text = (value: string): ReadonlyArray<Part> => {
  const bytes = encoder.encode(value)
  return [uint32(bytes.length), bytes]
}

const attributeParts = ({ gid, mode, mtime, size, uid }: Attributes): ReadonlyArray<Part> => {
  const isOwned = uid !== undefined && gid !== undefined
  const flags =
    (size === undefined ? 0 : has.size) +
    (isOwned ? has.owner : 0) +
    (mode === undefined ? 0 : has.permissions) +
    (mtime === undefined ? 0 : has.times)
  return [
    uint32(flags),
    ...(size === undefined ? [] : [uint64(size)]),
    ...(isOwned ? [uint32(uid), uint32(gid)] : []),
    ...(mode === undefined ? [] : [uint32(mode)]),
    ...(mtime === undefined ? [] : [uint32(mtime), uint32(mtime)])
  ]
}

const bodyOf = (response: Response): readonly [type: number, parts: ReadonlyArray<Part>] => {
  switch (response._tag) {
    case "Version":
      return [2, [uint32(3), ...text(posixRename), ...text("1")]]
    case "Status":
      return [101, [uint32(response.id), uint32(response.code), ...text(response.message), ...text("en")]]
    case "Handle":
      return [102, [uint32(response.id), ...text(response.handle)]]
    case "Data":
      return [103, [uint32(response.id), uint32(response.data.length), response.data]]
    case "Names":
      return [
        104,
        [
          uint32(response.id),
          uint32(response.files.length),
          ...response.files.flatMap(({ attributes, filename, longname }) => [
            ...text(filename),
            ...text(longname),
            ...attributeParts(attributes)
          ])
        ]
      ]
    case "Attributes":
      return [105, [uint32(response.id), ...attributeParts(response.attributes)]]
  }
}

/**
 * The packet for a response, with its length in front.
 *
 * @since 0.1.0
 * @category encoding
 */
export const encode = (response: Response): Uint8Array => {
  const [type, parts] = bodyOf(response)
  const length = parts.reduce((sum, part) => sum + part.length, 1)
  const packet = new Uint8Array(4 + length)
  packet.set(uint32(length))
  packet[4] = type
  let at = 5
  for (const part of parts) {
    packet.set(part, at)
    at += part.length
  }
  return packet
}
